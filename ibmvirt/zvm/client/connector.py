# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The calls of the Cloud Connector that the driver makes, typed."""

from __future__ import annotations

import typing

from ibmvirt.zvm.client import errors, transport

_PROBE_TIMEOUT = 30.0


class Connector:
    """Calls by name; an answer with an error is raised as one."""

    def __init__(self, wire: transport.Transport) -> None:
        self._wire = wire
        # Why the Connector is known to be away; then nothing is tried.
        self.away = ""

    def call(
        self, what: str, api: str, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.Any:
        """The ``output`` of a call.

        :param what: for errors: "start the guest OSV00001".
        :raises ConnectorError: by its codes.
        """
        if self.away:
            raise errors.ConnectorUnreachable(what, self.away)
        try:
            answer = self._wire.call(api, *args, **kwargs)
        except errors.ConnectorError as error:
            # The transport knows the call, not what it was for.
            raise error.during(what) from error
        if answer["overallRC"] != 0:
            raise errors.error_for(what, answer)
        return answer.get("output")

    def close(self) -> None:
        self._wire.close()

    @property
    def url(self) -> str:
        return self._wire.url

    def probe(self) -> None:
        """Ask for something that costs nothing, though it is known to be away.

        :raises ConnectorError: there is no good answer.
        """
        what = f"reach the z/VM Cloud Connector at {self.url}"
        try:
            answer = self._wire.call("guest_list", timeout_read=_PROBE_TIMEOUT)
        except (errors.ConnectorUnreachable, errors.ConnectorAnswerLost) as error:
            reason = f"it does not answer: {error.reason}"
            raise errors.ConnectorUnreachable(
                what, reason, remedy=error.remedy
            ) from error
        if answer["overallRC"] != 0:
            raise errors.error_for(what, answer)

    def version(self) -> str:
        found = self.call("read the Connector's version", "version")
        return str(found["version"])

    # -- host ---------------------------------------------------------------

    def host_info(self) -> dict[str, typing.Any]:
        found: dict[str, typing.Any] = self.call("read the host", "host_get_info")
        return found

    def guests(self) -> frozenset[str]:
        """Userids of the Connector's guests, upper case."""
        found = self.call("list the guests", "guest_list")
        return frozenset(name.upper() for name in found)

    def ssi_members(self) -> list[str]:
        """Names of the members of the cluster; empty outside of one."""
        lines = self.call("read the SSI cluster", "host_get_ssi_info") or []
        pairs = (line.partition("=") for line in lines)
        return [
            value.strip()
            for key, _, value in pairs
            if key.strip() == "member_system_id"
        ]

    def pool_volumes(self) -> list[str]:
        """The volumes of the Connector's own disk pool."""
        found = self.call(
            "list the volumes of the disk pool", "host_get_diskpool_volumes"
        )
        return str(found.get("diskpool_volumes") or "").split()

    def volume_type(self, volume: str) -> str:
        """The device of a volume: 3390-09, 9336-32."""
        what = f"look at the volume {volume}"
        found = self.call(what, "host_get_volume_info", volume=volume)
        return str(found["volume_type"])

    def pool_info(self, pool: str) -> dict[str, typing.Any]:
        """disk_total, disk_used and disk_available of a pool in GiB."""
        what = f"read the disk pool {pool}"
        return dict(self.call(what, "host_diskpool_get_info", disk_pool=pool))

    # -- images -------------------------------------------------------------

    def image(self, name: str) -> dict[str, typing.Any] | None:
        """The Connector's record of an image, or None."""
        try:
            found = self.call(
                f"look for the image {name}", "image_query", imagename=name
            )
        except errors.NotFound:
            return None
        return dict(found[0]) if found else None

    def images(self) -> list[dict[str, typing.Any]]:
        """The records of all images."""
        return list(self.call("list the images", "image_query"))

    def import_image(
        self,
        name: str,
        url: str,
        os_version: str,
        *,
        md5: str,
        remote_host: str | None = None,
    ) -> None:
        """An image that is there already is no error: it may be our own try."""
        try:
            self.call(
                f"import the image {name}",
                "image_import",
                name,
                url,
                {"os_version": os_version, "md5sum": md5},
                **_remote(remote_host),
            )
        except errors.AlreadyExists:
            return
        except errors.ConnectorAnswerLost as lost:
            self._need_image(name, lost)

    def _need_image(self, name: str, lost: errors.ConnectorAnswerLost) -> None:
        """:raises ConnectorAnswerLost: ``lost``: the image is not there."""
        try:
            if self.image(name) is not None:
                return
        except errors.ConnectorError as error:
            raise lost from error
        raise lost

    def export_image(
        self, name: str, url: str, remote_host: str | None = None
    ) -> dict[str, typing.Any]:
        """Have an image written to a file; ``os_version`` and ``md5sum`` of it."""
        found: dict[str, typing.Any] = self._twice(
            f"export the image {name}",
            "image_export",
            name,
            url,
            **_remote(remote_host),
        )
        return found

    def delete_image(self, name: str) -> None:
        """One that is not there is no error."""
        self._twice(f"delete the image {name}", "image_delete", name)

    def capture(self, user: str, image: str) -> None:
        """Make an image of a guest's root disk; a guest that is on restarts."""
        what = f"capture the guest {user} as the image {image}"
        for again in (True, False):
            try:
                self.call(what, "guest_capture", user, image)
            except errors.ConnectorAnswerLost as lost:
                self._need_image(image, lost)
            except errors.ConnectorError as error:
                # Defect: a Connector that ends during a capture leaves the
                # file, which the next capture of that name trips over. That
                # one removes it.
                if not (again and "file already exists" in error.reason):
                    raise
                continue
            return

    def delete_half_captured(self, image: str, os_version: str) -> None:
        """Delete what a failed capture has left.

        Defect: the Connector records a captured image last, and leaves its
        file where a step before that fails; it does not delete what it has no
        record of. A failed import of that name removes the file.
        """
        self.delete_image(image)
        what = f"remove what is left of the image {image}"
        try:
            self.call(
                what,
                "image_import",
                image,
                "file:///nothing/of/this/name",
                {"os_version": os_version},
            )
        except (errors.ConnectorUnreachable, errors.ConnectorAnswerLost):
            raise
        except errors.ConnectorError:
            return
        self.delete_image(image)

    def _twice(
        self, what: str, api: str, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.Any:
        """A call that may be repeated: once more where its answer was lost."""
        try:
            return self.call(what, api, *args, **kwargs)
        except errors.ConnectorTimedOut:
            raise
        except errors.ConnectorAnswerLost:
            return self.call(what, api, *args, **kwargs)

    # -- guests ---------------------------------------------------------------

    def create_guest(
        self, user: str, vcpus: int, memory: int, disks: list[dict[str, typing.Any]]
    ) -> None:
        # Defect: without disk_list the Connector fails with a TypeError.
        self.call(
            f"create the guest {user}",
            "guest_create",
            user,
            vcpus,
            memory,
            disk_list=disks,
        )

    def delete_guest(self, user: str) -> None:
        """One that is not there is no error."""
        what = f"delete the guest {user}"
        try:
            self.call(what, "guest_delete", user)
        except errors.NotFound:
            return
        except errors.ConnectorAnswerLost:
            # Deleting again tells whether it is gone.
            try:
                self.call(what, "guest_delete", user)
            except errors.NotFound:
                return

    def register(self, user: str) -> bool:
        """Let the Connector know a user of the directory; False if none is."""
        try:
            what = f"register the guest {user}"
            self.call(what, "guest_register", user, "", "1")
        except errors.NotFound:
            return False
        except errors.ConnectorError:
            # Defect: a user that is off and has adapters is registered, and
            # then the call fails because it finds none of them.
            if user not in self.guests():
                raise
        return True

    def delete_half_made(self, user: str) -> None:
        """Delete a guest whose creation failed; one that is not there is none.

        Defect: the Connector adds a guest to its database as the last part of
        guest_create, and does not delete a user that it does not have there.
        So the user is registered first.
        """
        if self.register(user):
            self.delete_guest(user)

    def deploy(
        self, user: str, image: str, drive: str | None, remote_host: str | None = None
    ) -> None:
        """Write an image to the root disk, and a drive to the reader.

        :param remote_host: user@address that has the drive; None: the Connector.
        """
        kwargs = {"transportfiles": drive} if drive else {}
        if drive and remote_host:
            kwargs["remotehost"] = remote_host
        self.call(
            f"deploy the image {image} to the guest {user}",
            "guest_deploy",
            user,
            image,
            **kwargs,
        )

    def configure_disks(self, user: str, disks: list[dict[str, typing.Any]]) -> None:
        what = f"configure the further disks of the guest {user}"
        self.call(what, "guest_config_minidisks", user, disks)

    def directory_entry(self, user: str) -> list[str] | None:
        """The statements of a user of the directory, registered or not.

        None: the directory, which a cluster's members share, has no such user.
        """
        what = f"read the directory entry of {user}"
        try:
            found = self.call(what, "guest_get_user_direct", user)
        except errors.NotFound:
            return None
        return [str(line) for line in found["user_direct"]]

    def power_state(self, user: str) -> str:
        """on or off, without a look into the Connector's database."""
        what = f"read the power state of the guest {user}"
        return str(self.call(what, "guest_get_power_state_real", user))

    def known_power_state(self, user: str) -> str:
        """on or off of a guest of the Connector's.

        :raises NotFound: it is none, or was found at another member.
        """
        what = f"read the power state of the guest {user}"
        return str(self.call(what, "guest_get_power_state", user))

    def start(self, user: str) -> None:
        """One that is on is no error."""
        self._twice(f"start the guest {user}", "guest_start", user)

    def stop(self, user: str) -> None:
        """One that is off is no error."""
        self._twice(f"stop the guest {user}", "guest_stop", user)

    def pause(self, user: str) -> None:
        """One that is paused is no error."""
        self._twice(f"pause the guest {user}", "guest_pause", user)

    def unpause(self, user: str) -> None:
        """One that is not paused is no error."""
        self._twice(f"unpause the guest {user}", "guest_unpause", user)

    def soft_stop(self, user: str, timeout: int, interval: int) -> None:
        self.call(
            f"shut the guest {user} down",
            "guest_softstop",
            user,
            timeout=timeout,
            poll_interval=interval,
        )

    def act(self, action: str, user: str) -> typing.Any:
        """reboot, reset, get_console_output."""
        return self.call(f"{action} the guest {user}", f"guest_{action}", user)

    def info(self, user: str) -> dict[str, typing.Any]:
        found: dict[str, typing.Any] = self.call(
            f"read the guest {user}", "guest_get_info", user
        )
        return found


def _remote(host: str | None) -> dict[str, str]:
    return {"remote_host": host} if host else {}
