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


"""nova-compute itself loads a driver, however ibmvirt is installed.

The environments are real ones, made of links to this one's packages, so that
nothing is downloaded. ibmvirt is built and installed in them by pip.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(sysconfig.get_path("purelib"))
CONDUCTOR = ROOT / "tests" / "support" / "with_conductor.py"
SCRIPT = pathlib.Path(sysconfig.get_path("scripts")) / "nova-compute"


def clean_environment():
    """Without what would let a child find this checkout."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "COVERAGE", "COV_", "PIP_", "OS_", "VIRTUAL"))
    }


class Environment:
    """A virtual environment; ``without``: packages of this one it lacks."""

    def __init__(self, path, *, without=None, over=None):
        self.path = path
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(path)], check=True
        )
        self.python = path / "bin" / "python"
        (self.packages,) = path.glob("lib/python*/site-packages")
        if over is not None:
            # What system site packages are: the other one's, after its own.
            line = f"import site; site.addsitedir({str(over.packages)!r})\n"
            (self.packages / "over.pth").write_text(line)
        if without is not None:
            for item in HERE.iterdir():
                if not any(name in item.name.lower() for name in without):
                    (self.packages / item.name).symlink_to(item)

    def install(self, *what):
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(self.python), "install",
             "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
             "--disable-pip-version-check", *map(str, what)],
            check=True, env=clean_environment(), cwd=self.path,
        )  # fmt: skip
        return self


def checkout(path):
    """A copy of what is packaged, so that no build directory appears here."""
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE"):
        path.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, path / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ibmvirt", path / "ibmvirt", ignore=ignored)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with the wheel."""
    top = tmp_path_factory.mktemp("wheel")
    source = checkout(top / "source")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--disable-pip-version-check", "-w", str(top),
         str(source)],
        check=True, env=clean_environment(), cwd=top,
    )  # fmt: skip
    (wheel,) = top.glob("ibmvirt-*.whl")
    return wheel


class Placement(http.server.BaseHTTPRequestHandler):
    """Says what version it is: nova-compute asks that before it has a driver."""

    def do_GET(self):
        version = {"id": "v1.0", "min_version": "1.0", "max_version": "1.39",
                   "status": "CURRENT", "links": [{"rel": "self", "href": ""}]}  # fmt: skip
        body = json.dumps({"versions": [version]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Not into the test's output."""


@pytest.fixture(scope="module")
def placement():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Placement) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def start(placement, tmp_path):
    """Start nova-compute of an environment with a driver; its log."""
    return functools.partial(nova_compute, placement, tmp_path / "run")


def nova_compute(url, directory, environment, driver, until="is loaded", timeout=20):
    """Start the console script; its log once ``until`` is in it, or its end."""
    directory.mkdir()
    log = directory / "nova.log"
    (directory / "nova.conf").write_text(
        f"[DEFAULT]\ncompute_driver = {driver}\nhost = here\nmy_ip = 127.0.0.1\n"
        f"transport_url = fake://\nstate_path = {directory}\nlog_file = {log}\n"
        f"[oslo_concurrency]\nlock_path = {directory}/locks\n"
        + "".join(
            f"[{name}]\nauth_type = admin_token\nendpoint = {url}\n"
            f"endpoint_override = {url}\ntoken = none\n"
            for name in ("placement", "neutron", "cinder")
        )
    )
    with (directory / "output").open("wb") as output:
        child = subprocess.Popen(
            [environment.python, "-P", CONDUCTOR, SCRIPT, "--config-file",
             directory / "nova.conf"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=clean_environment(), cwd=directory,
        )  # fmt: skip
        try:
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                ended = child.poll() is not None
                text = log.read_text() if log.exists() else ""
                if until in text or ended:
                    return text + (directory / "output").read_text()
                time.sleep(0.05)
            return text + (directory / "output").read_text()
        finally:
            child.kill()
            child.wait()


NOT_OURS = ("ibmvirt", "__editable__")


def test_a_wheel_beside_nova(built, tmp_path, start):
    environment = Environment(tmp_path / "env", without=NOT_OURS).install(built)
    found = start(environment, "ibmvirt.PowerVMDriver")
    assert "PowerVMDriver of ibmvirt" in found


def test_an_editable_checkout(tmp_path, start):
    source = checkout(tmp_path / "source")
    environment = Environment(tmp_path / "env", without=NOT_OURS)
    environment.install("--editable", source)
    found = start(environment, "ibmvirt.PowerVMDriver")
    assert "PowerVMDriver of ibmvirt" in found


def test_an_environment_on_top_of_novas(built, tmp_path, start):
    base = Environment(tmp_path / "base", without=NOT_OURS)
    top = Environment(tmp_path / "top", over=base).install(built)
    assert not list(base.packages.glob("ibmvirt*"))
    found = start(top, "ibmvirt.PowerVMDriver")
    assert "PowerVMDriver of ibmvirt" in found


def test_a_missing_library_is_named(built, tmp_path, start):
    without = (*NOT_OURS, "pypowervm")
    environment = Environment(tmp_path / "env", without=without).install(built)
    found = start(environment, "ibmvirt.PowerVMDriver")
    assert "'pypowervm'" in found
    assert "pip install 'ibmvirt[powervm]'" in found
    assert "is loaded" not in found


def test_a_driver_that_does_not_exist_is_an_error(built, tmp_path, start):
    environment = Environment(tmp_path / "env", without=NOT_OURS).install(built)
    found = start(environment, "ibmvirt.HMCDriver")
    assert "HMCDriver" in found
    assert "Unable to load the virtualization driver" in found
