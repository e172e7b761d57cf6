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


"""Draws the flows as text, from the code itself.

``python -m ibmvirt.common.render`` prints the page of the documentation.
"""

from __future__ import annotations

import dataclasses
import sys
import typing

from ibmvirt.common import capability, plan, step
from ibmvirt.common.flows import attach, destroy, spawn

_HEAD = """\
=====
Flows
=====

A step begins as soon as those that it is drawn after are done; steps of one
level do not wait for each other. After a failure, the steps marked with ``<``
are reverted, each after those that follow it.

Operations that are not here have no flow: they are one call of a capability,
which finishes it or leaves things as they were.
"""


def text(flow: typing.Any) -> str:
    """The steps of a flow by level, each with those that it waits for."""
    steps = [atom for atom, _meta in flow.iter_nodes() if isinstance(atom, step.Step)]
    before: dict[str, set[str]] = {atom.name: set() for atom in steps}
    for first, second, _meta in flow.iter_links():
        before[second.name].add(first.name)
    levels: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in levels:
            levels[name] = 1 + max(map(level, before[name]), default=0)
        return levels[name]

    def ancestors(name: str) -> set[str]:
        return before[name].union(*map(ancestors, before[name]))

    lines = []
    last = 0
    for atom in sorted(steps, key=lambda atom: (level(atom.name), atom.name)):
        number = level(atom.name)
        mark = "<" if atom.reverts else " "
        line = f"{number if number != last else '':>2} {mark} {atom.name}"
        # What a step waits for in any case is not drawn again.
        near = before[atom.name].difference(*map(ancestors, before[atom.name]))
        if near:
            line = f"{line:<35} after " + ", ".join(sorted(near))
        lines.append(line)
        last = number
    return "\n".join(lines) + "\n"


def example() -> dict[str, typing.Any]:
    """Flows with every step that they may have."""
    server = plan.Server("8f2c3c1e-0000-4000-8000-000000000001", "instance-1")
    image = plan.Image("i", "linux", "raw", "bare", 1 << 30)
    vif = plan.Vif("p", "fa:16:3e:00:00:01", "pvm_sea")
    guest = plan.GuestSpec(server, 1, 512, vifs=(vif,))
    unused = typing.cast(typing.Any, None)
    # Builders only keep the capabilities for the steps; nothing is called.
    backend = capability.Backend("any", *[unused] * 6)
    late = dataclasses.replace(backend, plug_after_storage=True)
    tools = spawn.Tools(typing.cast(typing.Any, object()), unused, unused, unused)
    spawning = plan.Spawn(guest, image, config_drive=True, settles=True)
    return {
        "spawn": spawn.build(spawning, backend, tools),
        "spawn, where adapters follow the storage": spawn.build(spawning, late, tools),
        "destroy": destroy.build(plan.Destroy(server, (vif,)), backend),
        "attach_volume": attach.volume(unused, unused, unused, unused),
        "attach_interface": attach.interface(unused, vif, unused, unused),
    }


def page() -> str:
    """The page of the documentation."""
    parts = [_HEAD]
    for name, flow in example().items():
        drawn = "".join(f"   {line}\n" for line in text(flow).splitlines())
        parts.append(f"{name}\n{'-' * len(name)}\n\n.. code-block:: none\n\n{drawn}")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
