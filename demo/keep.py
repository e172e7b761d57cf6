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
"""``KEEP=1``: everything stays, with addresses and commands to explore."""

from __future__ import annotations

import os
import signal
import sys

from demo import show


def wanted():
    return os.environ.get("KEEP", "0") not in ("", "0", "no")


def wait(screen, hypervisors):
    """Show what is there; returns at Enter, or at an interrupt."""
    screen.heading("Everything is left running")
    for at in hypervisors:
        lane = show.Lane(screen, at.title)
        ready, admin = at.nova.ready, at.simulator.admin_url
        at.say_where(lane)
        lane.fact("simulator in a browser", f"{admin}/sim/")
        lane.fact("Nova's API", ready["compute"])
        lane.fact("Glance, Neutron, Cinder",
                  ", ".join(ready[n] for n in ("images", "networks", "volumes")))  # fmt: skip
        lane.fact("Nova's log", ready["log"])
        lane.say("commands to try:")
        head = "curl -s -H 'X-Auth-Token: admin'"
        server = f"{ready['compute']}/servers/{at.server.id}"
        for command in (
            f"{head} {server}",
            f"{head} {server}/diagnostics",
            f"curl -s {admin}/sim/guests",
            f"curl -s '{admin}/sim/journal?memento=spawn:{at.server.id}'",
            f"{head} -H 'Content-Type: application/json' "
            f"-d '{{\"os-stop\": null}}' {server}/action",
            f"{head} -H 'Content-Type: application/json' "
            f"-d '{{\"os-start\": null}}' {server}/action",
        ):
            lane.say(f"  {command}")
        lane.flush()
    if sys.stdin is not None and sys.stdin.isatty():
        screen.heading("Press Enter to delete the servers and end")
    else:
        screen.heading("Interrupt it (Ctrl-C) to delete the servers and end")
    try:
        if not sys.stdin or not sys.stdin.readline():
            signal.pause()
    except KeyboardInterrupt:
        screen.write("")
