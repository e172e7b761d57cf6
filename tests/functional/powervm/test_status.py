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


"""The preflight command, on the simulator."""

from __future__ import annotations

import urllib.parse

import pytest

from ibmvirt.cmd import status

HEAD = "[DEFAULT]\ncompute_driver = ibmvirt.PowerVMDriver\n[powervm]"


@pytest.fixture
def config(novalink, tmp_path):
    """Writes a configuration file for the simulator; its path."""

    def write(**options):
        system = novalink.systems[0]
        url = urllib.parse.urlsplit(system["url"])
        values = {
            "novalink_host": url.hostname,
            "novalink_port": url.port,
            "novalink_protocol": url.scheme,
            "novalink_user": system["username"],
            "novalink_password": system["password"],
            "local_root": system["local_root"],
            **options,
        }
        path = tmp_path / "nova.conf"
        lines = [f"{name} = {value}" for name, value in values.items()]
        path.write_text("\n".join([HEAD, *lines]) + "\n")
        return str(path)

    return write


def run(path, capsys):
    code = status.main(["check", "--config-file", path])
    return code, capsys.readouterr().out


def test_a_ready_system_is_called_ready_and_is_not_changed(config, novalink, capsys):
    novalink.mark()
    code, text = run(config(), capsys)
    assert code == 0, text
    assert [line.split()[0] for line in text.splitlines()] == ["ok"] * 10
    assert novalink.compare() == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"cluster_name": "none"}, "failure  disks: Could not find the shared"),
        ({"tier_name": "none"}, "has no tier none"),
        ({"default_switch": "none"}, "failure  SEA networks: "),
        ({"management_switch": "none"}, "failure  management network: "),
        ({"novalink_password": "wrong"}, "failure  NovaLink: Could not log on"),
    ],
)
def test_what_is_missing_is_named_and_ends_with_2(config, capsys, options, named):
    code, text = run(config(**options), capsys)
    assert code == 2
    assert named in text


def test_a_server_that_does_not_answer_is_not_waited_for(config, capsys):
    code, text = run(config(novalink_port=1), capsys)
    assert code == 2
    assert "failure  NovaLink: " in text


def test_a_wrong_configuration_is_named(tmp_path, capsys):
    path = tmp_path / "nova.conf"
    path.write_text(f"{HEAD}\nnovalink_protocol = gopher\n")
    assert status.main(["check", "--config-file", str(path)]) == 2
    assert "gopher" in capsys.readouterr().err


def test_volume_groups_for_disks_are_named(config, capsys):
    code, text = run(config(disk_driver="localdisk"), capsys)
    assert code == 0, text
    assert "datavg of vios1, datavg of vios2" in text
    code, text = run(
        config(disk_driver="localdisk", volume_group_name="nowhere"), capsys
    )
    assert code == 2
    assert "volume_group_name is 'nowhere'" in text


def test_elsewhere_than_on_novalink_snapshots_are_warned_of(config, tmp_path, capsys):
    code, text = run(config(local_root=str(tmp_path)), capsys)
    assert code == 1, text
    (line,) = [line for line in text.splitlines() if "snapshots" in line]
    assert line.startswith("warning")
    assert "run nova-compute on the NovaLink partition" in line


def test_fibre_channel_fabrics_are_looked_for(config, capsys):
    npiv = {"fc_attach_strategy": "npiv", "fabrics": "A,B"}
    ports = {
        "fabric_A_port_wwpns": "10000090FA000100,10000090FA000999",
        "fabric_B_port_wwpns": "10000090FA000101,10000090FA000201",
    }
    code, text = run(config(**npiv, **ports), capsys)
    assert code == 0, text
    assert "ok       Fibre Channel fabrics: A with 1 of 2 ports, B with 2 of 2" in text
    code, text = run(config(**npiv, fabric_A_port_wwpns="10000090FA000999"), capsys)
    assert code == 2
    assert "failure  Fibre Channel fabrics: " in text


def test_physical_networks_are_looked_for(config, capsys):
    path = config(bridge_mappings="physnet1:ent6:vios1")
    arguments = ["check", "--config-file", path, "--physical-network"]
    assert status.main([*arguments, "physnet1"]) == 0
    assert "ent6 of vios1" in capsys.readouterr().out
    assert status.main([*arguments, "physnet2"]) == 2
    assert "reach the physical network physnet2" in capsys.readouterr().out
