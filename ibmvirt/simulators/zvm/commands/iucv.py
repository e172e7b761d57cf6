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

"""iucvclnt: commands in a guest, answered as its Linux does."""

from __future__ import annotations

import collections.abc
import re
import typing

from ibmvirt.simulators.zvm import entries, guest, model, reader, storage
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Caller, Result, tool

_DOWN = Result(4, "Return code 4, Reason code 111.\n")
_UNAUTHORIZED = Result(1, "UNAUTHORIZED_ERROR: Return code 1, Reason code 0.\n")

Seen = dict[str, typing.Any]
Answer = collections.abc.Callable[[model.Zvm, model.User, Seen, "re.Match[str]"], str]
ANSWERS: list[tuple[re.Pattern[str], Answer]] = []


class Failed(Exception):
    """The command ended with an error; the text is what it wrote."""


def answer(pattern: str) -> collections.abc.Callable[[Answer], Answer]:
    """Register what a whole command line is answered with."""

    def keep(function: Answer) -> Answer:
        ANSWERS.append((re.compile(pattern), function))
        return function

    return keep


@tool("iucvclnt", refusals=ASSUMED)
def iucvclnt(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``iucvclnt USERID COMMAND``.

    Only a Linux that runs answers, and only the userid that it authorizes.
    """
    if len(words) < 2:
        return Result(2, "Return code 2, Reason code 1.\n")
    name, command = words[0].upper(), " ".join(words[1:]).strip()
    user = zvm.users.get(name)
    if user is None or not user.on or user.paused:
        return _DOWN
    seen: Seen = dict(zvm.guests.get(name, {}))
    if "iucv_authorized" not in seen and not _has_system(zvm, user):
        return _DOWN
    if seen.get("restarting"):
        # It does not answer while it goes down, and is up again after that.
        guest.boot(zvm, user)
        return _DOWN
    if seen.get("iucv_authorized", caller.userid) != caller.userid:
        return _UNAUTHORIZED
    if re.match(r"shutdown -r( |$)", command):
        zvm.guests[name] = {**seen, "restarting": True}
        return Result(0, "")
    if re.match(r"shutdown -h( |$)", command):
        guest.log_off(zvm, user, "The system is powered off")
        return Result(0, "")
    return _answer(zvm, user, seen, command)


def _has_system(zvm: model.Zvm, user: model.User) -> bool:
    """Something was written on the disk, or the volume, that it is IPLed from."""
    disk = guest.root_disk(zvm, user)
    return (disk is not None and bool(disk.blob)) or bool(user.statements("LOADDEV"))


def _answer(zvm: model.Zvm, user: model.User, seen: Seen, command: str) -> Result:
    for pattern, function in ANSWERS:
        match = pattern.fullmatch(command)
        if match is None:
            continue
        try:
            text = function(zvm, user, seen, match)
        except Failed as error:
            zvm.guests[user.name] = seen
            return Result(8, f"{error}\nReturn code 8, Reason code 1.\n")
        zvm.guests[user.name] = seen
        return Result(0, text)
    return Result(8, "Return code 8, Reason code 127.\n", unknown=command)


def _fixed(pattern: str, text: str) -> None:
    answer(pattern)(lambda _zvm, _user, _seen, _match: text)


_fixed(r"echo '?ping'?", "ping\n")
_fixed(r"pwd", "/\n")
_fixed(r"ls /etc/\*-release", "/etc/os-release\n/etc/system-release\n")
_fixed(r"uname -srm", "Linux 5.14.0-427.el9.s390x s390x\n")
_fixed(r"uname -a", "Linux guest 5.14.0-427.el9.s390x s390x GNU/Linux\n")
_fixed(r"readlink -f \S+", "/dev/dasda1\n")
_fixed(r"chcpu -r", "Triggered rescan of CPUs\n")


_SYSTEM = re.compile(r"([a-z]+)([0-9.]*)(?:sp(\d+))?$")


@answer(r"cat /etc/os-release")
def os_release(
    zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]
) -> str:
    """Of the image that the root disk was written from."""
    disk = guest.root_disk(zvm, user)
    found = _SYSTEM.match(disk.system.lower() if disk is not None else "")
    name, version, pack = found.groups() if found else ("rhel", "9.4", None)
    if pack:
        version = f"{version}.{pack}"
    return f'ID="{name}"\nVERSION_ID="{version}"\nNAME="{name.upper()} Linux"\n'


@answer(r"cat /proc/cmdline .*root=.*")
def command_line(
    zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]
) -> str:
    return f"/dev/disk/by-path/ccw-0.0.{entries.ipl_of(user).lower()}-part1\n"


@answer(r"cat /proc/dasd/devices.*")
def dasd(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    """The line of the root disk."""
    disk = guest.root_disk(zvm, user)
    if disk is None:
        raise Failed("grep found nothing")
    kind = "FBA " if disk.type == "9336" else "ECKD"
    return f"0.0.{disk.vdev.lower()}({kind}) at ( 94:  0) is dasda       : active\n"


@answer(r"lscpu --parse=ADDRESS")
def lscpu(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    lines = [str(int(address, 16)) for address in seen.get("cpus", ["00"])]
    return "\n".join(["# The following is the parsable format", *lines]) + "\n"


@answer(r"(?:/sbin/)?vmcp def cpu ((?:[0-9a-fA-F]{1,2} ?)+)(?:type \w+)?")
def def_cpu(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    """CP defines CPUs that the guest does not have, up to MACHINE ESA."""
    new = [address.upper().zfill(2) for address in match.group(1).split()]
    now = list(seen.get("cpus", []))
    taken = sorted(set(new) & set(now))
    if taken:
        raise Failed(f"HCPCPU1456E CPU {taken[0]} already exists")
    limit = next(
        (
            int(line.split()[2])
            for line in user.entry
            if line.startswith("MACHINE ESA ")
        ),
        64,
    )
    if len(now) + len(new) > limit:
        raise Failed("HCPCPU1458E The maximum number of CPUs is defined")
    seen["cpus"] = sorted({*now, *new})
    return "".join(f"CPU {address} defined\n" for address in new)


@answer(r"chcpu -e (\S+)")
def chcpu(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    known = {int(address, 16) for address in seen.get("cpus", [])}
    for text in match.group(1).split(","):
        if int(text, 16) not in known and int(text) not in known:
            raise Failed(f"chcpu: CPU {text} does not exist")
    return f"CPU {match.group(1)} enabled\n"


@answer(r"lsmem")
def lsmem(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    return f"Total online memory : {seen.get('memory_mib', 0)} MB\n"


@answer(r"(?:/sbin/)?vmcp def storage standby (\d+)M")
def standby(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    """Standby storage; with what is online it keeps within the maximum."""
    wanted = int(match.group(1))
    if seen.get("memory_mib", 0) + wanted > entries.maximum_mib(user):
        raise Failed("HCPDST094E The maximum storage size is exceeded")
    seen["standby_mib"] = wanted
    return f"STORAGE = {seen.get('memory_mib', 0)}M  STANDBY = {wanted}M\n"


@answer(r"chmem -e (\d+)M")
def chmem(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    size = int(match.group(1))
    if size > seen.get("standby_mib", 0):
        raise Failed(f"chmem: Could only enable {seen.get('standby_mib', 0)} MB")
    seen["standby_mib"] -= size
    seen["memory_mib"] = seen.get("memory_mib", 0) + size
    return ""


@answer(r"(?:/sbin/)?vmcp q ([0-9a-fA-F]{4})")
def query(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    vdev = model.vdev_of(match.group(1))
    if any(nic.vdev == vdev for nic in user.active_nics):
        return f"NIC {vdev} ON NIC  {vdev}  UNIT 000 SUBCHANNEL = 0002\n"
    for device in zvm.dedicated(user):
        if device.vdev == vdev:
            kind = device.kind.upper()
            return f"{kind:<4} {vdev} ON {kind} {device.number}\n"
    raise Failed(f"HCPQVD040E Device {vdev} does not exist")


@answer(r"(?:/sbin/)?vmcp detach ([0-9a-fA-F]{4})")
def detach(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    """A real device goes back to the system, a minidisk's link ends."""
    vdev = model.vdev_of(match.group(1))
    for device in zvm.dedicated(user):
        if device.vdev == vdev:
            zvm.put_device(device.changed(owner="", vdev=""))
            seen.update(storage.taken_away(seen, vdev))
            return f"{vdev} detached\n"
    if f"{user.name}/{vdev}" not in zvm.disks:
        raise Failed(f"HCPDTV040E Device {vdev} does not exist")
    return f"DASD {vdev} DETACHED\n"


@answer(r"(?:sudo )?/sbin/chccwdev -[de] ([0-9a-fA-F.]+)(?: 2>&1)?")
def chccwdev(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    return f"Setting device {match.group(1)}\nDone\n"


@answer(
    r"/usr/bin/zvmguestconfigure start|service zvmguestconfigure start"
    r"|systemctl (?:re)?start zvmguestconfigure\.service"
)
def configure(
    zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]
) -> str:
    """The guest-side script runs again over the reader."""
    reader.process(zvm, user, seen)
    if seen["configure_status"]:
        raise Failed("Job for zvmguestconfigure.service failed")
    return ""


@answer(r"systemctl status zvmguestconfigure\.service")
def status(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    code = seen.get("configure_status", 0)
    word = "FAILURE" if code else "SUCCESS"
    return f" Main PID: 1234 (code=exited, status={code}/{word})\n"


@answer(r"echo -n (\S+) ?> ?/etc/iucv_authorized_userid.*")
def authorize(
    zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]
) -> str:
    seen["iucv_authorized"] = match.group(1)
    return ""
