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


"""N_Port ID Virtualization: partitions with Fibre Channel adapters of their own.

The storage gives its volumes to the partition's WWPNs, and a VIOS only passes
on what the adapter says. So a server's first volume brings it adapters on every
fabric, and all its later volumes come through the same ones; they go with it.
"""

from __future__ import annotations

import collections
import collections.abc
import itertools
import logging
import typing

from pypowervm import const
from pypowervm.wrappers import base_partition, virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import owners, parallel, waiting, writer
from ibmvirt.powervm.guests import identities
from ibmvirt.powervm.rest import errors, jobs, topology
from ibmvirt.powervm.rest import places as places_
from ibmvirt.powervm.volumes import base, fabrics, wwpns

LOG = logging.getLogger(__name__)

GROUP = const.XAG.VIO_FMAP
# Of a host's name in the connector, which goes on with the server's.
_HOST_MAX = 20


class Npiv(base.VolumeKind):
    """Adapters of partitions; the WWPNs are kept by Nova.

    :param networks: the fabrics that new servers get adapters on.
    :param holders: tells mappings of partitions that are gone.
    :param count: adapters of a server on each fabric.
    :param host: the name of this host in Nova.
    """

    PROTOCOL = "fibre_channel"

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
        runner: jobs.Jobs,
        networks: tuple[fabrics.Fabric, ...],
        holders: owners.Owners,
        *,
        count: int,
        host: str,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._jobs = runner
        self._fabrics = networks
        self._owners = holders
        self._count = count
        self._host = host
        self._promises = fabrics.Promises()

    def check(self, volume: plan.Volume) -> None:
        """Nothing of the connection is used: the partition finds its LUNs."""

    # -- WWPNs ---------------------------------------------------------------

    def connector(self, server: plan.Server) -> plan.Values:
        """A host of its own for each server, as its WWPNs are its own."""
        return {
            "host": f"{self._host[:_HOST_MAX]}_{server.name}",
            "wwpns": [
                adapter.wwpn for adapter in wwpns.adapters(server.system_metadata)
            ],
        }

    def incomplete(self, server: plan.Server) -> bool:
        """Whether a fabric is without adapters, or one's port is not here."""
        known = wwpns.parse(server.system_metadata)
        if any(not known.get(fabric.name) for fabric in self._fabrics):
            return True
        here = self._topology.fc_homes()
        if any(a.port not in here for found in known.values() for a in found):
            self._topology.forget_fc_ports()
            here = self._topology.fc_homes()
        return any(a.port not in here for found in known.values() for a in found)

    def record(self, server: plan.Server) -> plan.Values:
        """Adapters for each fabric; WWPNs that were given once are kept.

        A server whose ports are not here came from another host, or the port
        was replaced: it gets ports of this host.
        """
        known = wwpns.parse(server.system_metadata)
        partition = identities.uuid_of(server.uuid)
        with waiting.held(self._promises.lock):
            chosen = self._choose(known, partition)
            self._promises.make(partition, itertools.chain(*chosen.values()))
        values: dict[str, str] = {}
        try:
            for fabric, ports in chosen.items():
                pairs = [(a.wwpn, a.other) for a in known.get(fabric.name, ())]
                pairs = pairs or self._new_pairs(self._count, fabric)
                made = [
                    wwpns.Adapter(port, *pair)
                    for port, pair in zip(ports, pairs, strict=True)
                ]
                values.update(wwpns.record(fabric.name, made))
        except BaseException:
            self._promises.drop(partition)
            raise
        return values

    def _choose(
        self, known: dict[str, tuple[wwpns.Adapter, ...]], partition: str
    ) -> dict[fabrics.Fabric, list[str]]:
        """Ports on the fabrics that a server has none on here."""
        here = self._topology.fc_homes()
        used = self._promises.used(self._mapped(), partition)
        vioses = [vios.uuid for vios in self._topology.active_vioses()]
        chosen: dict[fabrics.Fabric, list[str]] = {}
        for place, fabric in enumerate(self._fabrics):
            own = known.get(fabric.name, ())
            if own and all(adapter.port in here for adapter in own):
                continue
            # Each fabric begins with another VIOS.
            turned = vioses[place % len(vioses) :] + vioses[: place % len(vioses)]
            chosen[fabric] = fabrics.choose(
                fabric, len(own) or self._count, turned, self._topology.fc_ports(), used
            )
            used.update(chosen[fabric])
        return chosen

    def _mapped(self) -> dict[str, collections.Counter[str]]:
        """The ports of the adapters of each partition."""
        with errors.attempting("read the Fibre Channel mappings"):
            wrappers = virtual_io_server.VIOS.get(self._adapter, xag=[GROUP])
        found: dict[str, collections.Counter[str]] = {}
        for wrapper in wrappers:
            for mapping in wrapper.vfc_mappings:
                if mapping.backing_port is not None:
                    port = wwpns.bare(mapping.backing_port.wwpn)
                    client = places_.uuid_of(mapping.client_lpar_href)
                    found.setdefault(client, collections.Counter())[port] += 1
        return found

    def _new_pairs(self, count: int, fabric: fabrics.Fabric) -> list[tuple[str, str]]:
        """WWPNs that the platform gives out once."""
        what = f"get WWPNs for the fabric {fabric.name}"
        results = self._jobs.run(
            "ManagedSystem",
            self._topology.system().uuid,
            "GetNextWWPNs",
            {"numberPairsRequested": str(count)},
            what=what,
        )
        names = [wwpns.bare(n) for n in results.get("wwpnList", "").split(",") if n]
        if len(names) < 2 * count:
            raise exceptions.HypervisorError(
                what, f"{count} pair(s) were asked for and {len(names)} WWPNs came"
            )
        return list(zip(names[::2], names[1::2], strict=True))[:count]

    # -- mappings ------------------------------------------------------------

    def reach(self, guest: plan.GuestRef, volume: plan.Volume) -> base.Elements:
        """Give the partition its adapters, if it does not have them; no disk."""
        wanted = wwpns.adapters(guest.record)
        here = self._topology.fc_homes()
        what = f"connect the partition {guest.name} to its fabrics"
        missing = sorted(a.port for a in wanted if a.port not in here)
        if missing or not wanted:
            raise exceptions.HypervisorError(
                what,
                f"no VIOS has the port(s) {', '.join(missing)}"
                if missing
                else "no WWPNs are kept for it",
                "look at [powervm]fabrics and the Fibre Channel ports of the VIOSes",
            )
        vioses = {vios.uuid: vios for vios in self._topology.active_vioses()}
        homes: dict[str, list[wwpns.Adapter]] = {}
        for adapter in wanted:
            homes.setdefault(here[adapter.port].vios_uuid, []).append(adapter)
        for uuid in homes.keys() - vioses.keys():
            LOG.warning(
                "the partition %s does without the Fibre Channel adapters on the "
                "VIOS %s, which is not active", guest.name, uuid,
            )  # fmt: skip
        used = tuple(vioses[uuid] for uuid in homes if uuid in vioses)
        if not used:
            raise exceptions.HypervisorError(
                what, "no VIOS that has its ports is active", "start the VIOSes"
            )

        def change(vios: topology.Vios) -> None:
            self._writers.of(vios.uuid, vios.name, GROUP).apply(
                lambda wrapper: self._add(wrapper, guest, homes[vios.uuid]),
                f"map Fibre Channel ports to the partition {guest.name}",
            )

        parallel.over_vioses(change, used)
        return {}

    def _add(
        self, wrapper: typing.Any, guest: plan.GuestRef, wanted: list[wwpns.Adapter]
    ) -> bool:
        there = {_pair(mapping): mapping for mapping in wrapper.vfc_mappings}
        homes = self._topology.fc_homes()
        changed = False
        for adapter in wanted:
            name = homes[adapter.port].name
            mapping = there.get(adapter.pair)
            if mapping is None:
                wrapper.vfc_mappings.append(
                    virtual_io_server.VFCMapping.bld(
                        self._adapter,
                        self._topology.system().uuid,
                        guest.id,
                        name,
                        client_wwpns=[adapter.wwpn, adapter.other],
                    )
                )
                changed = True
            elif mapping.backing_port is None or (
                wwpns.bare(mapping.backing_port.wwpn) != adapter.port
            ):
                mapping.backing_port = base_partition.PhysFCPort.bld_ref(
                    self._adapter, name, ref_tag="Port"
                )
                changed = True
        return changed

    def slots(self, guest: plan.GuestRef) -> list[int]:
        pairs = {adapter.pair for adapter in wwpns.adapters(guest.record)}
        found: list[int] = []

        def look(wrapper: typing.Any) -> None:
            found.extend(
                int(mapping.client_adapter.lpar_slot_num)
                for mapping in wrapper.vfc_mappings
                if _pair(mapping) in pairs
            )

        for vios in self._topology.active_vioses():
            self._writers.of(vios.uuid, vios.name, GROUP).look(
                look, f"find the Fibre Channel adapters of {guest.name}"
            )
        return found

    def leave(self, guest: plan.GuestRef) -> None:
        pairs = {adapter.pair for adapter in wwpns.adapters(guest.record)}
        if pairs:
            self._remove(lambda mappings: _of(mappings, pairs), guest.name)
        self._promises.drop(guest.id.upper())

    def release(self, server: plan.Server) -> None:
        """With its partition a mapping has lost its WWPNs: known is its owner."""
        pairs = {adapter.pair for adapter in wwpns.adapters(server.system_metadata)}
        self._promises.drop(identities.uuid_of(server.uuid))
        if not pairs:
            return

        def choose(mappings: list[typing.Any]) -> list[typing.Any]:
            mine = _of(mappings, pairs)
            return [*mine, *self._owners.lost([m for m in mappings if m not in mine])]

        self._remove(choose, server.name)

    def _remove(
        self,
        choose: collections.abc.Callable[[list[typing.Any]], list[typing.Any]],
        name: str,
    ) -> None:
        """Remove mappings of all VIOSes."""

        def remove(wrapper: typing.Any) -> bool:
            gone = choose(list(wrapper.vfc_mappings))
            for mapping in gone:
                wrapper.vfc_mappings.remove(mapping)
            return bool(gone)

        def change(vios: topology.Vios) -> None:
            self._writers.of(vios.uuid, vios.name, GROUP).apply(
                remove, f"unmap the Fibre Channel ports of the partition {name}"
            )

        parallel.over_vioses(change, self._topology.active_vioses())

    def udid(self, guest: plan.GuestRef, volume: plan.Volume) -> str | None:
        """No VIOS knows the volume."""
        return None


def _of(mappings: list[typing.Any], pairs: set[frozenset[str]]) -> list[typing.Any]:
    return [mapping for mapping in mappings if _pair(mapping) in pairs]


def _pair(mapping: typing.Any) -> frozenset[str]:
    """The WWPNs of a mapping's client."""
    client = mapping.client_adapter
    return frozenset(map(wwpns.bare, client.wwpns if client is not None else ()))
