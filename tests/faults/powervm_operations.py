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


"""The PowerVM operations of the sweep: each kind of volume, of port, of system."""

from __future__ import annotations

import dataclasses

from ibmvirt.common import context, exceptions, plan
from tests.faults import engine, operations
from tests.functional.powervm import test_npiv

_LUN = 400
_SHARED_WITH = 2


def _volume(driven, *, boot=False, shared=False):
    """A volume over virtual SCSI; its LUN is made with its first use."""
    luns = driven.simulator.admin("GET", "luns")
    found = [lun for lun in luns if lun["lun"] == _LUN]
    wanted = {"size": 1024, "lun": _LUN}
    lun = found[0] if found else driven.simulator.admin("POST", "luns", wanted)
    driven.named = {"volume-400"}
    return plan.Volume(
        id="volume-400",
        protocol="fibre_channel",
        data={"target_wwn": lun["targets"], "target_lun": _LUN},
        boot=boot,
        multiattach=shared,
    )


def _npiv_volume(driven, *, boot=False, shared=False):
    driven.named = {test_npiv.VOLUME.id}
    return dataclasses.replace(test_npiv.VOLUME, boot=boot, multiattach=shared)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A way to volumes: its name, volumes and options."""

    name: str
    volume: object
    options: dict


_VSCSI = _Kind("vSCSI", _volume, {})
_NPIV = _Kind("NPIV", _npiv_volume, test_npiv.FABRICS)


def _connected(driven, spawn):
    """With what Nova keeps of it once a connector was made."""
    test_npiv.connect(driven, spawn)
    guest = dataclasses.replace(spawn.guest, server=driven.server(spawn))
    return dataclasses.replace(spawn, guest=guest)


def _running(driven):
    spawn = _connected(driven, driven.plan())
    driven.spawn(spawn)
    return spawn


def _attach(driven, spawn, volume):
    """As the driver does it: a failure is taken back."""
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    try:
        volumes.attach(guest, volume)
    except exceptions.IBMVirtError:
        with context.reverting():
            volumes.detach(guest, volume)
        raise


def _in(name, action):
    def run(driven, spawn):
        with driven.operation(name, spawn.server):
            action(driven, spawn)

    return run


def _destroy(driven, spawn):
    """Delete all servers and the LUN of the volume."""
    guests = [g["name"] for g in driven.simulator.admin("GET", "guests")]
    for number in (1, _SHARED_WITH):
        found = driven.plan(number)
        if number == 1:
            driven.destroy(spawn)
        elif found.server.name in guests:
            driven.destroy(found)
    for lun in driven.simulator.admin("GET", "luns"):
        if lun["lun"] == _LUN:
            driven.simulator.admin("DELETE", f"luns/{lun['number']}")


def _operation(name, prepare, action, options):
    return engine.Operation(
        name,
        prepare,
        _in(name.split(",")[0], action),
        _destroy,
        operations.view_powervm,
        options,
    )


def _spawn(driven, spawn):
    driven.spawn(spawn)


def _delete(driven, spawn):
    driven.destroy(spawn)


def _whole(name, prepare, run, options):
    """A build or a removal, which name their operation themselves."""
    return engine.Operation(
        name, prepare, run, _destroy, operations.view_powervm, options
    )


def _from_volume(kind):
    def prepare(driven):
        spawn = _connected(driven, driven.plan())
        guest = dataclasses.replace(
            spawn.guest, disks=(), volumes=(kind.volume(driven, boot=True),)
        )
        return dataclasses.replace(spawn, guest=guest, image=spawn.image)

    return prepare


def _attached_as(driven, volume):
    """A server and its volume, which Nova names when it deletes the server."""
    spawn = _running(driven)
    driven.backend.volumes.attach(driven.guest(spawn), volume)
    guest = dataclasses.replace(spawn.guest, volumes=(volume,))
    return dataclasses.replace(spawn, guest=guest)


def _of_volumes(kind):
    def with_volume(driven):
        return _attached_as(driven, kind.volume(driven))

    def attach(driven, spawn):
        _attach(driven, spawn, kind.volume(driven))

    def prepared(driven):
        """With what Nova keeps of the server while it attaches a volume."""
        spawn = _running(driven)
        intent = driven.backend.volumes.intent(driven.guest(spawn), kind.volume(driven))
        driven.kept.setdefault(spawn.server.uuid, {}).update(intent)
        return spawn

    def running_from_volume(driven):
        spawn = _from_volume(kind)(driven)
        driven.spawn(spawn)
        return spawn

    name, options = kind.name, kind.options
    return [
        _operation(f"attach_volume, {name}", prepared, attach, options),
        _whole(f"spawn, from a volume, {name}", _from_volume(kind), _spawn, options),
        _whole(f"destroy, a volume, {name}", with_volume, _delete, options),
        _whole(
            f"destroy, from a volume, {name}", running_from_volume, _delete, options
        ),
    ]


def _shared(driven):
    """Another server has the volume."""
    spawn = _of_volumes(_VSCSI)[0].prepare(driven)
    other = driven.plan(_SHARED_WITH)
    driven.spawn(other)
    volume = _volume(driven, shared=True)
    driven.backend.volumes.attach(driven.guest(other), volume)
    return spawn


def _shared_by_both(driven):
    _shared(driven)
    volume = _volume(driven, shared=True)
    spawn = _connected(driven, driven.plan())
    driven.backend.volumes.attach(driven.guest(spawn), volume)
    guest = dataclasses.replace(spawn.guest, volumes=(volume,))
    return dataclasses.replace(spawn, guest=guest)


def _attached(driven):
    return _attached_as(driven, _volume(driven))


def _detach(driven, spawn):
    driven.backend.volumes.detach(driven.guest(spawn), _volume(driven))


def _attach_shared(driven, spawn):
    _attach(driven, spawn, _volume(driven, shared=True))


def _detach_shared(driven, spawn):
    driven.backend.volumes.detach(driven.guest(spawn), _volume(driven, shared=True))


def _extend(driven, spawn):
    driven.backend.volumes.extend(driven.guest(spawn), _volume(driven), 2 << 30)


def _connect(driven, spawn):
    test_npiv.connect(driven, spawn)


def _plain(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    return spawn


# -- ports and systems --------------------------------------------------------


def _with_ovs(driven):
    """A plan whose port is on Open vSwitch."""
    spawn = driven.plan()
    ports = tuple(
        dataclasses.replace(vif, type="ovs", vlan=None, bridge="br-int")
        for vif in spawn.guest.vifs
    )
    # The switch is made once and stays.
    driven.backend.guests._topology.own_switch_href("NovaLinkVEABridge")
    driven.simulator.mark("clean")
    guest = dataclasses.replace(spawn.guest, vifs=ports)
    return dataclasses.replace(spawn, guest=guest)


def _running_ovs(driven):
    spawn = _with_ovs(driven)
    driven.spawn(spawn)
    return spawn


def _port(driven):
    further = driven.plan(vifs=6).guest.vifs[5]
    driven.named = {further.id}
    return dataclasses.replace(further, type="ovs", vlan=None, bridge="br-int")


def _plug(driven, spawn):
    guest, port = driven.guest(spawn), (_port(driven),)
    try:
        driven.backend.networks.plug(guest, port)
    except exceptions.IBMVirtError:
        with context.reverting():
            driven.backend.networks.unplug(guest, port)
        raise


def _unplug(driven, spawn):
    driven.backend.networks.unplug(driven.guest(spawn), (_port(driven),))


def _with_port(driven):
    spawn = _running_ovs(driven)
    driven.backend.networks.plug(driven.guest(spawn), (_port(driven),))
    return spawn


def _destroy_ovs(driven, spawn):
    driven.backend.networks.unplug(None, (_port(driven),))
    driven.destroy(spawn)


def _ovs(name, prepare, run):
    return engine.Operation(name, prepare, run, _destroy_ovs, operations.view_powervm)


def _ibm_i(driven):
    from tests.functional.powervm import test_systems

    return test_systems.planned(driven)


_ALL = [
    *_of_volumes(_VSCSI),
    *_of_volumes(_NPIV),
    _operation("attach_volume, shared", _shared, _attach_shared, {}),
    _operation("detach_volume, vSCSI", _attached, _detach, {}),
    _operation("detach_volume, shared", _shared_by_both, _detach_shared, {}),
    _operation("extend_volume, vSCSI", _attached, _extend, {}),
    _operation("connector, NPIV", _plain, _connect, test_npiv.FABRICS),
    _ovs("spawn, OVS", _with_ovs, _spawn),
    _ovs("destroy, OVS", _running_ovs, _delete),
    _ovs("attach_interface, OVS", _running_ovs, _in("attach_interface", _plug)),
    _ovs("detach_interface, OVS", _with_port, _in("detach_interface", _unplug)),
    _whole("spawn, IBM i", _ibm_i, _spawn, {}),
]
# Of the others, `make test` has the like.
_QUICK = {
    "attach_volume, vSCSI", "detach_volume, vSCSI", "attach_volume, NPIV",
    "connector, NPIV", "attach_interface, OVS",
}  # fmt: skip
ALL = [
    dataclasses.replace(operation, quick=operation.name in _QUICK) for operation in _ALL
]
