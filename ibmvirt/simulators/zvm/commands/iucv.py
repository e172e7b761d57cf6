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

from ibmvirt.simulators.zvm import guest, model
from ibmvirt.simulators.zvm.commands.base import Caller, Result, tool

_RELEASE = 'ID="rhel"\nVERSION_ID="9.4"\nNAME="Red Hat Enterprise Linux"\n'


@tool("iucvclnt")
def iucvclnt(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``iucvclnt USERID COMMAND``; a guest that is off does not answer."""
    name, command = words[0].upper(), " ".join(words[1:]).strip()
    user = zvm.users.get(name)
    if user is None or not user.on or user.paused:
        return Result(4, "Return code 4, Reason code 111.\n")
    if command.startswith("shutdown -r"):
        zvm.guests[name] = {**zvm.guests.get(name, {}), "restarting": True}
        return Result(0, "")
    if zvm.guests.get(name, {}).get("restarting"):
        # It does not answer while it goes down, and is up again after that.
        zvm.guests[name] = {**zvm.guests[name], "restarting": False}
        guest.log_on(zvm, user, caller.member)
        return Result(4, "Return code 4, Reason code 111.\n")
    if command.startswith("shutdown"):
        zvm.say(name, "The system is powered off")
        zvm.put(user.changed(on=False, paused=False, member="", active_nics=()))
        return Result(0, "")
    for prefix, answer in (
        ("echo", "ping\n"),
        ("pwd", "/\n"),
        ("ls /etc/", "/etc/os-release\n/etc/redhat-release\n"),
        ("cat /etc/os-release", _RELEASE),
        ("uname -srm", "Linux 5.14.0 s390x\n"),
        ("uname -a", "Linux guest 5.14.0 s390x\n"),
        ("cat /proc/cmdline", "/dev/disk/by-path/ccw-0.0.0100-part1\n"),
        ("readlink -f", "/dev/dasda1\n"),
        (
            "cat /proc/dasd/devices",
            "0.0.0100(ECKD) at (94:0) is dasda       : active at blocksize: 4096\n",
        ),
        ("lscpu", "# CPU\n0\n"),
        ("lsmem", "Total online memory : 2048 MB\n"),
        ("/usr/bin/zvmguestconfigure", ""),
        ("systemctl start", ""),
    ):
        if command.startswith(prefix):
            return Result(0, answer)
    return Result(8, "Return code 8, Reason code 127.\n")
