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

"""``python -m tests.support.smallnova``: the process."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import pathlib
import signal
import sys
import threading
import traceback

# Before any import of nova: native threads, as nova-compute 34 runs.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"


def main():
    parser = argparse.ArgumentParser(prog="smallnova")
    parser.add_argument("--driver", required=True)
    parser.add_argument("--state-dir", required=True, type=pathlib.Path)
    parser.add_argument("--template-dir", type=pathlib.Path)
    parser.add_argument("--ready-file", required=True, type=pathlib.Path)
    parser.add_argument("--simulator", help="admin URL of the hypervisor's simulator")
    parser.add_argument("--vif-type", default="pvm_sea")
    parser.add_argument(
        "--options", default="{}", help="JSON: {section: {name: value}}"
    )
    parser.add_argument(
        "--pace", type=float, default=1.0, help="the drivers' seconds last so long"
    )
    parser.add_argument("--steps", action="store_true", help="write steps to steps.log")
    arguments = parser.parse_args()
    state = arguments.state_dir.absolute()
    state.mkdir(parents=True, exist_ok=True)
    from nova import monkey_patch

    monkey_patch.patch()
    from ibmvirt.common import clock
    from ibmvirt.simulators.core import process
    from tests.support.smallnova import services
    from tests.support.smallnova.neighbours import images, networks, volumes

    process.die_with_parent()
    # For whoever finds it hanging: the stacks of all threads.
    faulthandler.register(signal.SIGUSR1)
    clock.use(clock.SystemClock(arguments.pace))
    neighbours = {"images": images.Images(state)}
    running = services.Services(
        state,
        arguments.driver,
        json.loads(arguments.options),
        arguments.template_dir,
        neighbours,
    )
    neighbours["networks"] = networks.Networks(
        state, arguments.vif_type, arguments.simulator, running.external_events
    )
    neighbours["volumes"] = volumes.Volumes(
        state,
        "zvm" if arguments.vif_type == "zvm" else "powervm",
        arguments.simulator,
        neighbours["images"],
        running.external_events,
    )
    for neighbour in neighbours.values():
        neighbour.start()
    if arguments.steps:
        follow_steps(state / "steps.log")
    try:
        running.start()
    except BaseException as error:
        # The threads of what is running by now would keep the process.
        if isinstance(error, SystemExit):
            print(f"{sys.argv[0]} gave up: its log says why", file=sys.stderr)
        else:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    ready = {
        "pid": os.getpid(),
        "compute": f"{running.compute_api.url}/v2.1",
        "images": neighbours["images"].url,
        "networks": neighbours["networks"].url,
        "volumes": neighbours["volumes"].url,
        "placement": running.placement.url,
        "log": str(state / "nova.log"),
        "steps": str(state / "steps.log"),
    }
    process.catch_signals()
    partial = arguments.ready_file.with_suffix(".part")
    partial.write_text(json.dumps(ready))
    partial.replace(arguments.ready_file)
    process.wait_for_end()
    running.stop()
    for neighbour in neighbours.values():
        neighbour.stop()
    # Threads of services that nobody joins must not keep the process.
    os._exit(0)


def follow_steps(path):
    """Write each step of every flow as a line of JSON."""
    import dataclasses

    from ibmvirt.common import context, engine

    lock = threading.Lock()

    def write(record):
        work = context.current()
        line = {**dataclasses.asdict(record), "memento": work and work.memento}
        with lock, path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    engine.add_listener(write)


if __name__ == "__main__":
    sys.exit(main())
