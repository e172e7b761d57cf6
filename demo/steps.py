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
"""The steps of a flow, shown as they end."""

from __future__ import annotations

import threading


class Follow:
    """``with Follow(lane, nova, memento): ...`` shows the steps meanwhile."""

    def __init__(self, lane, nova, memento):
        self._lane = lane
        self._nova = nova
        self._memento = memento
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._shown = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join()
        self._show()

    def _follow(self):
        while not self._stop.wait(0.1):
            self._show()

    def _show(self):
        mine = [s for s in self._nova.steps() if s["memento"] == self._memento]
        for step in mine[self._shown :]:
            if step["event"] != "started":
                text = f"{step['seconds'] * 1000:7.0f} ms  {step['step']}"
                if step["event"] != "done":
                    text += f" ({step['event']}) {step['error']}"
                self._lane.say(text)
        self._shown = len(mine)
