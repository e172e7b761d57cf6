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

"""A z/VM backend on a simulator with the real Cloud Connector."""

from __future__ import annotations

import contextlib
import functools
import io
import pathlib
import tempfile
import types

from zvmconnector import connector

from ibmvirt import configdrive
from ibmvirt.common import plan
from ibmvirt.simulators.zvm import imagefile
from ibmvirt.zvm import backend, snapshots
from ibmvirt.zvm.client import connector as calls
from ibmvirt.zvm.client import transport
from tests.support import driven

RAW = bytes(range(256)) * 4096
IMAGE_BYTES = imagefile.write(RAW)


TARGETS = ["5005076802100c1b", "50:05:07:68:02:20:0c:1b"]


def client(simulator, url=None):
    """``client(simulator)(api, ...)``: a call by the Connector's own client."""
    host, _, port = (
        (url or simulator.connector_url).removeprefix("http://").rpartition(":")
    )
    real = connector.ZVMConnector(host, int(port))

    def call(api, *args, **kwargs):
        answer = real.send_request(api, *args, **kwargs)
        assert answer["overallRC"] == 0, (api, answer)
        return answer["output"]

    return call


def fault(kind):
    """An effect of that kind; a refusal has codes that nothing knows."""
    codes = {"overall": 8, "rc": 99, "rs": 99} if kind == "refuse" else {}
    return {"kind": kind, **codes}


def fcp_template(simulator, name="paths", devices="1a00-1a03;1b00-1b03"):
    """A template of two paths, the host's default."""
    client(simulator)(
        "create_fcp_template", name, fcp_devices=devices, host_default=True,
        min_fcp_paths_count=2,
    )  # fmt: skip


def volume(number, **values):
    """A volume on the LUN of that number."""
    data = {"target_wwn": TARGETS, "target_lun": number}
    return plan.Volume(
        **{
            "id": f"volume-{number}", "protocol": "fibre_channel", "data": data,
            "device": f"/dev/vd{chr(ord('a') + number)}", **values,
        }
    )  # fmt: skip


def drive():
    """A config drive that a guest takes its host name from."""
    output = io.BytesIO()
    meta = b'{"hostname": "small", "uuid": "the-server"}'
    configdrive.build({"openstack/latest/meta_data.json": meta}, output, time=0)
    return output.getvalue()


@contextlib.contextmanager
def running(simulator, url=None, image_age=None, state=None, **overrides):
    """A started backend with a state path of its own, ``.state_path``.

    :param state: the state path of another, as after a restart.
    """
    options = {
        "cloud_connector_url": url or simulator.connector_url,
        "ca_file": None,
        "token_path": None,
        "connect_timeout": 5.0,
        "request_timeout": 60.0,
        "transport": "shared",
        "shared_directory": None,
        "scp_remote_host": None,
        "os_version_map": {},
        "disk_pools": [],
        "userid_prefix": "OSV",
        "grant_vswitch": True,
        "fcp_template": "",
        "fcp_reservation_time": 1800,
        "ssi_connectors": [],
        # A look in the moment that a test restarts the Connector would let calls
        # fail for seconds.
        "check_interval": 3600.0,
        **overrides,
    }
    with tempfile.TemporaryDirectory(prefix="zvm-driven-") as temporary:
        state = state or temporary
        made = backend.build(
            types.SimpleNamespace(**options), state, "127.0.0.1", "small", image_age
        )
        found = driven.Driven(
            made,
            simulator,
            IMAGE_BYTES,
            image={"properties": {"os_distro": "rhel", "os_version": "9.4"}},
            vif={"type": "zvm", "physical_network": "default", "mtu": 1450},
            mac="02:00:00:00",
            drive=drive(),
        )
        found.state_path = state
        found.options = options
        found.left = functools.partial(left, found)
        found.connector = client(simulator, url)
        made.host.start(lambda *_args: None)
        try:
            yield found
        finally:
            made.host.stop()


def files(found):
    """Files of drives, images and captures that are on their way just now."""
    state = pathlib.Path(found.state_path, "zvm")
    parts = [state / "shared", state / "transfer"]
    return sorted(p for part in parts for p in part.rglob("*") if p.is_file())


def left(found):
    """What should be nowhere when no server is: files, captured images, notes of
    volumes."""
    wire = transport.Transport(
        found.simulator.connector_url,
        ca_file=found.options["ca_file"],
        token_path=found.options["token_path"],
    )
    names = [image["imagename"] for image in calls.Connector(wire).images()]
    wire.close()
    captured = [name for name in names if name.startswith(snapshots.PREFIX)]
    notes = pathlib.Path(found.state_path, "zvm", "volumes").glob("*")
    return [*captured, *map(str, files(found)), *map(str, notes)]


def snapshot(found, spawn):
    """Take one as the driver does; its bytes and what was told of them."""
    with (
        found.operation("snapshot", spawn.server),
        found.backend.snapshots.open(found.server(spawn), found.guest(spawn)) as taken,
    ):
        return taken.stream.read(), taken
