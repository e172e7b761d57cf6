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

"""A small Nova's process, and a client of its API."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import warnings

from ibmvirt.simulators.core import process

# Of the output and of the log, where it did not start.
_LAST_LINES = 15


class SmallNovaError(Exception):
    """It did not start; the text ends with the last lines of its output and log."""


class SmallNova:
    """``with SmallNova("ibmvirt.PowerVMDriver", simulator) as nova: ...``

    :param driver: ``compute_driver``.
    :param options: configuration, {section: {name: value}}.
    :param admin_url: of the simulator, for the networks' stand-in.
    :param state: directory kept over restarts; default: a temporary one.
    :ivar pace: how long a second of the driver's waits lasts; set before a start.
    """

    def __init__(self, driver, *, options, admin_url, vif_type="pvm_sea", state=None):
        self.pace = 1.0
        self.driver = driver
        self.options = options
        self.admin_url = admin_url
        self.vif_type = vif_type
        self._temporary = None
        if state is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="smallnova-")
            state = self._temporary.name
        self.state = pathlib.Path(state)
        self.child = None
        self.ready = {}
        self._connection = None

    def start(self, timeout=90):
        """Start its process and wait until all services are there.

        :raises SmallNovaError: it ended, or is not ready in time.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        ready = self.state / "ready.json"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "tests.support.smallnova",
            "--driver", self.driver, "--state-dir", str(self.state),
            "--ready-file", str(ready), "--simulator", self.admin_url,
            "--vif-type", self.vif_type, "--steps", "--pace", str(self.pace),
            "--options", json.dumps(self.options),
        ]  # fmt: skip
        with (self.state / "output").open("wb") as output:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
                # Ctrl-C at a terminal is for whoever started it.
                process_group=0,
            )  # fmt: skip
        end = time.monotonic() + timeout
        while not ready.exists():
            code = self.child.poll()
            if code is not None or time.monotonic() > end:
                self.stop()
                raise SmallNovaError(self._why(code, timeout))
            time.sleep(0.05)
        self.ready = json.loads(ready.read_text())
        return self

    def _why(self, code, timeout):
        ended = f"ended with {code}" if code is not None else f"not in {timeout} s"
        lines = [f"Nova with {self.driver} did not start: {ended}"]
        for name in ("output", "nova.log"):
            path = self.state / name
            if path.exists():
                found = path.read_text(errors="replace").splitlines()
                lines += [f"-- the end of {path}:", *found[-_LAST_LINES:]]
        return "\n".join(lines)

    def stop(self):
        """End it as an operator does; one that does not end is killed."""
        self._disconnect()
        if self.child is None:
            return
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            warnings.warn(f"killed, it did not end: {self._stacks()}", stacklevel=2)
        process.end_child(self.child)
        self.child = None

    def _stacks(self):
        """Where all threads of the process are."""
        before = (self.state / "output").stat().st_size
        os.kill(self.child.pid, signal.SIGUSR1)
        time.sleep(1)
        return (self.state / "output").read_text(errors="replace")[before:]

    def kill(self):
        """End it as a power failure does; start() goes on with its files."""
        self._disconnect()
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_error):
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def client(self):
        """An openstacksdk connection to this Nova and its neighbours."""
        if self._connection is None:
            import openstack

            self._connection = openstack.connection.Connection(
                auth_type="admin_token",
                auth={"endpoint": self.ready["compute"], "token": "admin"},
                compute_endpoint_override=self.ready["compute"],
                compute_default_microversion="2.96",
                image_endpoint_override=f"{self.ready['images']}/v2",
                network_endpoint_override=f"{self.ready['networks']}/v2.0",
                block_storage_endpoint_override=f"{self.ready['volumes']}/v3/demo",
                region_name="small",
            )
        return self._connection

    def steps(self):
        """The steps of all flows so far."""
        path = pathlib.Path(self.ready["steps"])
        if not path.exists():
            return []
        # The last line may be on its way just now.
        whole = path.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def log(self):
        return pathlib.Path(self.ready["log"]).read_text()


def powervm(simulator, **options):
    """A small Nova on a running NovaLink simulator, not started."""
    import urllib.parse

    system = simulator.systems[0]
    url = urllib.parse.urlsplit(system["url"])
    return SmallNova(
        "ibmvirt.PowerVMDriver",
        options={
            "powervm": {
                "novalink_host": url.hostname,
                "novalink_port": url.port,
                "novalink_protocol": url.scheme,
                "novalink_user": system["username"],
                "novalink_password": system["password"],
                "local_root": system["local_root"],
                **options,
            }
        },
        admin_url=simulator.admin_url,
    )


def zvm(simulator, state, **options):
    """A small Nova on a running z/VM simulator, not started."""
    return SmallNova(
        "ibmvirt.ZVMDriver",
        options={
            "zvm": {"cloud_connector_url": simulator.connector_url, **options},
        },
        admin_url=simulator.admin_url,
        vif_type="zvm",
        state=state,
    )


@contextlib.contextmanager
def zvm_in_tree(simulator, state, **options):
    """A started small Nova with Nova's own z/VM driver, ``nova.virt.zvm``."""
    (state / "images").mkdir(parents=True, exist_ok=True)
    wanted = {
        "DEFAULT": {
            "instance_name_template": "OSP%05x",
            "force_config_drive": "true",
            # It couples no adapter, so Neutron would never send its event.
            "vif_plugging_timeout": "0",
            "vif_plugging_is_fatal": "false",
            "default_ephemeral_format": "ext3",
            **options,
        },
        "zvm": {
            "cloud_connector_url": simulator.connector_url,
            "image_tmp_path": str(state / "images"),
        },
    }
    nova = zvm(simulator, state)
    nova.options = wanted
    # Nova 34 lets this driver start only where the service is known already:
    # it has no list_instance_uuids(), which a new host is asked for.
    with nova:
        assert nova.ready
    nova.driver = "zvm.ZVMDriver"
    with nova:
        yield nova
