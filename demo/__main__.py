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

"""Boots and deletes a server on each hypervisor through the real Nova."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import traceback

# Before any import of nova: native threads, as nova-compute 34 runs.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
# The package `tests`, with the small Nova, is beside this one.
ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

from demo import powervm, show, zvm  # noqa: E402


def main():
    screen = show.Screen(sys.stdout)
    keep = os.environ.get("KEEP") == "1"
    with tempfile.TemporaryDirectory(prefix="ibmvirt-demo-") as room:
        try:
            powervm.run(screen, pathlib.Path(room), keep=keep)
            zvm.run(screen, pathlib.Path(room), keep=keep)
        except KeyboardInterrupt:
            screen.say("interrupted")
            return 130
        except Exception as error:
            screen.check(f"the demo went through: {error}", False)
            traceback.print_exc()
    screen.say(screen.summary())
    return 0 if screen.passed else 1


if __name__ == "__main__":
    sys.exit(main())
