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

"""``ibmvirt-status check`` on a z/VM with the real Cloud Connector."""

from __future__ import annotations

import pytest

from ibmvirt.cmd import status
from ibmvirt.simulators.zvm import ZVMSimulator
from tests.support import zvm as support


@pytest.fixture
def config(zvm, tmp_path):
    """Writes a configuration file for the simulator; its path."""

    def write(url=None, **options):
        values = {"cloud_connector_url": url or zvm.connector_url, **options}
        path = tmp_path / "nova.conf"
        path.write_text(
            "[DEFAULT]\ncompute_driver = ibmvirt.ZVMDriver\n"
            f"state_path = {tmp_path}\nmy_ip = 127.0.0.1\n[zvm]\n"
            + "".join(f"{name} = {value}\n" for name, value in values.items())
        )
        return str(path)

    return write


def run(path, capsys, *arguments):
    code = status.main(["check", "--config-file", path, *arguments])
    return code, capsys.readouterr().out


@pytest.fixture
def ready(zvm):
    support.fcp_template(zvm)
    zvm.mark()
    return zvm


def test_a_ready_system_is_called_ready_and_is_not_changed(
    config, ready, capsys, tmp_path
):
    arguments = ("--base-mac", "02:00:00:00:00:00", "--physical-network", "default")
    code, text = run(config(), capsys, *arguments)
    assert code == 0, text
    assert [line.split()[0] for line in text.splitlines()] == ["ok"] * 10
    assert "z/VM and the network service use 02:00:00" in text
    assert ready.compare() == []
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / "nova.conf"]


@pytest.mark.parametrize(
    ("options", "arguments", "named"),
    [
        ({"disk_pools": "ECKD:NONE"}, (), "failure  disk pool ECKD:NONE: "),
        ({"disk_pools": "POOL1"}, (), "'POOL1' is not ECKD:NAME or FBA:NAME"),
        ({"fcp_template": "none"}, (), "failure  Fibre Channel: Could not use the FCP"),
        ({"fcp_template": "none"}, (), "Correct [zvm]fcp_template"),
        ({}, ("--physical-network", "nowhere"), "none is named NOWHERE"),
        ({}, ("--base-mac", "fa:16:3e:00:00:00"), "Set base_mac to 02:00:00:00:00:00"),
        ({"shared_directory": "/proc/none"}, (), "check [zvm]shared_directory"),
        (
            {"transport": "scp", "scp_remote_host": "nova@10.9.9.9"},
            (),
            "Give the Connector's user an ssh key",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(
    config, ready, capsys, options, arguments, named
):
    code, text = run(config(**options), capsys, *arguments)
    assert code == 2, text
    assert named.lower() in text.lower()
    assert ready.compare() == []


def test_what_not_every_server_needs_is_a_warning(config, zvm, capsys):
    code, text = run(config(), capsys)
    assert code == 1
    assert "warning  Fibre Channel: Could not attach volumes: the Connector has" in text
    assert "Create one with host_default" in text
    assert "base_mac of the network service begins so" in text


def test_a_connector_that_does_not_answer_is_named(config, capsys):
    code, text = run(config(url="http://127.0.0.1:9"), capsys)
    assert code == 2
    assert text.startswith("failure  Connector: Could not reach the z/VM Cloud")


@pytest.mark.parametrize(
    ("api", "shown"),
    [
        ("Image_Query_DM", "failure  privilege: "),
        ("System_Information_Query", "failure  z/VM: "),
    ],
)
def test_a_user_without_privilege_is_named(config, ready, capsys, api, shown):
    ready.rule(
        match={"layer": "command", "api": api},
        count=None,
        effect={"kind": "refuse", "overall": 8, "rc": 100, "rs": 8,
                "message": "Request not authorized by server"},
    )  # fmt: skip
    code, text = run(config(), capsys)
    assert code == 2
    found = next(line for line in text.splitlines() if line.startswith(shown))
    assert "not authorized" in found
    if "privilege" in shown:
        assert "VSMWORK1 AUTHLIST" in found


def test_a_pool_without_room_is_named(config, ready, capsys):
    disks = [{"size": "1g", "is_boot_disk": True}]
    support.client(ready)("guest_create", "FULL", 1, 512, disk_list=disks)
    ready.world("pool_full", pool="POOL1")
    code, text = run(config(), capsys)
    assert code == 2
    assert "failure  disk pool: Could not use the disk pool of the Connector" in text
    assert "Add volumes to the pool" in text


def test_fcp_devices_that_are_all_taken_are_named(config, ready, capsys):
    for number in range(4):
        for first in ("1a", "1b"):
            ready.world("fcp_path", device=f"{first}0{number}", lost=True)
    code, text = run(config(), capsys)
    assert code == 1
    assert "the FCP template paths has no free device. Add devices" in text


@pytest.mark.slow
def test_a_cluster_whose_connectors_are_not_known(config, capsys):
    with ZVMSimulator("--members", "2", "--rate", "100") as cluster:
        support.fcp_template(cluster)
        one, two = (member["connector_url"] for member in cluster.members)
        code, text = run(config(url=one), capsys)
        assert code == 2
        assert "failure  cluster: Could not use a member of the cluster" in text
        assert "Set [zvm]ssi_connectors" in text
        code, text = run(config(url=one, ssi_connectors="http://127.0.0.1:9"), capsys)
        assert code == 2
        assert "http://127.0.0.1:9" in text
        code, text = run(config(url=one, ssi_connectors=two), capsys)
        assert code == 0, text


def test_a_configuration_without_the_connector_is_named(tmp_path, capsys):
    path = tmp_path / "nova.conf"
    path.write_text("[DEFAULT]\ncompute_driver = ibmvirt.ZVMDriver\n")
    assert status.main(["check", "--config-file", str(path)]) == 2
    assert "[zvm]cloud_connector_url is not set" in capsys.readouterr().err
