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


"""Several disk pools, and what is secret, at a Connector with tokens and TLS."""

from __future__ import annotations

import contextlib
import io
import logging
import pathlib

import pytest

from ibmvirt import configdrive
from ibmvirt.common import exceptions
from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from ibmvirt.zvm import identity
from tests.functional.zvm.test_images import EPHEMERAL, fresh
from tests.support import zvm as support

POOLS = ["ECKD:POOL1", "FBA:POOL2", "ECKD:FAST"]


@pytest.fixture(scope="module")
def process():
    pools = [word for pool in POOLS for word in ("--disk-pool", pool)]
    arguments = [*pools, "--auth", "--tls", "--rate", "500"]
    with ZVMSimulator(*arguments) as simulator:
        simulator.mark("clean")
        yield simulator


@pytest.fixture
def simulator(process):
    process.reset("clean")
    process.admin("DELETE", "journal")
    process.mark()
    yield process
    process.delete_rule()


@contextlib.contextmanager
def running(simulator, **options):
    options = {"disk_pools": POOLS, **options}
    with support.running(
        simulator,
        ca_file=simulator.certificate,
        token_path=simulator.token_path,
        **options,
    ) as driven:
        fresh(driven)
        yield driven


def pools_of(simulator, name):
    """The pool of each disk of a guest."""
    found = simulator.guest(name)["storage"]
    return {disk["vdev"]: disk["pool"] for disk in found}


def built(driven, number=1, **options):
    spawn = driven.plan(number, **options)
    driven.spawn(spawn)
    return spawn, driven.kept[spawn.server.uuid][identity.KEY]


def test_a_server_is_in_the_first_pool_of_its_images_type(simulator):
    with running(simulator) as driven:
        spawn, name = built(driven, further=(EPHEMERAL,))
        assert set(pools_of(simulator, name).values()) == {"POOL1"}
        driven.destroy(spawn)
        driven.source.content = imagefile.write(support.RAW + b"fba", "FBA")
        driven.image_id = "an-fba-image"
        spawn, name = built(driven, 2, root=0, further=(EPHEMERAL,))
        assert set(pools_of(simulator, name).values()) == {"POOL2"}
        content, _captured = support.snapshot(driven, spawn)
        assert imagefile.read(content)[0] == support.RAW + b"fba"
        assert imagefile.read(content)[2] == "FBA"
        driven.destroy(spawn)
    assert simulator.compare() == []


def test_a_server_is_in_the_pool_that_its_flavor_names(simulator):
    with running(simulator) as driven:
        spawn, name = built(driven, extra_specs={"zvm:disk_pool": "fast"})
        assert set(pools_of(simulator, name).values()) == {"FAST"}
        driven.destroy(spawn)
        with pytest.raises(exceptions.InvalidRequest, match="ECKD disk"):
            driven.plan(2, extra_specs={"zvm:disk_pool": "POOL2"})
    assert simulator.compare() == []


def test_the_inventory_has_all_pools(simulator):
    with running(simulator) as driven:
        whole = driven.backend.host.resources()
        with running(simulator, disk_pools=["ECKD:POOL1"]) as one:
            part = one.backend.host.resources()
        assert whole.disk_gb > part.disk_gb > 0
        with running(simulator, disk_pools=[]) as own:
            assert own.backend.host.resources().disk_gb == part.disk_gb


# -- secrets --------------------------------------------------------------------

PASSWORD = "correct-horse-battery-staple"
USER_DATA = b"#!/bin/sh\n# the user's own secret: 9f8e7d6c5b4a\n"
SECRETS = [PASSWORD, "9f8e7d6c5b4a"]


def secret_drive():
    output = io.BytesIO()
    meta = f'{{"hostname": "small", "uuid": "u", "admin_pass": "{PASSWORD}"}}'
    files = {
        "openstack/latest/meta_data.json": meta.encode(),
        "openstack/latest/user_data": USER_DATA,
    }
    configdrive.build(files, output, time=0)
    return output.getvalue()


def everything_written(driven, caplog):
    """All logs down to debug level, and all files of the service."""
    parts = [caplog.text]
    for path in pathlib.Path(driven.state_path).rglob("*"):
        if path.is_file():
            parts.append(path.read_text(errors="replace"))
    return "\n".join(parts)


def attempt(driven, spawn):
    """A build and a snapshot; the error, if there is one."""
    try:
        driven.spawn(spawn)
        support.snapshot(driven, spawn)
    except exceptions.IBMVirtError as error:
        return error
    return None


@pytest.mark.parametrize("transport", ["shared", "scp"])
@pytest.mark.parametrize(
    ("key", "phase"),
    [
        (None, None),
        ("POST /guests/{id}/action deploy", "before"),
        ("POST /guests/{id}/action deploy", "after"),
        ("POST /guests/{id}/action start", "before"),
    ],
)
def test_no_secret_is_in_a_log_an_error_or_a_file(
    simulator, caplog, transport, key, phase
):
    admin_token = pathlib.Path(simulator.token_path).read_text().strip()
    caplog.set_level(logging.DEBUG)
    for name in ("ibmvirt", "urllib3", "requests", "taskflow", "zvmconnector"):
        caplog.set_level(logging.DEBUG, logger=name)
    with running(
        simulator, transport=transport, scp_remote_host="nova@127.0.0.1"
    ) as driven:
        driven.drive = secret_drive()
        if key is not None:
            simulator.rule(
                match={"layer": "rest", "key": key},
                phase=phase,
                effect={"kind": "refuse", "status": 500, "message": "a fault"},
            )
        spawn = driven.plan()
        error = attempt(driven, spawn)
        assert (error is None) == (key is None)
        assert not [secret for secret in SECRETS if secret in repr(error)]
        simulator.delete_rule()
        text = everything_written(driven, caplog)
        assert "spawn:" in text
        # A token of the Connector, in base 64, begins so.
        for secret in (*SECRETS, admin_token, "eyJ"):
            assert secret not in text
        driven.destroy(spawn)
        assert driven.left() == []


def test_a_certificate_that_nobody_vouches_for_is_named_with_the_remedy(simulator):
    """Nothing was sent: no secret goes to whoever answers there."""
    with (
        support.running(simulator, token_path=simulator.token_path) as driven,
        pytest.raises(exceptions.HypervisorUnavailable, match=r"\[zvm\]ca_file"),
    ):
        driven.backend.host.resources()
    assert simulator.journal(layer="rest") == []


def test_a_wrong_token_is_told_without_it(simulator, tmp_path, caplog):
    wrong = tmp_path / "token"
    wrong.write_text("a-token-that-is-wrong-and-secret")
    caplog.set_level(logging.DEBUG)
    with support.running(
        simulator, ca_file=simulator.certificate, token_path=str(wrong)
    ) as driven:
        with pytest.raises(exceptions.HypervisorError) as found:
            driven.backend.host.resources()
        assert str(wrong) in str(found.value)
        for text in (str(found.value), caplog.text):
            assert "wrong-and-secret" not in text
