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

"""VMRELOCATE: a running guest moves to another member of its cluster."""

from __future__ import annotations

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Arguments, Caller, api

_LIMITS = ("max_quiesce", "max_total")
_FORCES = {"ARCHITECTURE", "DOMAIN", "STORAGE"}


@api(
    "VMRELOCATE",
    "-T",
    "action destination immediate max_quiesce max_total force",
    refusals=ASSUMED,
)
def relocate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """TEST or MOVE a guest to another member of the cluster."""
    user = zvm.user(args.user())
    action, target = args.key("action").upper(), args.key("destination").upper()
    if action not in ("TEST", "MOVE"):
        raise refuse("bad_argument", name=f"-k action={action}")
    for name in _LIMITS:
        limit = args.keys.get(name, "0")
        if limit != "NOLIMIT" and not limit.isdigit():
            raise refuse("bad_argument", name=f"-k {name}={limit}")
    if args.keys.get("immediate", "NO") not in ("YES", "NO"):
        raise refuse("bad_argument", name=f"-k immediate={args.keys['immediate']}")
    wrong = set(args.keys.get("force", "").upper().split()) - _FORCES
    if wrong:
        raise refuse("bad_argument", name=f"-k force={args.keys['force']}")
    reason = _obstacle(zvm, user, caller, target)
    if reason is not None:
        raise refuse("cannot_relocate", code=reason[0], why=reason[1])
    if action == "MOVE":
        zvm.say(user.name, f"{user.name} relocated to {target}")
        zvm.put(user.changed(member=target))
    return ""


def _obstacle(
    zvm: model.Zvm, user: model.User, caller: Caller, target: str
) -> tuple[str, str] | None:
    if not user.on or user.member != caller.member:
        return "HCPRLH045E", f"{user.name} is not logged on"
    if target not in zvm.members:
        return "HCPRLI1982E", f"there is no member {target}"
    if target == user.member:
        return "HCPRLI1981E", "it is there already"
    if zvm.dedicated(user):
        return "HCPRLL1940E", "it has a dedicated device"
    return None
