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


"""pypowervm's tasks of metrics, and its consoles on the NovaLink partition."""

from __future__ import annotations

import contextlib
import socket

from pypowervm.tasks import power, vterm
from pypowervm.tasks.monitor import util as monitor

from tests.functional.simulators.novalink import support
from tests.functional.simulators.novalink.tasks.walk import walks


@walks(
    "monitor.util.ensure_ltm_monitors",
    "monitor.util.query_ltm_feed",
    "monitor.util.latest_stats",
    "monitor.util.get_lpar_metrics",
    "monitor.util.vm_metrics",
)
def test_metrics(novalink, adapter, machine, lpar):
    power.PowerOp.start(lpar)
    monitor.ensure_ltm_monitors(adapter, machine.uuid)
    novalink.clock(advance=90)
    feed = monitor.query_ltm_feed(adapter, machine.uuid)
    assert {"phyp", "lpar"} < {one.category for one in feed}
    _date, phyp, vioses, _lpars = monitor.latest_stats(adapter, machine.uuid)
    found = monitor.get_lpar_metrics(feed, adapter)
    metrics = monitor.vm_metrics(phyp, vioses, found)
    assert metrics[lpar.uuid].processor.util_cap_proc_cycles is not None
    assert len(vioses) == 2


def connected(port):
    """A connection to who begins to listen in a thread."""
    found = []

    def connect():
        with contextlib.suppress(ConnectionRefusedError):
            found.append(socket.create_connection(("127.0.0.1", port), timeout=60))
        return found

    support.until(connect)
    return found[0]


@walks("vterm.open_localhost_vnc_vterm", "vterm.open_remotable_vnc_vterm")
def test_consoles(novalink, monkeypatch, lpar):
    system = novalink.systems[0]
    monkeypatch.setenv("PATH", system["local_bin"], prepend=":")
    # A free port instead of the one of VNC.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setattr(vterm, "_REMOTE_PORT", port)
    # Its threads would keep the process for minutes.
    for kind in (vterm._VNCSocketListener, vterm._VNCRepeaterServer):
        monkeypatch.setattr(kind, "daemon", True)
    session = support.logon(system, username=None, password=None)
    local = support.adapter_of(session)
    vnc = vterm.open_localhost_vnc_vterm(local, lpar.uuid)
    with socket.create_connection(("127.0.0.1", vnc), timeout=60) as viewer:
        assert viewer.recv(12) == b"RFB 003.008\n"
    found = vterm.open_remotable_vnc_vterm(local, lpar.uuid, "127.0.0.1", vnc_path="/x")
    assert found == port
    with connected(port) as viewer:
        viewer.sendall(b"CONNECT /x HTTP/1.8\r\n\r\n")
        answer = b""
        while b"RFB 003.008\n" not in answer:
            piece = viewer.recv(100)
            assert piece
            answer += piece
        assert answer.startswith(b"HTTP/1.8 200 OK")
    vterm.close_vterm(local, lpar.uuid)
    session._logoff()
