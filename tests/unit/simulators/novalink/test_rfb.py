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

"""The console's RFB server, as viewers of all versions use it (RFC 6143)."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from ibmvirt.simulators.novalink import rfb

PIXELS = rfb.WIDTH * rfb.HEIGHT


@pytest.fixture
def server():
    typed = []
    made = rfb.Server("lpar1", typed.append)
    made.typed = typed
    yield made
    made.close()


class Viewer:
    """A VNC client; ``version`` is 3, 7 or 8."""

    def __init__(self, port, version=8):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.depth = 4
        assert self.read(12) == b"RFB 003.008\n"
        self.socket.sendall(b"RFB 003.00%d\n" % version)
        if version == 3:
            assert self.read(4) == struct.pack(">I", 1)
        else:
            assert self.read(2) == b"\x01\x01"
            self.socket.sendall(b"\x01")
        if version == 8:
            assert self.read(4) == bytes(4)
        self.socket.sendall(b"\x01")
        self.size = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(*struct.unpack(">I", self.read(4))).decode()

    def read(self, length):
        collected = b""
        while len(collected) < length:
            piece = self.socket.recv(length - len(collected))
            if not piece:
                raise EOFError
            collected += piece
        return collected

    def type(self, text):
        for character in text:
            symbol = {"\n": 0xFF0D, "\b": 0xFF08}.get(character, ord(character))
            self.socket.sendall(struct.pack(">BBxxI", 4, 1, symbol))

    def ask(self, *, incremental):
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, *self.size))

    def picture(self):
        assert self.read(4) == struct.pack(">BxH", 0, 1)
        self.read(12)
        return self.read(PIXELS * self.depth)


@pytest.fixture
def viewer(server):
    with contextlib.ExitStack() as open_ones:

        def connect(version=8):
            made = Viewer(server.port, version)
            open_ones.callback(made.socket.close)
            return made

        yield connect


@pytest.mark.parametrize("version", [3, 7, 8])
def test_each_version_of_the_protocol(server, viewer, version):
    made = viewer(version)
    assert (made.name, made.size) == ("lpar1", (rfb.WIDTH, rfb.HEIGHT))
    made.type("ab\b\n")
    made.ask(incremental=False)
    assert made.picture() == rfb.paint("a\n") != rfb.paint("")
    assert "".join(server.typed) == "ab\b\n"


def test_an_update_comes_when_there_is_one(viewer):
    """A viewer asks for the next change as soon as it has the last one."""
    watcher, other = viewer(), viewer()
    watcher.ask(incremental=False)
    assert watcher.picture() == rfb.paint("")
    watcher.ask(incremental=True)
    other.type("x")
    assert watcher.picture() == rfb.paint("x")
    # Without a question there is no answer.
    other.type("y")
    other.ask(incremental=False)
    assert other.picture() == rfb.paint("xy")
    watcher.ask(incremental=False)
    assert watcher.picture() == rfb.paint("xy")


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_pixels_as_the_viewer_wants_them(viewer, bits):
    made = viewer()
    made.socket.sendall(struct.pack(">B3xBB14x", 0, bits, bits))
    made.depth = bits // 8
    made.type("z")
    made.ask(incremental=False)
    picture = made.picture()
    assert picture == rfb.paint("z", made.depth)
    lit = sum(
        any(picture[i : i + made.depth]) for i in range(0, len(picture), made.depth)
    )
    # A column of seven pixels for each bit of the character.
    assert lit == 7 * ord("z").bit_count()


def test_closing_ends_the_viewers(server, viewer):
    made = viewer()
    server.close()
    with pytest.raises((EOFError, ConnectionError)):
        made.read(1)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=60)
