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

from ibmvirt.simulators.zvm import guest, model
from ibmvirt.simulators.zvm.commands import adapters
from ibmvirt.simulators.zvm.commands.base import Caller, Result, tool

_RELEASE = 'ID="rhel"\nVERSION_ID="9.4"\nNAME="Red Hat Enterprise Linux"\n'
_DOWN = Result(4, "Return code 4, Reason code 111.\n")
_UNKNOWN = Result(8, "Return code 8, Reason code 127.\n")

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


@tool("iucvclnt")
def iucvclnt(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``iucvclnt USERID COMMAND``; a guest that is off does not answer."""
    name, command = words[0].upper(), " ".join(words[1:]).strip()
    user = zvm.users.get(name)
    if user is None or not user.on or user.paused:
        return _DOWN
    seen: Seen = dict(zvm.guests.get(name, {}))
    if command.startswith("shutdown -r"):
        zvm.guests[name] = {**seen, "restarting": True}
        return Result(0, "")
    if seen.get("restarting"):
        # It does not answer while it goes down, and is up again after that.
        zvm.guests[name] = {**seen, "restarting": False}
        guest.log_on(zvm, user, user.member)
        return _DOWN
    if command.startswith("shutdown -h"):
        guest.log_off(zvm, user, "The system is powered off")
        return Result(0, "")
    for pattern, function in ANSWERS:
        match = pattern.fullmatch(command)
        if match:
            try:
                text = function(zvm, user, seen, match)
            except Failed as error:
                zvm.guests[name] = seen
                return Result(8, f"{error}\nReturn code 8, Reason code 1.\n")
            zvm.guests[name] = seen
            return Result(0, text)
    return _UNKNOWN


def _fixed(pattern: str, text: str) -> None:
    answer(pattern)(lambda _zvm, _user, _seen, _match: text)


_fixed(r"echo '?ping'?", "ping\n")
_fixed(r"pwd", "/\n")
_fixed(r"ls /etc/\*-release", "/etc/os-release\n/etc/redhat-release\n")
_fixed(r"cat /etc/os-release", _RELEASE)
_fixed(r"uname -srm", "Linux 5.14.0-427.el9.s390x s390x\n")
_fixed(r"uname -a", "Linux guest 5.14.0-427.el9.s390x s390x GNU/Linux\n")
_fixed(r"cat /proc/cmdline .*root=.*", "/dev/disk/by-path/ccw-0.0.0100-part1\n")
_fixed(r"readlink -f \S+", "/dev/dasda1\n")
_fixed(r"chcpu -r", "Triggered rescan of CPUs\n")


@answer(r"cat /proc/dasd/devices.*")
def dasd(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    """The line of the root device, which the entry's IPL names."""
    root = next(
        (line.split()[1] for line in user.entry if line.startswith("IPL ")), "0100"
    )
    disk = zvm.disks.get(f"{user.name}/{model.vdev_of(root)}")
    kind = "FBA " if disk is not None and disk.type == "9336" else "ECKD"
    return f"0.0.{root.lower()}({kind}) at ( 94:  0) is dasda       : active\n"


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
    if seen.get("memory_mib", 0) + wanted > model.maximum_mib(user):
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
    for nic in adapters.adapters(zvm, user):
        if nic["vdev"] == vdev:
            return f"NIC {vdev} ON NIC  {vdev}  UNIT 000 SUBCHANNEL = 0002\n"
    for device in guest.dedicated(zvm, user):
        if device.vdev == vdev:
            return f"{device.kind.upper():<4} {vdev} ON {device.kind.upper()} {vdev}\n"
    raise Failed(f"HCPQVD040E Device {vdev} does not exist")


@answer(r"(?:sudo )?/sbin/chccwdev -[de] ([0-9a-fA-F.]+)(?: 2>&1)?")
def chccwdev(zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]) -> str:
    return f"Setting device {match.group(1)}\nDone\n"


@answer(r"(?:/usr/bin/zvmguestconfigure|systemctl) (?:re)?start.*")
def configure(
    zvm: model.Zvm, user: model.User, seen: Seen, match: re.Match[str]
) -> str:
    """The guest-side script runs again over the reader."""
    seen["configure_status"] = 0
    guest.process_reader(zvm, user.name, seen)
    if seen["configure_status"]:
        raise Failed("Job for zvmguestconfigure.service failed")
    return ""


@answer(r"systemctl status zvmguestconfigure.service")
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
