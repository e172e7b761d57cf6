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

"""What a Linux guest does: at log-on it processes its reader.

As the guest-side script zvmguestconfigure: class X files only, of the types
iso, sh and doscript; anything else stays in the reader. The config drive is
taken only if its file is ``cfgdrive.iso`` (documented: zvmguestconfigure).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import typing

import pycdlib
from pycdlib import pycdlibexception

from ibmvirt.simulators.zvm import model

_TYPES = ("iso", "sh", "doscript")


def log_off(zvm: model.Zvm, user: model.User, text: str) -> None:
    """What the user had of the system goes back to it."""
    zvm.say(user.name, text)
    for device in list(zvm.devices.values()):
        if device.owner == user.name:
            zvm.devices[device.number] = device.changed(owner="", vdev="")
    zvm.put(user.changed(on=False, paused=False, member="", active_nics=()))


def dedicated(zvm: model.Zvm, user: model.User) -> list[model.RealDevice]:
    """Real devices that a running user has."""
    return [d for d in zvm.devices.values() if d.owner == user.name]


def _take_devices(zvm: model.Zvm, user: model.User) -> None:
    """DEDICATE statements take effect; a device that is away is told of."""
    for line in user.entry:
        words = line.split()
        if words[:1] != ["DEDICATE"]:
            continue
        vdev, real = model.vdev_of(words[1]), model.vdev_of(words[2])
        device = zvm.devices.get(real)
        if device is None or device.offline or device.owner not in ("", user.name):
            zvm.say(user.name, f"HCPLGA1556E {vdev} not attached: {real} is not free")
        else:
            zvm.devices[real] = device.changed(owner=user.name, vdev=vdev)


def cpus_of(user: model.User) -> list[str]:
    """Addresses that the entry defines, by COMMAND and by CPU statements."""
    found = {
        match.group(1).upper().zfill(2)
        for line in user.entry
        if (match := re.match(r"(?:COMMAND DEFINE )?CPU ([0-9A-Fa-f]+)", line))
    }
    return sorted(found) or ["00"]


def process_reader(zvm: model.Zvm, name: str, guest: dict[str, typing.Any]) -> None:
    """Take what zvmguestconfigure takes, and leave the rest."""
    for file in zvm.reader(name):
        kind = file.type.lower()
        if file.spool_class != "X" or kind not in _TYPES:
            continue
        content = zvm.blobs.path(file.blob).read_bytes()
        del zvm.spool[file.number]
        if kind == "iso" and file.name.lower() == "cfgdrive":
            guest["config_drive"] = file.blob
            guest.update(_drive(content))
        elif kind == "sh":
            _script(zvm, file, content.decode(errors="replace"), guest)
        elif kind == "doscript":
            guest["networks"] = _networks(content) or guest["networks"]
            guest["ephemeral"] = _ephemeral(content, guest.get("ephemeral", []))


_SETTING = re.compile(r'^(fcp_list|wwpns|input_wwpns|lun)="?([^"\n]*)"?$', re.M)


def _script(
    zvm: model.Zvm, file: model.SpoolFile, text: str, guest: dict[str, typing.Any]
) -> None:
    """Run a shell script as far as it concerns volumes and authorization.

    The Connector's scripts are atvol.sh and devol.sh (documented: volumeop).
    """
    settings = dict(_SETTING.findall(text))
    volumes = [v for v in guest.get("volumes", []) if v["lun"] != settings.get("lun")]
    if "fcp_list" in settings:
        if not file.name.lower().startswith("devol"):
            devices = [model.vdev_of(d) for d in settings["fcp_list"].split()]
            seen = [
                d for d in devices
                if (real := zvm.devices.get(d)) and real.owner == file.queue
                and not real.offline
            ]  # fmt: skip
            volumes.append({"lun": settings["lun"], "fcp": seen})
            # zvmguestconfigure ends with 4 if the disk has no path.
            guest["configure_status"] = 0 if seen else 4
        else:
            guest["configure_status"] = 0
        guest["volumes"] = volumes
    found = re.search(r"echo -n (\S+) ?> ?/etc/iucv_authorized_userid", text)
    if found:
        guest["iucv_authorized"] = found.group(1)


def _ephemeral(content: bytes, before: list[str]) -> list[str]:
    """Devices that setupDisk is called for, in a doscript."""
    text = ""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None and member.name.endswith("invokeScript.sh"):
                    text += file.read().decode(errors="replace")
    except tarfile.TarError:
        return before
    found = re.findall(r"setupDisk\b.*?vaddr=([0-9a-fA-F]{4})", text)
    return sorted({*before, *(vdev.upper() for vdev in found)})


def log_on(zvm: model.Zvm, user: model.User, member: str) -> None:
    """IPL: the console fills, the reader is processed."""
    name = user.name
    zvm.say(name, f"00: IPL {_root(user)}\nBooting Linux on {name}")
    guest: dict[str, typing.Any] = {
        "userid": name,
        "hostname": name.lower(),
        "networks": [],
        "config_drive": None,
        **zvm.guests.get(name, {}),
    }
    if not user.on:
        guest["cpus"] = cpus_of(user)
        guest["memory_mib"] = model.memory_mib(user)
        _take_devices(zvm, user)
    process_reader(zvm, name, guest)
    zvm.guests[name] = guest
    for network in guest["networks"]:
        zvm.say(name, f"{network['vdev']}: {network['address']} configured")
    zvm.say(name, f"{guest['hostname']} login:")
    zvm.put(user.changed(on=True, paused=False, member=member))


def _root(user: model.User) -> str:
    for line in user.entry:
        if line.startswith("IPL "):
            return line.split()[1]
    return "CMS"


def _drive(content: bytes) -> dict[str, typing.Any]:
    """Host name and id by the drive's metadata, if its label is config-2."""
    image = pycdlib.PyCdlib()
    try:
        image.open_fp(io.BytesIO(content))
        label = image.pvd.volume_identifier.decode().strip()
        if label.lower() != "config-2":
            return {}
        found = io.BytesIO()
        image.get_file_from_iso_fp(found, rr_path="/openstack/latest/meta_data.json")
        meta = json.loads(found.getvalue())
    except (pycdlibexception.PyCdlibException, ValueError, KeyError):
        return {}
    return {"hostname": meta.get("hostname"), "instance_id": meta.get("uuid")}


_FILE = re.compile(r"cat <<EOF >(\S+)|cat << ?EOF ?> ?(\S+)")


def _networks(content: bytes) -> list[dict[str, str]]:
    """Addresses in the scripts of a network.doscript.

    Its tar holds files of the distribution's network configuration; every
    address in them is what the guest configures.
    """
    found = []
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None:
                    found += _addresses(file.read().decode(errors="replace"))
    except tarfile.TarError:
        return []
    unique = {(item["vdev"], item["address"]): item for item in found}
    return list(unique.values())


def _addresses(text: str) -> list[dict[str, str]]:
    found = []
    patterns = (
        r"IPADDR=[\"']?([0-9a-fA-F.:]+)",
        r"-\s+([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)/\d+",
    )
    vdev = re.search(r"0\.0\.([0-9a-f]{4})", text)
    for pattern in patterns:
        for match in re.finditer(pattern, text):
            found.append(
                {"vdev": vdev.group(1) if vdev else "", "address": match.group(1)}
            )
    return found
