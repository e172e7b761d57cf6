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

"""What the Connector's web server does before the Connector's own application."""

from __future__ import annotations

import io
import tempfile

from ibmvirt.simulators.zvm import launcher

PIECE = bytes(range(256)) * 64


class Body(io.BytesIO):
    """A body in chunks that notes, at its last one, whether a file is in memory."""

    def __init__(self, pieces, room):
        chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
        super().__init__(b"".join(chunks))
        self.room = room
        self.in_memory = None

    def readline(self, size=-1):
        line = super().readline(size)
        if line == b"0\r\n":
            self.in_memory = not self.room._rolled
        return line


def test_a_long_body_in_chunks_is_not_kept_in_memory():
    with tempfile.SpooledTemporaryFile(len(PIECE)) as room:
        body = Body([PIECE] * 8, room)
        launcher.take(body, room)
        assert body.in_memory is False
        room.seek(0)
        assert room.read() == PIECE * 8
