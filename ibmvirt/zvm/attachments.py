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

"""Volumes on guests, whatever became of the calls that brought them there.

The Connector's attach and detach are not idempotent, and it may end in the
middle. What is under way is written down first; what did not end well is found
out by the Connector's count of volumes on a device.
"""

from __future__ import annotations

import dataclasses
import logging
import threading

from ibmvirt.common import exceptions
from ibmvirt.zvm import holdings, paused
from ibmvirt.zvm.client import connector, errors, fcp

LOG = logging.getLogger(__name__)


class Attachments:
    """Adds volumes to guests and removes them; the caller holds the guest's lock.

    :param reserving: held while leftovers on a device that is free are removed:
        nobody else gets the device meanwhile.
    """

    def __init__(
        self,
        calls: connector.Connector,
        devices: fcp.Fcp,
        kept: holdings.Holdings,
        pauses: paused.Paused,
        reserving: threading.Lock,
    ) -> None:
        self._pauses = pauses
        self._calls = calls
        self._fcp = devices
        self._kept = kept
        self._reserving = reserving

    def known(self, user: str) -> holdings.Holding:
        return self._kept.get(user) or holdings.Holding(user)

    def add(
        self,
        holding: holdings.Holding,
        name: str,
        wanted: holdings.Attachment,
        *,
        may_run: bool,
    ) -> None:
        """Attach a volume; what is left of a failed one, :meth:`remove` removes."""
        user = holding.user
        self._check_running(user, f"attach the LUN {wanted.lun} to")
        holding = self._put(holding, name, wanted, holdings.COMING)
        try:
            self._fcp.attach(connection(user, wanted))
        except errors.ConnectorAnswerLost:
            if not self._is_counted(holding, wanted):
                raise
        except errors.ConnectorUnreachable:
            self._kept.put(holding.without(name))
            raise
        except errors.ConnectorError:
            self._put(holding, name, wanted, holdings.FAILED)
            raise
        if may_run:
            self._check_paths(holding, name, wanted)
        self._put(holding, name, wanted, holdings.ATTACHED)

    def _check_running(self, user: str, what: str) -> None:
        """:raises WrongState: the guest is paused; nothing was changed."""
        self._pauses.check(user, f"{what} the guest {user}")

    def _check_paths(
        self, holding: holdings.Holding, name: str, wanted: holdings.Attachment
    ) -> None:
        """That a running guest has all the devices of its first volume.

        Defect: where CP's query fails, the Connector takes the guest for one
        that is off, dedicates a device in the directory alone and reports
        success.
        """
        user = holding.user
        if any(holding.counted(device) for device in wanted.devices):
            return
        try:
            if self._calls.power_state(user) != "on":
                return
            missing = sorted(
                set(wanted.devices) - self._fcp.owned(user, holding.template)
            )
            if missing:
                raise errors.ConnectorError(
                    f"attach the LUN {wanted.lun} to the guest {user}",
                    f"the guest did not get the FCP devices {', '.join(missing)}",
                    remedy="look at the Connector's zvmsdk.log",
                )
        except exceptions.IBMVirtError:
            self._put(holding, name, wanted, holdings.FAILED)
            raise

    def remove(
        self, holding: holdings.Holding, name: str, found: holdings.Attachment
    ) -> holdings.Holding:
        """Take a volume off, in whatever state it is; the new holding."""
        if found.state == holdings.ATTACHED or self._is_counted(holding, found):
            self._check_running(holding.user, f"detach the LUN {found.lun} from")
            sure = found.state == holdings.ATTACHED and found.whole
            if found.state == holdings.ATTACHED:
                # An attach that did not end well stays one until it is undone.
                holding = self._put(holding, name, found, holdings.GOING)
            try:
                self.detach(connection(holding.user, found), sure=sure)
            except errors.ConnectorAnswerLost:
                if self._is_counted(holding, found):
                    raise
            self._check_gone(holding, found)
        elif found.state == holdings.GOING:
            self._check_gone(holding, found)
        else:
            self._clean(holding, found)
        holding = holding.without(name)
        self._kept.put(holding)
        return holding

    def detach(self, whole: fcp.Connection, *, sure: bool = False) -> None:
        """Detach a volume that is counted.

        Defect: a guest's detach script fails where the volume is not there, as
        after one that was cut off; the Connector then attaches the volume again
        and keeps its count. So the second detach finds what it takes away.

        :param sure: it was attached, and nothing began to take it away.
        """
        self._check_running(whole.user, f"detach the LUN {whole.lun} from")
        try:
            self._fcp.detach(whole)
        except (errors.ConnectorAnswerLost, errors.ConnectorUnreachable):
            raise
        except errors.ConnectorError as error:
            if sure:
                raise
            LOG.info("detaching again, as it may have been half detached: %s", error)
            self._fcp.detach(whole)

    def _check_gone(
        self, holding: holdings.Holding, found: holdings.Attachment
    ) -> None:
        """That the devices of a guest's last volume are not its any more.

        Defect: where CP's query fails, the Connector takes the guest for one
        that is not there, counts the volume off and does nothing else; asked
        again, it does the rest, and its count stays 0. Or it takes it for one
        that is off, and takes the device from the directory alone.
        """
        if not any(holding.counted(device) for device in found.devices):
            self.take_back(holding.user, holding.template, found)

    def _clean(self, holding: holdings.Holding, found: holdings.Attachment) -> None:
        """Remove what an attach may have left that the Connector does not count."""
        user, whole = holding.user, connection(holding.user, found)
        others = {device: holding.counted(device) for device in found.devices}
        if not any(others.values()):
            self.take_back(user, holding.template, found)
        elif found.state == holdings.COMING:
            self._check_running(user, f"detach the LUN {found.lun} from")
            # A detach takes one off the count, which is the other volumes'.
            for device, count in others.items():
                self._fcp.set_use(device, user, count + 1, holding.template)
            try:
                self.detach(whole)
            except errors.ConnectorAnswerLost:
                raise
            except errors.ConnectorError as error:
                # Not even the Connector's own attach, after the first detach.
                LOG.info("the guest reaches nothing of the volume: %s", error)
                for device, count in others.items():
                    self._fcp.set_use(device, user, count, holding.template)

    def take_back(self, user: str, template: str, found: holdings.Attachment) -> None:
        """Take devices that no volume is counted on from a guest, if it has them.

        A detach does so, where the guest has the devices. If the directory alone
        has them, or the running guest alone, it fails; then an attach fails as
        well, as they are there, and the Connector takes back all that it could
        have done.

        :raises ConnectorError: the guest still has a device.
        """
        if not self._has(user, template, found):
            return
        with self._reserving:
            self._check_mine(user, found)
            self._take_all(user, template, found)

    def _has(self, user: str, template: str, found: holdings.Attachment) -> bool:
        """Whether a guest has a device, in the directory or as it runs.

        One that it has as it runs alone is of a Connector that ended between its
        two commands, or that took it for off. Another guest's volumes would be
        shown to it, once the Connector gives the device to that one.
        """
        wanted = set(found.devices)
        return bool(
            wanted & self._fcp.dedicated(user)
            or wanted & self._fcp.owned(user, template)
        )

    def _take_all(self, user: str, template: str, found: holdings.Attachment) -> None:
        """The caller holds ``reserving``."""
        self._check_running(
            user, f"take the FCP devices {', '.join(found.devices)} from"
        )
        whole = connection(user, found)
        try:
            self._fcp.detach(whole)
        except (errors.ConnectorAnswerLost, errors.ConnectorUnreachable):
            raise
        except errors.ConnectorError as error:
            failed = error
        else:
            return
        LOG.info("taking the FCP devices from %s by an attach: %s", user, failed)
        try:
            self._fcp.attach(whole)
        except (errors.ConnectorAnswerLost, errors.ConnectorUnreachable):
            raise
        except errors.ConnectorError as error:
            if self._has(user, template, found):
                raise failed from error
        else:
            self._fcp.detach(whole)

    def _check_mine(self, user: str, found: holdings.Attachment) -> None:
        """That the Connector did not give a device to another guest meanwhile.

        :raises ConnectorError: it did; a detach would count off that one's volume.
        """
        for device in found.devices:
            use = self._fcp.use(device)
            if use.holder != user and (use.reserved or use.connections):
                raise errors.ConnectorError(
                    f"take the FCP device {device} from the guest {user}",
                    f"the Connector has given it to {use.holder}",
                    remedy=f"remove DEDICATE {device} from the directory entry of "
                    f"{user}, and detach the device from {user} if it runs",
                )

    def _is_counted(
        self, holding: holdings.Holding, found: holdings.Attachment
    ) -> bool:
        """Whether the Connector counts a volume that is not surely attached.

        The devices of a failed attach may be another guest's by now.
        """
        device = found.devices[0]
        use = self._fcp.use(device)
        sure = holding.counted(device)
        return use.holder == holding.user and use.connections > sure

    def settled(self, user: str, *, but: str = "") -> holdings.Holding:
        """The guest's holding with nothing under way, except for ``but``.

        What is under way now was begun by a call that did not end well: Nova
        took an attach for failed, and the volume of a detach for attached.
        """
        holding = self.known(user)
        for name, found in list(holding.volumes.items()):
            if name == but or found.state == holdings.ATTACHED:
                continue
            if found.state == holdings.GOING and self._is_counted(holding, found):
                cut_off = dataclasses.replace(found, whole=False)
                holding = self._put(holding, name, cut_off, holdings.ATTACHED)
            else:
                holding = self.remove(holding, name, found)
        return holding

    def _put(
        self,
        holding: holdings.Holding,
        name: str,
        found: holdings.Attachment,
        state: str,
    ) -> holdings.Holding:
        holding = holding.with_volume(name, dataclasses.replace(found, state=state))
        self._kept.put(holding)
        return holding


def connection(user: str, found: holdings.Attachment) -> fcp.Connection:
    return fcp.Connection(
        user=user,
        devices=found.devices,
        wwpns=found.wwpns,
        lun=found.lun,
        os_version=found.os_version,
        mount_point=found.mount_point,
    )
