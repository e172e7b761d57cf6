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

"""Whether z/VM and its Connector have what the driver needs."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import io
import re
import typing
import uuid

from ibmvirt.common import context, exceptions
from ibmvirt.common.preflight import FAILURE, OK, WARNING, Finding, look
from ibmvirt.zvm import cluster, files, pools
from ibmvirt.zvm.client import adapters, connector, errors, fcp

# Built and tested with the first; later ones up to the last are known.
_VERSION, _KNOWN = (1, 6, 3), (1, 6, 7)
# The Connector read the whole file, and it is no image (zvmsdk: image_import).
_NO_IMAGE = (300, 300, 6)


@dataclasses.dataclass(frozen=True)
class Neutron:
    """What the network service's configuration says, if it is told.

    :param base_mac: its ``base_mac``.
    :param networks: its physical networks.
    """

    base_mac: str = ""
    networks: tuple[str, ...] = ()


def check(
    options: typing.Any,
    calls: connector.Connector,
    reach: collections.abc.Callable[[str], connector.Connector],
    setup: files.Setup,
    neutron: Neutron,
) -> list[Finding]:
    """Look at everything; nothing is changed.

    :param options: the group ``[zvm]`` of the configuration.
    :param reach: makes a client of another member's Connector.
    """
    with context.background("preflight"):
        first = look("Connector", lambda: _reach(calls))
        if first.result != OK:
            return [first]
        return [first, *_all(options, calls, reach, setup, neutron)]


def _reach(calls: connector.Connector) -> str:
    calls.probe()
    return f"{calls.url} answers"


def _all(
    options: typing.Any,
    calls: connector.Connector,
    reach: collections.abc.Callable[[str], connector.Connector],
    setup: files.Setup,
    neutron: Neutron,
) -> collections.abc.Iterator[Finding]:
    yield _version(calls.version())
    yield look(
        "z/VM",
        lambda: _host(calls),
        remedy="look at the Connector's zvmsdk.log, and whether SMAPI is up",
    )
    yield look(
        "privilege",
        lambda: _directory(calls),
        remedy="authorize the Connector's user for SMAPI (VSMWORK1 AUTHLIST) and "
        "for the directory manager",
    )
    yield from _pools(options, calls)
    yield from _vswitches(calls, neutron)
    yield look(
        "Fibre Channel",
        lambda: _templates(options.fcp_template, fcp.Fcp(calls)),
        # Servers without volumes need none, unless one is asked for.
        otherwise=FAILURE if options.fcp_template else WARNING,
    )
    yield look("transport", lambda: _transport(options, calls, setup))
    yield look("cluster", lambda: _cluster(options, calls, reach))


def _version(text: str) -> Finding:
    name = "Connector's version"
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    if numbers < _VERSION:
        return Finding(
            name, FAILURE, f"{text} is too old: install zVMCloudConnector 1.6.3"
        )
    if numbers > _KNOWN:
        return Finding(name, WARNING, f"{text} is later than any that is known here")
    return Finding(name, OK, text)


def _host(calls: connector.Connector) -> str:
    found = calls.host_info()
    return f"{found['hypervisor_hostname']}, version {found['hypervisor_version']}"


def _directory(calls: connector.Connector) -> str:
    """Whoever may ask for an entry gets an answer, if there is one or not."""
    calls.directory_entry("MAINT")
    return "SMAPI and the directory manager take the Connector's requests"


# -- disks ------------------------------------------------------------------


def _pools(
    options: typing.Any, calls: connector.Connector
) -> collections.abc.Iterator[Finding]:
    try:
        known = pools.Pools(calls, options.disk_pools).configured
    except exceptions.InvalidRequest as error:
        yield Finding("disk pool", FAILURE, str(error))
        return
    if not known:
        yield look("disk pool", lambda: _own_pool(calls))
    for pool in map(str, known):
        yield look(
            f"disk pool {pool}",
            functools.partial(_pool, calls, pool),
            remedy="correct [zvm]disk_pools, or make the group of volumes",
        )


def _pool(calls: connector.Connector, pool: str) -> str:
    return _room(calls.pool_info(pool), pool)


def _own_pool(calls: connector.Connector) -> str:
    return _room(calls.host_info(), "of the Connector")


def _room(found: typing.Mapping[str, typing.Any], name: str) -> str:
    total, free = int(found["disk_total"]), int(found["disk_available"])
    what = f"use the disk pool {name}"
    if not total:
        raise exceptions.OutOfResources(
            what,
            "there is none, or it is empty",
            "set disk_pool in the Connector's configuration, or [zvm]disk_pools",
        )
    if not free:
        raise exceptions.OutOfResources(
            what, f"none of its {total} GB are free", "add volumes to the pool"
        )
    return f"{free} of {total} GB are free"


# -- networks -----------------------------------------------------------------


def _vswitches(
    calls: connector.Connector, neutron: Neutron
) -> collections.abc.Iterator[Finding]:
    try:
        known = adapters.Adapters(calls).vswitches()
    except exceptions.IBMVirtError as error:
        yield Finding("vswitches", FAILURE, str(error))
        return
    missing = {name.upper() for name in neutron.networks} - set(known)
    if missing:
        yield Finding(
            "vswitches",
            FAILURE,
            f"none is named {', '.join(sorted(missing))}, as physical networks are: "
            "DEFINE VSWITCH, or correct the network service's mappings",
        )
    elif not known:
        yield Finding(
            "vswitches",
            WARNING,
            "there is none: ports cannot be plugged; DEFINE VSWITCH named as the "
            "physical network",
        )
    else:
        yield Finding("vswitches", OK, ", ".join(sorted(known)))
    yield look("MAC addresses", lambda: _prefix(calls, known, neutron.base_mac))


def _prefix(
    calls: connector.Connector, vswitches: collections.abc.Sequence[str], base: str
) -> str:
    """The Connector passes on three bytes of a port's address; z/VM puts its
    prefix before them."""
    found = sorted({mac for name in vswitches for mac in _prefixes(calls, name)})
    if not found:
        return "no vswitch to see z/VM's prefix by"
    shown = " and ".join(found)
    if not base:
        return f"z/VM's prefix is {shown}: base_mac of the network service begins so"
    wanted = base.lower().replace("-", ":")[:8]
    if found != [wanted]:
        raise exceptions.InvalidRequest(
            "use the network service's addresses",
            f"its base_mac begins with {wanted}, and z/VM's prefix is {shown}",
            f"set base_mac to {found[0]}:00:00:00, or z/VM's VMLAN USERPREFIX",
        )
    return f"z/VM and the network service use {wanted}"


def _prefixes(calls: connector.Connector, name: str) -> set[str]:
    """Of guests' adapters where there are any; else of the vswitch itself."""
    found = adapters.Adapters(calls).vswitch(name)
    coupled = [item["mac"] for item in (found.get("adapters") or {}).values()]
    own = found.get("mac_address")
    addresses = coupled or ([own] if own else [])
    return {mac.lower().replace("-", ":")[:8] for mac in addresses}


# -- volumes ------------------------------------------------------------------


def _templates(wanted: str, devices: fcp.Fcp) -> str:
    known = devices.templates()
    if wanted:
        chosen = devices.template_id(wanted)
    else:
        chosen = next((t.id for t in known if t.is_default), "")
    if not chosen:
        raise exceptions.HypervisorError(
            "attach volumes",
            "the Connector has no default FCP template",
            "create one with host_default, or name one in [zvm]fcp_template",
        )
    name = next(t.name for t in known if t.id == chosen)
    free = [
        d
        for d in devices.devices(look=True, template=chosen)
        if d.state == "free" and not d.reserved and not d.connections
    ]
    if not free:
        raise exceptions.OutOfResources(
            "attach volumes",
            f"the FCP template {name} has no free device",
            "add devices to the template",
        )
    return f"template {name}, {len(free)} devices are free"


# -- files ----------------------------------------------------------------------


def _transport(
    options: typing.Any, calls: connector.Connector, setup: files.Setup
) -> str:
    """A file that is no image: the Connector refuses it once it has read it."""
    way = files.KINDS[options.transport].configured(setup)
    name = f"ibmvirt-probe-{uuid.uuid4().hex[:8]}"
    with way.sent(name, io.BytesIO(name.encode())) as sent:
        try:
            calls.import_image(
                name, sent.url, "rhel9", md5=sent.md5, remote_host=way.remote_host
            )
        except errors.ConnectorError as error:
            if error.codes == _NO_IMAGE:
                return f"{way.kind}: the Connector reads files of {way.root}"
            raise errors.ConnectorError(
                f"let the Connector read {sent.path}",
                error.reason,
                remedy=_REMEDIES[way.kind],
                codes=error.codes,
            ) from error
    calls.delete_image(name)
    return way.kind


_REMEDIES = {
    "shared": "mount [zvm]shared_directory under the same path where the "
    "Connector runs, readable for it, or set transport = scp",
    "scp": "give the Connector's user an ssh key for [zvm]scp_remote_host",
}


# -- cluster --------------------------------------------------------------------


def _cluster(
    options: typing.Any,
    calls: connector.Connector,
    reach: collections.abc.Callable[[str], connector.Connector],
) -> str:
    members = cluster.Cluster(calls, options.ssi_connectors, reach)
    if members.alone:
        return "no SSI cluster"
    try:
        members.check_others()
    finally:
        members.close()
    return ", ".join(members.members())
