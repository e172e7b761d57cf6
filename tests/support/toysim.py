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

"""A small simulator on the core: boxes with contents, of a bounded size.

It is the shortest complete example of a simulator, and proves the core.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import threading

from ibmvirt.simulators import cli
from ibmvirt.simulators.core import (
    admin,
    blobs,
    calls,
    handle,
    http,
    process,
    tls,
    world,
    worldfile,
)

WORLD = worldfile.fields(
    capacity=worldfile.integer(100, least=1, most=1000),
    boxes=worldfile.items(
        worldfile.fields(
            name=worldfile.text(required=True, pattern="[a-z0-9]+"),
            size=worldfile.integer(10, least=1),
            lid=worldfile.choice(("open", "shut"), "shut"),
            image=worldfile.boolean(),
        ),
        unique="name",
    ),
)


@dataclasses.dataclass(frozen=True)
class Box:
    name: str
    size: int
    lid: str = "shut"
    blob: str = ""
    # A finished image: a cache, which may be there after a test.
    image: bool = False


class Refusal(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Toy:
    """The platform: what it holds, and what it does."""

    def __init__(self, arguments, state):
        self.instruments = calls.Instruments(arguments.rate, arguments.latency)
        self.instruments.latency.table = [("PUT", 5.0, 5.0), ("", 1.0, 1.0)]
        self.blobs = blobs.Blobs(state.path / "blobs")
        self.world = world.World()
        self.boxes = self.world.collection(
            "boxes",
            world.KEPT,
            dataclasses.asdict,
            lambda box: box.image,
            codec=world.Codec(dataclasses.asdict, lambda fields: Box(**fields)),
        )
        self.limits = self.world.collection("limits", world.KEPT)
        self.counters = self.world.collection("counters", world.COUNTER)
        self.token = "first"
        self.running = {}
        self.instruments.handle(expire_token=self._expire)
        self.instruments.offer("job")
        self.world.action("capacity", self._set_capacity)
        self.world.check(self._check)
        self._fill(arguments.world)

    def _fill(self, path):
        document = worldfile.load(path, WORLD) if path else worldfile.loads("", WORLD)
        given = document.value
        used = sum(box["size"] for box in given["boxes"])
        if used > given["capacity"]:
            raise document.error(("capacity",), f"the boxes take {used}")
        with self.world.transaction():
            self.limits["capacity"] = given["capacity"]
            for box in given["boxes"]:
                self.boxes[box["name"]] = Box(**box)

    def _expire(self, _effect, _call):
        self.token = "second"

    def _set_capacity(self, fields):
        if not isinstance(fields.get("to"), int):
            raise ValueError("to: must be a whole number")
        self.limits["capacity"] = fields["to"]

    def _check(self):
        return [f"box {b.name} is open" for b in self.boxes.values() if b.lid == "open"]

    # -- the REST API -------------------------------------------------------

    def answer(self, request):
        match = re.fullmatch(r"/boxes/([a-z0-9]+)(/fill)?", request.path)
        key = re.sub("/boxes/[^/]+", "/boxes/{id}", request.path)
        call = self.instruments.call(
            layer="rest",
            system="toy",
            verb=request.verb,
            key=f"{request.verb} {key}",
            target=match.group(1) if match else None,
            memento=request.headers.get("X-Audit-Memento"),
            user=request.headers.get("X-User"),
        )
        try:
            response = self._answer(request, call, match)
            call.after()
        except Refusal as error:
            response = self.reply(error.status, {"error": str(error)})
        except calls.Refused as refused:
            status = {"busy": 503, "etag": 412}.get(refused.effect["kind"])
            status = status or refused.effect.get("status", 500)
            text = refused.effect.get("message", "a fault")
            response = self.reply(status, {"error": text})
        except calls.Broken as broken:
            call.answered(0, 0, broken.how)
            raise
        call.record["received"] = request.received
        call.answered(response.status, response.length)
        return response

    @staticmethod
    def reply(status, value):
        body = json.dumps(value).encode()
        return http.Response(status, body, {"Content-Type": "application/json"})

    def _answer(self, request, call, match):
        if request.headers.get("X-Token", self.token) != self.token:
            raise Refusal(401, "the token expired")
        if request.path == "/crash":
            raise ZeroDivisionError("a defect")
        if match is None:
            raise Refusal(404, f"no {request.path}")
        name = match.group(1)
        if request.verb == "PUT" and match.group(2):
            return self._start_fill(call, name)
        if request.verb == "PUT":
            body = request.body(limit=1 << 20)
            call.before()
            with self.world.transaction():
                self._put(name, body)
            call.committed()
            return self.reply(201, {"size": self.boxes[name].size})
        call.before()
        if request.verb == "DELETE":
            with self.world.transaction():
                self._box(name)
                del self.boxes[name]
            call.committed()
            return http.Response(204)
        if match.group(2):
            return self.reply(200, {"done": self.running[name].ask()})
        box = self._box(name)
        return self.reply(200, {"size": box.size, "lid": box.lid})

    def _box(self, name):
        if name not in self.boxes:
            raise Refusal(404, f"no box {name}")
        return self.boxes[name]

    def _put(self, name, body):
        blob = self.blobs.put(body)
        size = max(1, len(body))
        # The change comes before the check, so that tests see it undone.
        self.boxes[name] = Box(name, size, blob=blob, image=name.startswith("img"))
        self.counters["puts"] = self.counters.get("puts", 0) + 1
        used = sum(box.size for box in self.boxes.values())
        if used > self.limits["capacity"]:
            raise Refusal(409, f"{used} is more than {self.limits['capacity']}")

    def _start_fill(self, call, name):
        call.before()
        self._box(name)
        at_once = self.instruments.latency.profile == "none"
        progress = self.instruments.transitions.begin("job:fill", 30.0, at_once=at_once)
        self.running[name] = progress
        call.committed()
        return self.reply(202, {"done": progress.done()})

    def disk(self, name):
        blob = self.boxes[name].blob
        headers = {"Content-Type": "application/octet-stream"}
        content = self.blobs.open(blob)
        return http.Response(200, content, headers, length=self.blobs.size(blob))


# -- the command ------------------------------------------------------------


def add_arguments(parser):
    parser.add_argument("--children", type=int, default=0)


def run(arguments):
    state = process.StateDirectory(arguments.state_dir)
    try:
        toy = Toy(arguments, state)
        context, certificate = tls.make(state.path) if arguments.tls else (None, None)
        host, _, port = arguments.listen.rpartition(":")
        api = http.Server((host, int(port)), toy.answer, context)
        control = admin.Admin("toy", toy.instruments, toy.world, toy.blobs)
        control.route("GET", "disks/([^/]+)", toy.disk)
        control.route("POST", "fail", lambda _body: 1 // 0)
        admin_server = http.Server(("127.0.0.1", 0), control.answer)
        # The second one of each pair is a child of the first.
        pair = "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"
        made = []

        def spawn():
            # From a thread that ends at once, as a request's does.
            made.append(process.spawn_child(state, [sys.executable, "-c", pair]))

        for _ in range(arguments.children):
            thread = threading.Thread(target=spawn)
            thread.start()
            thread.join()
        toy.world.mark()
        api.start()
        admin_server.start()
        ready = {
            "pid": os.getpid(),
            "admin_url": admin_server.url,
            "url": api.url,
            "certificate": str(certificate) if certificate else None,
            "children": [child.pid for child in made],
            "state": str(state.path),
        }
        exports = {"TOY_URL": api.url, "TOY_TEXT": "it's $HOME; here"}
        process.announce(exports, ready, arguments.ready_file)
        process.wait_for_end()
        toy.instruments.rules.delete(drop=True)
        for server in (api, admin_server):
            server.stop()
        for child in made:
            process.end_child(child)
    finally:
        state.close()
    return 0


class ToySimulator(handle.Simulator):
    """``with ToySimulator() as simulator: ...``"""

    platform = "toy"
    module = "tests.support.toysim"

    @property
    def url(self):
        return self.ready["url"]


if __name__ == "__main__":
    sys.exit(cli.main(None, {"toy": ("tests.support.toysim", "boxes")}))
