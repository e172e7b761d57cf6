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

"""The z/VM backend put together from the configuration."""

from __future__ import annotations

import functools
import pathlib
import typing

from ibmvirt.common import capability, exceptions, periodic
from ibmvirt.common.preflight import Finding
from ibmvirt.zvm import (
    cluster,
    disks,
    files,
    guests,
    holdings,
    host,
    images,
    networks,
    parts,
    paused,
    pools,
    preflight,
    releases,
    residents,
    snapshots,
    userids,
    volumes,
    watch,
)
from ibmvirt.zvm.client import connector, transport

SWEEP = 300.0


def _connect(options: typing.Any, url: str) -> connector.Connector:
    return connector.Connector(
        transport.Transport(
            url,
            ca_file=options.ca_file,
            token_path=options.token_path,
            connect_timeout=options.connect_timeout,
            read_timeout=options.request_timeout,
        )
    )


def check(
    options: typing.Any,
    state_path: str,
    own_ip: str,
    own_name: str,
    neutron: preflight.Neutron,
) -> list[Finding]:
    """What z/VM is missing; nothing is changed, and no service disturbed.

    :raises InvalidRequest: [zvm]cloud_connector_url is not set, or is wrong.
    """
    _need_url(options)
    calls = _connect(options, options.cloud_connector_url)
    setup = files.Setup(options, pathlib.Path(state_path) / "zvm", own_ip, own_name)
    try:
        return preflight.check(
            options, calls, functools.partial(_connect, options), setup, neutron
        )
    finally:
        calls.close()


def _need_url(options: typing.Any) -> None:
    if not options.cloud_connector_url:
        raise exceptions.InvalidRequest(
            "use z/VM",
            "[zvm]cloud_connector_url is not set",
            "set it to the Cloud Connector's address, http(s)://host:port",
        )


def build(
    options: typing.Any,
    state_path: str,
    own_ip: str,
    own_name: str,
    minimum_image_age: float | None = None,
) -> capability.Backend:
    """Make every object; nothing is called until the host starts.

    :param own_name: of this service, [DEFAULT]host.
    :param minimum_image_age: seconds that an image is unused before it is
        removed; None: none is.
    :raises InvalidRequest: [zvm]cloud_connector_url is not set, or another
        option cannot be right.
    """
    _need_url(options)
    state = pathlib.Path(state_path) / "zvm"
    releases.check_mapping(options.os_version_map)
    transports = files.KINDS[options.transport].configured(
        files.Setup(options, state, own_ip, own_name)
    )

    to = functools.partial(_connect, options)
    calls = to(options.cloud_connector_url)
    members = cluster.Cluster(calls, options.ssi_connectors, to)
    names = guests.GuestList(calls)
    pauses = paused.Paused(state / "paused.json")
    media = disks.Media(transports)
    disk_pools = pools.Pools(calls, options.disk_pools)
    choice = userids.Userids(calls, options.userid_prefix)
    cinder = volumes.Volumes(
        calls,
        holdings.Holdings(state / "volumes"),
        choice,
        names.has,
        pauses,
        template=options.fcp_template,
        own_ip=own_ip,
        grace=options.fcp_reservation_time,
    )

    def gone(user: str) -> None:
        cinder.forget(user)
        captures.gone(user)

    servers = guests.Guests(
        calls,
        names,
        pauses,
        choice,
        members,
        gone,
        parts.Parts(options.os_version_map, disk_pools),
        residents.Residents(state / "guests.json"),
    )
    pause = guests.Pause(calls, pauses)
    captures = snapshots.Snapshots(calls, transports, servers, pause)
    kept = images.Images(
        calls, transports, images.Ledger(state / "images.json"), options.os_version_map
    )
    cache = images.ImageCache(calls, kept, minimum_image_age, captures.sweep)
    return capability.Backend(
        name="z/VM",
        guests=servers,
        disks=disks.Disks(calls, kept),
        storage=disks.Storage(calls, media, cinder, transports.remote_host),
        networks=networks.Networks(calls, pauses, grant=options.grant_vswitch),
        media=media,
        host=host.Host(
            calls,
            state,
            own_ip,
            disk_pools,
            watch.Watch(calls, options.check_interval),
            on_start=(transports.start,),
            when_reached=(cache.start,),
            background=[periodic.Periodic("fcp-sweep", lambda: SWEEP, cinder.sweep)],
        ),
        volumes=cinder,
        pause=pause,
        snapshots=captures,
        image_cache=cache,
        consoles=guests.Consoles(calls),
        hot_plug_networks=True,
        extend_volumes=True,
        # Each guest has WWPNs of its own.
        multiattach=True,
        # Minidisks are DASD; a volume's FCP device is a SCSI disk.
        disk_names="/dev/dasd",
        # z/VM has no metadata service that a guest could reach.
        config_drive_required=True,
        # Deploying purges the reader, and with it the network's script.
        plug_after_storage=True,
    )
