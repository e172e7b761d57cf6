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

"""How the Connector's processes talk to the daemon: one frame each way.

A command is ``C``, the number of its words, the words separated by NUL, and its
standard input; what the launcher and the middleware ask is ``J`` and JSON. The
client closes its side after the frame.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import typing


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line as the front-end sends it."""

    member: str
    cwd: str
    words: list[str]
    stdin: str


def command_of(frame: bytes) -> Command:
    """:raises ValueError: it is no frame of a command."""
    head, _, rest = frame[1:].partition(b"\n")
    *parts, stdin = rest.split(b"\0", int(head))
    member, cwd, *words = (p.decode(errors="surrogateescape") for p in parts)
    return Command(member, cwd, words, stdin.decode(errors="surrogateescape"))


def read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def ask(path: str, question: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """One JSON question to the daemon.

    :raises OSError: the daemon is gone.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(b"J" + json.dumps(question).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    if not answer:
        raise ConnectionError("the daemon did not answer")
    found: dict[str, typing.Any] = json.loads(answer)
    return found
