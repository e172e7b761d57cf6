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
import socket
import struct
import threading

COLUMNS, ROWS, CELL = 40, 12, 8
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL
# 32 bits a pixel, depth 24, little endian, true colour.
_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_ENTER, _BACKSPACE = 0xFF0D, 0xFF08
# Bytes that follow the type of a client's message.
_LENGTHS = {0: 19, 2: 3, 3: 9, 4: 7, 5: 5, 6: 7}


class Server:
    """Serves one console on a free port of the loopback."""

    def __init__(self, name: str, typed: collections.abc.Callable[[str], None]) -> None:
        self._name = name.encode()
        self._typed = typed
        self._text = ""
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End the server and all its clients."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.add(client)
        try:
            with client, contextlib.suppress(OSError, EOFError):
                self._shake_hands(client)
                while True:
                    self._message(client)
        finally:
            with self._lock:
                self._clients.discard(client)

    def _shake_hands(self, client: socket.socket) -> None:
        client.sendall(b"RFB 003.008\n")
        if not _read(client, 12).startswith(b"RFB 003.00"):
            raise EOFError
        # One security type: none.
        client.sendall(b"\x01\x01")
        if _read(client, 1) != b"\x01":
            client.sendall(struct.pack(">I", 1) + struct.pack(">I", 4) + b"none")
            raise EOFError
        client.sendall(struct.pack(">I", 0))
        _read(client, 1)
        head = struct.pack(">HH", WIDTH, HEIGHT) + _FORMAT
        client.sendall(head + struct.pack(">I", len(self._name)) + self._name)

    def _message(self, client: socket.socket) -> None:
        (kind,) = _read(client, 1)
        if kind not in _LENGTHS:
            raise EOFError
        body = _read(client, _LENGTHS[kind])
        if kind == 2:
            _read(client, 4 * struct.unpack(">xH", body)[0])
        elif kind == 6:
            _read(client, struct.unpack(">3xI", body)[0])
        elif kind == 3:
            client.sendall(self._update())
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
        self._typed(character)

    def _update(self) -> bytes:
        with self._lock:
            picture = paint(self._text)
        return struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + picture


def paint(text: str) -> bytes:
    """The last lines of a text as pixels."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += [line[i : i + COLUMNS] for i in range(0, len(line), COLUMNS)] or [""]
    lines = lines[-ROWS:]
    pixels = bytearray(WIDTH * HEIGHT * 4)
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            for bit in range(8):
                if ord(character) & (0x80 >> bit):
                    for y in range(CELL - 1):
                        x = column * CELL + bit
                        place = ((row * CELL + y) * WIDTH + x) * 4
                        pixels[place : place + 3] = b"\xff\xff\xff"
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
