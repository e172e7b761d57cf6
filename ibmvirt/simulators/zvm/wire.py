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

A command is ``C`` and its words, separated by NUL; what the launcher and the
middleware ask is ``J`` and JSON. The client closes its side after the frame.
"""

from __future__ import annotations

import json
import socket
import typing

# The program that stands for sudo, vmcp and so on: as small as Python can be.
FRONTEND = """#!{python} -ISE
import os, sys
from _socket import socket, AF_UNIX, SOCK_STREAM, SHUT_WR
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
s = socket(AF_UNIX, SOCK_STREAM)
s.connect({path!r})
frame = b"C" + b"\\0".join(
    os.fsencode(w) for w in ({member!r}, os.getcwd(), *words))
while frame:
    frame = frame[s.send(frame):]
s.shutdown(SHUT_WR)
answer = b""
while True:
    piece = s.recv(65536)
    if not piece:
        break
    answer += piece
head, _, rest = answer.partition(b"\\n")
if not head:
    sys.exit(125)
code, size = head.split()
os.write(1, rest[:int(size)])
os.write(2, rest[int(size):])
os._exit(int(code))
"""


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
