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

"""Network files of Linux distributions, as the Connector writes them.

Documented: zvmsdk/dist.py, for RHEL and SLES (ifcfg files), Ubuntu 16
(/etc/network/interfaces) and Ubuntu 20 (netplan).
"""

from __future__ import annotations

import collections.abc
import contextlib
import ipaddress
import re
import typing

import yaml

Network = dict[str, typing.Any]
_PAIR = re.compile(r"""^(\w+)=["']?([^"'\n]*)["']?$""", re.MULTILINE)
_IFACE = re.compile(r"^iface enc([0-9a-f]{4}) inet static\n((?:.+\n?)*)", re.MULTILINE)
_VDEV = re.compile(r"(?:0\.0\.|Network card \()([0-9a-f]{4})", re.IGNORECASE)


def parse(files: collections.abc.Iterable[str]) -> list[Network]:
    """What the files configure: vdev, address, prefix, gateway, dns, mtu."""
    found: list[Network] = []
    routes: list[str] = []
    for text in files:
        routes += re.findall(r"^default (\S+) - -", text, re.MULTILINE)
        found += _ifcfg(text)
        found += _interfaces(text)
        found += _netplan(text)
    for network in found:
        # SLES has its routes in a file of its own.
        if not network["gateway"] and routes:
            network["gateway"] = routes[0]
    unique = {(network["vdev"], network["address"]): network for network in found}
    return list(unique.values())


def _network(vdev: str, address: str, mask: str, **more: typing.Any) -> Network:
    """An address with its mask, or the length of it."""
    prefix = 0
    with contextlib.suppress(ValueError):
        prefix = ipaddress.ip_network(f"0.0.0.0/{mask}").prefixlen
    mtu = str(more.get("mtu") or "")
    return {
        "vdev": vdev,
        "address": address,
        "prefix": prefix,
        "gateway": more.get("gateway") or "",
        "dns": list(more.get("dns") or []),
        "mtu": int(mtu) if mtu.isdigit() else None,
    }


def _ifcfg(text: str) -> list[Network]:
    pairs = dict(_PAIR.findall(text))
    vdev = _VDEV.search(text)
    if not pairs.get("IPADDR"):
        return []
    return [
        _network(
            vdev.group(1).lower() if vdev else "",
            pairs["IPADDR"],
            pairs.get("NETMASK", ""),
            gateway=pairs.get("GATEWAY"),
            dns=[pairs[key] for key in sorted(pairs) if re.fullmatch(r"DNS\d", key)],
            mtu=pairs.get("MTU"),
        )
    ]


def _interfaces(text: str) -> list[Network]:
    found = []
    for vdev, block in _IFACE.findall(text):
        words = dict(
            line.split(None, 1) for line in block.splitlines() if len(line.split()) == 2
        )
        if "address" in words:
            dns = re.findall(r"^dns-nameservers (\S+)", block, re.MULTILINE)
            found.append(
                _network(
                    vdev,
                    words["address"],
                    words.get("netmask", ""),
                    gateway=words.get("gateway"),
                    dns=dns,
                    mtu=words.get("mtu"),
                )
            )
    return found


def _netplan(text: str) -> list[Network]:
    if "ethernets:" not in text:
        return []
    try:
        devices = yaml.safe_load(text)["network"]["ethernets"]
        return [
            _network(
                name.removeprefix("enc"),
                *str(device["addresses"][0]).partition("/")[::2],
                gateway=device.get("gateway4"),
                dns=device.get("nameservers", {}).get("addresses"),
                mtu=device.get("mtu"),
            )
            for name, device in devices.items()
        ]
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError):
        return []
