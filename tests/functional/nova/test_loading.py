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


def links(directory, *, without):
    """Fill a directory with links to this environment's packages."""
    directory.mkdir(parents=True, exist_ok=True)
    for item in HERE.iterdir():
        if not any(name in item.name.lower() for name in without):
            (directory / item.name).symlink_to(item)


class Installation:
    """A Python of its own prefix that has Nova, as a distribution's may be."""

    def __init__(self, path, *, without):
        binary = pathlib.Path(sys._base_executable).resolve()
        standard = pathlib.Path(sysconfig.get_path("stdlib"))
        self.python = path / "bin" / binary.name
        self.python.parent.mkdir(parents=True)
        # A copy: Python looks for its prefix from where its own file is.
        shutil.copy2(binary, self.python)
        library = path / "lib" / standard.name
        library.mkdir(parents=True)
        for item in standard.iterdir():
            if item.name not in ("site-packages", "dist-packages"):
                (library / item.name).symlink_to(item)
        for item in (binary.parent.parent / "lib").glob("libpython*"):
            (path / "lib" / item.name).symlink_to(item)
        told = subprocess.run(
            [self.python, "-c", "import site; print(site.getsitepackages()[0])"],
            check=True, env=clean_environment(), capture_output=True, text=True,
        )  # fmt: skip
        self.packages = pathlib.Path(told.stdout.strip())
        assert self.packages.is_relative_to(path)
        links(self.packages, without=without)


class Environment:
    """A virtual environment.

    :param without: it has this one's packages except those.
    :param over: the Installation whose packages it has beneath its own.
    """

    def __init__(self, path, *, without=None, over=None):
        self.path = path
        python = sys.executable if over is None else over.python
        beneath = [] if over is None else ["--system-site-packages"]
        subprocess.run(
            [python, "-m", "venv", "--without-pip", *beneath, str(path)],
            check=True, env=clean_environment(),
        )  # fmt: skip
        self.python = path / "bin" / "python"
        (self.packages,) = path.glob("lib/python*/site-packages")
        if without is not None:
            links(self.packages, without=without)

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


def nova_compute(url, directory, environment, driver, until="is loaded", timeout=60):
    """Start the console script; its log once ``until`` is in it, or its end."""
    directory.mkdir()
    log = directory / "nova.log"
    (directory / "nova.conf").write_text(
        f"[DEFAULT]\ncompute_driver = {driver}\nhost = here\nmy_ip = 127.0.0.1\n"
        f"transport_url = fake://\nstate_path = {directory}\nlog_file = {log}\n"
        f"[oslo_concurrency]\nlock_path = {directory}/locks\n"
        "[zvm]\ncloud_connector_url = http://127.0.0.1:1\n"
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
CONNECTOR = ("zvmconnector", "zvmsdk", "smtlayer", "zvmcloudconnector")


def beside_nova(path, built):
    return Environment(path / "env", without=NOT_OURS).install(built)


def editable(path, _built):
    environment = Environment(path / "env", without=NOT_OURS)
    return environment.install("--editable", checkout(path / "source"))


def on_top_of_novas(path, built):
    base = Installation(path / "base", without=NOT_OURS)
    top = Environment(path / "top", over=base).install(built)
    assert not list(base.packages.glob("ibmvirt*"))
    assert not list(top.packages.glob("nova*"))
    return top


@pytest.fixture(scope="module", params=[beside_nova, editable, on_top_of_novas])
def layout(request, built, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("layout"), built)


@pytest.mark.parametrize("driver", ["PowerVMDriver", "ZVMDriver"])
def test_nova_compute_loads_a_driver(layout, start, driver):
    assert f"{driver} of ibmvirt" in start(layout, f"ibmvirt.{driver}")


@pytest.mark.parametrize(
    ("driver", "other"),
    [("PowerVMDriver", CONNECTOR), ("ZVMDriver", ("pypowervm",))],
)
def test_a_driver_needs_not_the_others_library(built, tmp_path, start, driver, other):
    without = (*NOT_OURS, *other)
    environment = Environment(tmp_path / "env", without=without).install(built)
    assert f"{driver} of ibmvirt" in start(environment, f"ibmvirt.{driver}")


@pytest.mark.parametrize(
    ("driver", "library", "extra"),
    [
        ("PowerVMDriver", ("pypowervm",), "powervm"),
        ("ZVMDriver", CONNECTOR, "zvm"),
        ("ZVMDriver", ("taskflow",), "zvm"),
    ],
)
def test_a_missing_library_is_named(built, tmp_path, start, driver, library, extra):
    without = (*NOT_OURS, *library)
    environment = Environment(tmp_path / "env", without=without).install(built)
    found = start(environment, f"ibmvirt.{driver}")
    assert f"'{library[0]}'" in found
    assert f"pip install 'ibmvirt[{extra}]'" in found
    assert "is loaded" not in found


def test_a_driver_that_does_not_exist_is_an_error(built, tmp_path, start):
    environment = Environment(tmp_path / "env", without=NOT_OURS).install(built)
    found = start(environment, "ibmvirt.HMCDriver")
    assert "HMCDriver" in found
    assert "Unable to load the virtualization driver" in found
