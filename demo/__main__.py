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
"""The main job on both hypervisors at once, through the real Nova.

``IMAGE=path`` boots that raw or qcow2 image; ``KEEP=1`` leaves everything
running, with the server, until Enter.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import signal
import sys
import tempfile
import traceback
import warnings

if __name__ == "__main__":
    # Until there is something to end, an interrupt ends it at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A library tells that it still knows eventlet, which is not used here.
    warnings.simplefilter("ignore")
# Before any import of nova: native threads, as nova-compute 34 runs.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
# The package `tests`, with the small Nova, is beside this one.
ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# All that these ask is on this machine: no proxy of the environment knows it.
_DIRECT = ["127.0.0.1", "localhost"]
os.environ["no_proxy"] = ",".join(
    [*filter(None, map(os.environ.get, ("no_proxy", "NO_PROXY"))), *_DIRECT]
)

from openstack import exceptions  # noqa: E402

from demo import keep, picture, powervm, show, story, zvm  # noqa: E402
from tests.support.smallnova import handle  # noqa: E402

# Heading, section, and the operation of the support matrix that it needs.
SECTIONS = [
    ("Boot: config drive, key, user data and two networks", story.boot, None),
    ("What Nova lists, and what the hypervisor has", story.compare, None),
    ("What is on the disk and on the config drive", story.contents, None),
    ("Attach and detach a volume", story.volume, "operation.attach-volume"),
    ("Stop, start, reboot", story.power, None),
    ("Snapshot", story.snapshot, "operation.snapshot"),
    ("Console log", story.console, "console.serial.log"),
]
# Their lines appear while they run.
LIVE = (story.boot, story.delete)
_KNOWN = (TimeoutError, handle.SmallNovaError, exceptions.ResourceFailure)
_ENDINGS = [signal.SIGINT, signal.SIGTERM]
# A closed terminal, unless started with nohup.
if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
    _ENDINGS.append(signal.SIGHUP)


class Show:
    """Runs each section on all hypervisors at once."""

    def __init__(self, screen, hypervisors):
        self.screen = screen
        self.sound = list(hypervisors)
        # One lasting thread each: what it starts ends when it does.
        self._threads = {
            at: concurrent.futures.ThreadPoolExecutor(1) for at in hypervisors
        }

    def section(self, heading, action, needs=None):
        chosen = [at for at in self.sound if needs is None or at.has(needs)]
        if not chosen:
            return
        self.screen.heading(heading)
        if self.screen.gone:
            raise KeyboardInterrupt
        live = action in LIVE
        work = [self._threads[at].submit(self._run, action, at, live) for at in chosen]
        for done in work:
            done.result().flush()

    def close(self):
        """End both hypervisors at once."""
        work = [pool.submit(at.stop) for at, pool in self._threads.items()]
        for pool in self._threads.values():
            pool.shutdown()
        for done in work:
            done.result()

    def _run(self, action, at, live):
        lane = show.Lane(self.screen, at.title, live)
        try:
            action(lane, at)
        except Exception as error:
            lane.check("this section went through", False)
            # These say all that there is to say.
            known = isinstance(error, _KNOWN)
            text = str(error) if known else traceback.format_exc()
            for line in [*text.splitlines(), *at.troubles()]:
                lane.say(line)
            self.sound.remove(at)
        return lane


def run(screen, room):
    image = picture.take(room)
    hypervisors = [powervm.PowerVM(room), zvm.ZVM(room)]
    shown = Show(screen, hypervisors)
    try:
        shown.section(
            "Simulators, Nova 34, and an image in Glance",
            lambda lane, at: story.start(lane, at, image),
        )
        for heading, action, needs in SECTIONS:
            shown.section(heading, action, needs)
        if keep.wanted() and shown.sound:
            keep.wait(screen, shown.sound)
            _on_interrupt(_interrupt)
        shown.section("Delete", story.delete)
    except KeyboardInterrupt:
        screen.write("interrupted: ending what was started")
        raise
    finally:
        _on_interrupt(signal.SIG_IGN)
        shown.close()


def _on_interrupt(handler):
    for number in _ENDINGS:
        signal.signal(number, handler)


def _interrupt(*_args):
    # One is enough; another would leave behind what is being ended.
    _on_interrupt(signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    screen = show.Screen(sys.stdout)
    _on_interrupt(_interrupt)
    try:
        temporary = tempfile.TemporaryDirectory(prefix="ibmvirt-demo-")
    except OSError as error:
        screen.write(f"set TMPDIR to a directory that can be written: {error}")
        return 2
    try:
        with temporary as room:
            run(screen, pathlib.Path(room))
        screen.write(screen.summary())
    except KeyboardInterrupt:
        screen.write("interrupted")
        return 130
    except picture.UnusableImageError as error:
        screen.write(str(error))
        return 2
    finally:
        if screen.gone:
            # What could not be printed must not be tried again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if screen.passed else 1


if __name__ == "__main__":
    sys.exit(main())
