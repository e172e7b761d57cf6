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

"""Serves the Connector's commands, and the phases of its REST calls."""

from __future__ import annotations

import collections.abc
import contextlib
import itertools
import json
import logging
import pathlib
import select
import socket
import socketserver
import threading
import typing

from ibmvirt.simulators.core import calls, world
from ibmvirt.simulators.zvm import model, wire
from ibmvirt.simulators.zvm.commands import base

LOG = logging.getLogger(__name__)
# The Connector's own userid on every member.
CONNECTOR = "ZCCUSER"
# Real seconds that a reset waits for the calls that are under way.
_QUIET = 20.0


class _Begun(typing.NamedTuple):
    """A REST call that is under way: its Connector, and the world it is of."""

    call: calls.Call
    member: str
    epoch: int


class Daemon:
    """Answers frames on a Unix socket, a thread each."""

    def __init__(self, zvm: model.Zvm, path: pathlib.Path) -> None:
        self.zvm = zvm
        self.path = str(path)
        self._lock = threading.Condition()
        # Resets that wait for the Connectors to end what they are at.
        self._resets = 0
        self._open: dict[int, _Begun] = {}
        self._numbers = itertools.count(1)
        zvm.world.around_reset(self._quiet)
        daemon = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    daemon.answer(self.request)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        self._server = Server(self.path, Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            daemon=True,
        )

    def start(self) -> None:
        base.load()
        self._thread.start()

    def stop(self) -> None:
        if self._thread.ident is not None:
            # Without a thread that serves, shutdown() would wait for ever.
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer(self, connection: socket.socket) -> None:
        """One frame: a command, or a question of the launcher."""
        frame = wire.read_all(connection)
        if frame[:1] == b"C":
            try:
                with self.zvm.world.as_it_is():
                    result = self._command(wire.command_of(frame))
            except calls.Broken:
                return
            out = result.out.encode(errors="surrogateescape")
            head = f"{result.rc} {len(out)}\n".encode()
            error = result.err.encode(errors="surrogateescape")
            connection.sendall(head + out + error)
        elif frame[:1] == b"J":
            answer = self._question(json.loads(frame[1:]), connection)
            connection.sendall(json.dumps(answer).encode())

    @contextlib.contextmanager
    def _quiet(self) -> collections.abc.Iterator[None]:
        """No Connector is at a call: their commands fail, so that the calls end
        soon, and new calls wait."""
        with self._lock:
            self._resets += 1
            self._lock.wait_for(lambda: not self._open, _QUIET)
        try:
            yield
        finally:
            with self._lock:
                self._resets -= 1
                self._lock.notify_all()

    def forget(self, member: str) -> None:
        """A member's Connector is gone: its calls will never end."""
        with self._lock:
            gone = [n for n, begun in self._open.items() if begun.member == member]
            ended = [self._open.pop(number).call for number in gone]
            self._lock.notify_all()
        for call in ended:
            call.answered(0, 0, "drop")

    # -- commands -------------------------------------------------------------

    def _command(self, command: wire.Command) -> base.Result:
        """:raises Broken: a rule wants it, or the world was reset."""
        if self._is_of_another_world(command.member):
            raise calls.Broken("drop")
        argv = command.words
        words = argv[1:] if argv[0] == "sudo" else argv
        name = words[0].rsplit("/", 1)[-1] if words else ""
        api = words[1] if name == "smcli" and len(words) > 1 else ""
        user = _user_of(name, words)
        call = self.zvm.instruments.call(
            layer="command",
            system=command.member,
            verb=name,
            key=_key(name, api, words),
            api=api or name,
            user=user,
            target=user,
            memento=self._memento(command.member, user),
            argv=words,
        )
        caller = base.Caller(command.member, CONNECTOR, command.cwd, command.stdin)
        try:
            call.before()
            result = self._run(caller, words)
            if result.rc == 0:
                call.committed()
            call.after()
        except calls.Refused as refused:
            result = base.struck(name, refused.effect)
        except calls.Broken as broken:
            call.answered(0, 0, broken.how)
            raise
        except world.Replaced:
            call.answered(0, 0, "drop")
            raise calls.Broken("drop") from None
        call.record["rc"] = result.rc
        if result.unknown is not None:
            call.record["unknown"] = result.unknown
        call.answered(0 if result.rc == 0 else 1, len(result.out))
        return result

    def _run(self, caller: base.Caller, words: list[str]) -> base.Result:
        try:
            return base.run(self.zvm, caller, words)
        except world.Replaced:
            raise
        except Exception as error:
            # A defect of the simulator: loud here and there, and it goes on.
            LOG.exception("%s failed", words)
            text = f"the simulator failed: {type(error).__name__}: {error}\n"
            return base.Result(125, text, text)

    def _is_of_another_world(self, member: str) -> bool:
        """Whether all that a Connector is at began before the last reset."""
        with self._lock:
            if self._resets and self._open:
                return True
            epochs = {b.epoch for b in self._open.values() if b.member == member}
        return bool(epochs) and self.zvm.world.epoch not in epochs

    def _memento(self, member: str, user: str | None) -> str | None:
        """The memento of the REST call that a command belongs to."""
        with self._lock:
            mine = [
                begun.call.record
                for begun in self._open.values()
                if begun.member == member and begun.call.record["memento"]
            ]
        same = [r for r in mine if user and r["target"] == user]
        found = same or mine
        mementos = {record["memento"] for record in found}
        return mementos.pop() if len(mementos) == 1 else None

    # -- questions --------------------------------------------------------------

    def _question(
        self, question: dict[str, typing.Any], connection: socket.socket
    ) -> dict[str, typing.Any]:
        kind = question["kind"]
        if kind == "sleep":
            # A Connector that was killed meanwhile needs no answer.
            self.zvm.instruments.clock.sleep(
                float(question["seconds"]),
                lambda: bool(self._resets) or _hung_up(connection),
            )
            return {}
        if kind == "begin":
            return self._begin(question)
        return self._end(question)

    def _begin(self, question: dict[str, typing.Any]) -> dict[str, typing.Any]:
        with self._lock:
            self._lock.wait_for(lambda: not self._resets)
        call = self.zvm.instruments.call(
            layer="rest",
            system=question["member"],
            verb=question["verb"],
            key=question["key"],
            expired=False,
            target=question["user"],
            user=question["user"],
            api=question["key"],
            memento=question["memento"],
            received=question["received"],
        )
        number = next(self._numbers)
        with self._lock:
            epoch = self.zvm.world.epoch
            self._open[number] = _Begun(call, question["member"], epoch)
        try:
            call.before()
        except calls.Refused as refused:
            return self._over(number, {"refuse": refused.effect})
        except calls.Broken as broken:
            return self._over(number, {"break": broken.how})
        return {"number": number, "expired": bool(call.record.get("expired"))}

    def _over(
        self, number: int, answer: dict[str, typing.Any]
    ) -> dict[str, typing.Any]:
        call = self._close(number)
        if call is not None:
            call.answered(0, 0, answer.get("break", "answered"))
        return answer

    def _close(self, number: int) -> calls.Call | None:
        """A call that is under way; None once its Connector was killed."""
        with self._lock:
            begun = self._open.pop(number, None)
            self._lock.notify_all()
        return None if begun is None else begun.call

    def _end(self, question: dict[str, typing.Any]) -> dict[str, typing.Any]:
        call = self._close(question["number"])
        if call is None:
            return {}
        call.committed()
        answer: dict[str, typing.Any] = {}
        try:
            call.after()
        except calls.Refused as refused:
            answer = {"refuse": refused.effect}
        except calls.Broken as broken:
            answer = {"break": broken.how}
        call.answered(
            question["status"], question["sent"], answer.get("break", "answered")
        )
        return answer


def _hung_up(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, 0)
    return any(events & select.POLLHUP for _fd, events in poll.poll(0))


def expire_token(_effect: calls.Effect, call: calls.Call) -> None:
    """Let a REST call come with a token that is over (an effect of rules)."""
    if call.record["layer"] != "rest":
        raise ValueError("only a call of the layer rest has a token")
    call.record["expired"] = True


_OF_USERS = {
    "iucvclnt", "unpackdiskimage", "creatediskimage", "linkdiskandbringonline",
    "offlinediskanddetach",
}  # fmt: skip


def _user_of(name: str, words: list[str]) -> str | None:
    if name == "smcli" and "-T" in words[:-1]:
        return words[words.index("-T") + 1].upper()
    if name in _OF_USERS and len(words) > 1:
        return words[1].upper()
    if name == "vmcp":
        text = " ".join(words[1:]).upper().split()
        if len(text) > 1 and text[0] in ("Q", "QUERY"):
            return text[-1]
        if text[:1] == ["TRANSFER"] and "TO" in text[:-1]:
            return text[text.index("TO") + 1]
    return None


def _key(name: str, api: str, words: list[str]) -> str:
    """smcli NAME, vmcp COMMAND, or the tool alone."""
    if api:
        return f"smcli {api}"
    if name == "vmcp":
        text = " ".join(words[1:]).lower().split()
        return f"vmcp {' '.join(text[:1])}"
    if name == "vmur":
        return f"vmur {' '.join(words[1:2])}"
    return name
