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


"""Whether the system has what the driver needs, each thing with its remedy."""

from __future__ import annotations

import collections.abc
import typing

from ibmvirt.common import context, exceptions
from ibmvirt.common.preflight import FAILURE, OK, WARNING, Finding, look
from ibmvirt.powervm import connection as connections
from ibmvirt.powervm import local_tools, media, writer
from ibmvirt.powervm import options as options_
from ibmvirt.powervm.disks import kinds
from ibmvirt.powervm.networks import physical
from ibmvirt.powervm.rest import opened, topology, uploads
from ibmvirt.powervm.volumes import fabrics


def check(options: typing.Any, networks: tuple[str, ...] = ()) -> list[Finding]:
    """Look at everything; nothing is changed.

    :param options: the group ``[powervm]`` of the configuration.
    :param networks: physical networks that this host shall reach.
    """
    connection = connections.Connection(options, wait=0)
    places = topology.Topology(
        connection.adapter, options.cluster_name, options.tier_name
    )
    with context.background("preflight"):
        first = look("NovaLink", lambda: _log_on(connection, places))
        if first.result != OK:
            return [first]
        try:
            return [first, *_all(options, connection, places, networks)]
        finally:
            connection.close()


def _all(
    options: typing.Any,
    connection: connections.Connection,
    places: topology.Topology,
    networks: tuple[str, ...],
) -> collections.abc.Iterator[Finding]:
    yield _vioses(places)
    writers = writer.Writers(connection.adapter)
    sender = uploads.Uploads(
        connection.adapter, opened.Opened(connection.adapter, None)
    )
    disks = kinds.build(connection.adapter, places, writers, sender, options)
    yield look("disks", lambda: _disks(places, disks))
    yield look("config drives", lambda: _repository(options, connection, places))
    yield look("SEA networks", lambda: _switch(places, options.default_switch))
    yield look("Shared Ethernet Adapters", lambda: _seas(options, places, networks))
    if options.use_rmc_mgmt_vif:
        yield look(
            "management network", lambda: _switch(places, options.management_switch)
        )
    yield look("Open vSwitch", lambda: "management partition: " + _management(places))
    yield _ports(places)
    if options.fc_attach_strategy == "npiv":
        yield look("Fibre Channel fabrics", lambda: _fabrics(options, places))
    yield _snapshots(options, places)


def _log_on(connection: connections.Connection, places: topology.Topology) -> str:
    connection.open()
    return f"manages {places.system().mtms.mtms_str}"


def _vioses(places: topology.Topology) -> Finding:
    try:
        active = places.active_vioses()
    except exceptions.IBMVirtError as error:
        return Finding("VIOS", FAILURE, str(error))
    others = [vios.name for vios in places.vioses() if not vios.active]
    if others:
        return Finding(
            "VIOS",
            WARNING,
            f"no active RMC connection to {', '.join(others)}: they are not used",
        )
    return Finding("VIOS", OK, ", ".join(vios.name for vios in active))


def _disks(places: topology.Topology, disks: kinds.Disks) -> str:
    """Where disks are made, and that a VIOS can map them."""
    disks.configured.paths(places.active_vioses())
    return disks.configured.where()


def _repository(
    options: typing.Any, connection: connections.Connection, places: topology.Topology
) -> str:
    """Where the media repository is, or will be made."""
    adapter = connection.adapter
    repository = media.Repository(
        adapter,
        places,
        writer.Writers(adapter),
        options.vopt_media_volume_group,
        options.vopt_media_rep_size,
    )
    found = repository.find()
    if found is not None:
        return f"repository on {found.vios.name}"
    group = repository.candidates()[0]
    return (
        f"no VIOS has a repository: one of {options.vopt_media_rep_size} GB will be "
        f"made in {group.name} of {group.vios.name}"
    )


def _management(places: topology.Topology) -> str:
    return places.management()[1]


def _switch(places: topology.Topology, name: str) -> str:
    places.switch_href(name)
    return f"virtual switch {name}"


def _seas(
    options: typing.Any, places: topology.Topology, networks: tuple[str, ...]
) -> str:
    bridges = physical.Bridges(places, options.bridge_mappings)
    bridges.check(options.default_switch)
    for network in networks:
        bridges.switch(network, "", options.default_switch)
    return ", ".join(f"{sea.device} of {sea.vios}" for sea in places.seas())


def _ports(places: topology.Topology) -> Finding:
    name = "Fibre Channel"
    try:
        count = sum(len(ports) for ports in places.fc_ports().values())
    except exceptions.IBMVirtError as error:
        return Finding(name, FAILURE, str(error))
    if not count:
        return Finding(
            name, WARNING, "no VIOS has an active port: volumes cannot be attached"
        )
    return Finding(name, OK, f"{count} active ports")


def _fabrics(options: typing.Any, places: topology.Topology) -> str:
    """The ports of each fabric; one without is an error."""
    configured = fabrics.of_options(
        options.fabrics, lambda name: options_.fabric_ports(options, name)
    )
    vioses = [vios.uuid for vios in places.active_vioses()]
    shown = []
    for fabric in configured:
        fabrics.choose(fabric, 1, vioses, places.fc_ports(), {})
        homes = [p for p in places.fc_homes().values() if p.wwpn in fabric.ports]
        shown.append(f"{fabric.name} with {len(homes)} of {len(fabric.ports)} ports")
    return ", ".join(shown)


def _snapshots(options: typing.Any, places: topology.Topology) -> Finding:
    name = "snapshots"
    own = local_tools.LocalTools(options.local_root).partition_id()
    try:
        wanted = places.management_id()
    except exceptions.IBMVirtError as error:
        return Finding(name, FAILURE, str(error))
    if own != wanted:
        return Finding(
            name,
            WARNING,
            f"this is not the management partition ({wanted}): none can be taken; "
            "run nova-compute on the NovaLink partition",
        )
    return Finding(name, OK, f"read by partition {own}")
