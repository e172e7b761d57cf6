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

"""A small RFB 3.8 server (RFC 6143): a console that echoes what is typed.

The picture is a grid of cells; a cell shows the bits of its character, so
that a test can tell what was typed without a font.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import socket
import struct
import threading

COLUMNS, ROWS, CELL = 40, 12, 8
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL
# 32 bits a pixel, depth 24, little endian, true colour.
_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_SEND_SECONDS = 10
_ENTER, _BACKSPACE = 0xFF0D, 0xFF08
# Bytes that follow the type of a client's message.
_LENGTHS = {0: 19, 2: 3, 3: 9, 4: 7, 5: 5, 6: 7}


@dataclasses.dataclass(eq=False)
class _Client:
    """A viewer; ``shown`` counts the changes that it has, ``waits`` for more."""

    socket: socket.socket
    # Bytes of a pixel, as the viewer wants them.
    depth: int = 4
    shown: int = 0
    waits: bool = False
    sending: threading.Lock = dataclasses.field(default_factory=threading.Lock)


class Server:
    """Serves one console on a free port of the loopback."""

    def __init__(self, name: str, typed: collections.abc.Callable[[str], None]) -> None:
        self._name = name.encode()
        self._typed = typed
        self._text = ""
        self._changes = 1
        self._lock = threading.Lock()
        self._clients: set[_Client] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End the server and all its clients."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._closed = True
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        client = _Client(connection)
        # Who does not read must not stop those who type.
        limit = struct.pack("ll", _SEND_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        with self._lock:
            if self._closed:
                connection.close()
                return
            self._clients.add(client)
        try:
            with connection, contextlib.suppress(OSError, EOFError):
                self._shake_hands(connection)
                while True:
                    self._message(client)
        finally:
            with self._lock:
                self._clients.discard(client)

    def _shake_hands(self, client: socket.socket) -> None:
        client.sendall(b"RFB 003.008\n")
        version = _read(client, 12)
        if version not in (b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"):
            raise EOFError
        if version == b"RFB 003.003\n":
            # The server chooses: none.
            client.sendall(struct.pack(">I", 1))
        else:
            # One security type: none.
            client.sendall(b"\x01\x01")
            if _read(client, 1) != b"\x01":
                client.sendall(struct.pack(">II", 1, 4) + b"none")
                raise EOFError
        if version == b"RFB 003.008\n":
            client.sendall(struct.pack(">I", 0))
        _read(client, 1)
        head = struct.pack(">HH", WIDTH, HEIGHT) + _FORMAT
        client.sendall(head + struct.pack(">I", len(self._name)) + self._name)

    def _message(self, client: _Client) -> None:
        (kind,) = _read(client.socket, 1)
        if kind not in _LENGTHS:
            raise EOFError
        body = _read(client.socket, _LENGTHS[kind])
        if kind == 0 and body[3] in (8, 16, 32):
            client.depth = body[3] // 8
        elif kind == 2:
            _read(client.socket, 4 * struct.unpack(">xH", body)[0])
        elif kind == 6:
            _read(client.socket, struct.unpack(">3xI", body)[0])
        elif kind == 3:
            with self._lock:
                # Incremental: there is an answer when there is a change.
                client.waits = bool(body[0]) and client.shown == self._changes
            if not client.waits:
                self._update(client)
        elif kind == 4 and body[0]:
            self._key(struct.unpack(">I", body[3:])[0])

    def _key(self, symbol: int) -> None:
        if symbol == _ENTER:
            character = "\n"
        elif 32 <= symbol < 256:
            character = chr(symbol)
        elif symbol != _BACKSPACE:
            return
        else:
            character = "\b"
        with self._lock:
            self._text = (
                self._text[:-1] if character == "\b" else self._text + character
            )
            self._changes += 1
            waiting = [client for client in self._clients if client.waits]
            for client in waiting:
                client.waits = False
        self._typed(character)
        for client in waiting:
            # Its own thread sees that it has gone.
            with contextlib.suppress(OSError):
                self._update(client)

    def _update(self, client: _Client) -> None:
        with client.sending:
            with self._lock:
                text, client.shown = self._text, self._changes
            head = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0)
            client.socket.sendall(head + paint(text, client.depth))


def paint(text: str, depth: int = 4) -> bytes:
    """The last lines of a text as pixels of so many bytes: white has all bits."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += [line[i : i + COLUMNS] for i in range(0, len(line), COLUMNS)] or [""]
    lines = lines[-ROWS:]
    pixels = bytearray(WIDTH * HEIGHT * depth)
    white = b"\xff\xff\xff" if depth == 4 else b"\xff" * depth
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            for bit in range(8):
                if ord(character) & (0x80 >> bit):
                    for y in range(CELL - 1):
                        x = column * CELL + bit
                        place = ((row * CELL + y) * WIDTH + x) * depth
                        pixels[place : place + len(white)] = white
    return bytes(pixels)


def _read(client: socket.socket, length: int) -> bytes:
    """:raises EOFError: the client has gone."""
    collected = b""
    while len(collected) < length:
        piece = client.recv(length - len(collected))
        if not piece:
            raise EOFError
        collected += piece
    return collected
