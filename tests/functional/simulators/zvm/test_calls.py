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

"""Every kind of call of the Connector's client, on the simulated z/VM."""

from __future__ import annotations

import concurrent.futures
import pathlib

import pytest

from ibmvirt.simulators.core import handle
from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.functional.simulators.zvm.conftest import RAW, Client


def test_a_guest_configures_what_it_was_given(zvm, client, server):
    client.ok(
        "guest_config_minidisks",
        server,
        [{"vdev": "0101", "format": "ext3", "mntdir": "/mnt/data"}],
    )
    client.ok("guest_start", server)
    guest = zvm.guest(server)
    assert guest["networks"] == [
        {
            "vdev": "1000", "address": "10.0.0.5", "prefix": 24,
            "gateway": "10.0.0.1", "dns": ["10.0.0.2"], "mtu": 1450,
        }
    ]  # fmt: skip
    assert guest["ephemeral"] == ["0101"]
    assert guest["reader"] == []
    assert "10.0.0.5 configured" in client.ok("guest_get_console_output", server)
    assert zvm.verify() == []


@pytest.mark.parametrize(
    ("name", "taken"),
    [("cfgdrive.iso", True), ("drive.iso", False), ("cfgdrive.tgz", False)],
)
def test_only_cfgdrive_iso_is_a_config_drive(zvm, client, image, tmp_path, name, taken):
    from tests.support import zvm as support

    drive = pathlib.Path(tmp_path, name)
    drive.write_bytes(support.drive())
    client.ok("image_import", "base", f"file://{image}", {"os_version": "rhel9.4"})
    client.ok(
        "guest_create", "T1", 1, 512, disk_list=[{"size": "1g", "is_boot_disk": True}]
    )
    client.ok("guest_deploy", "T1", "base", transportfiles=str(drive))
    client.ok("guest_start", "T1")
    guest = zvm.guest("T1")
    assert guest["config_drive"] is taken
    assert guest["hostname"] == ("small" if taken else "t1")
    assert guest["reader"] == (["cfgdrive.tgz X"] if name.endswith("tgz") else [])
    client.ok("image_delete", "base")


def test_cpus_and_memory_grow_while_the_guest_runs(zvm, client, server):
    client.ok("guest_start", server)
    client.ok("guest_live_resize_cpus", server, 4)
    client.ok("guest_live_resize_mem", server, "2G")
    guest = zvm.guest(server)
    assert guest["cpus"] == ["00", "01", "02", "03"]
    assert guest["online_memory_mib"] == 2048
    assert client.ok("guest_get_info", server)["online_cpu_num"] == 4
    assert client.refused("guest_live_resize_cpus", server, 3) == (409, 2)
    assert client.refused("guest_live_resize_cpus", server, 9)[0] == 409
    assert client.refused("guest_live_resize_mem", server, "1G") == (409, 18)


def test_the_size_changes_while_the_guest_is_off(zvm, client, server):
    client.ok("guest_resize_cpus", server, 3)
    client.ok("guest_resize_mem", server, "4G")
    client.ok("guest_start", server)
    guest = zvm.guest(server)
    assert (len(guest["cpus"]), guest["online_memory_mib"]) == (3, 4096)


def test_power(zvm, client, server):
    assert client.ok("guest_get_power_state", server) == "off"
    before = zvm.guest(server)["boots"]
    client.ok("guest_start", server)
    client.ok("guest_pause", server)
    assert zvm.guest(server)["state"] == "paused"
    client.ok("guest_unpause", server)
    assert zvm.guest(server)["boots"] == before + 1
    client.ok("guest_reboot", server)
    client.ok("guest_reset", server)
    assert zvm.guest(server)["boots"] == before + 3
    assert client.ok("guest_get_power_state_real", server) == "on"
    client.ok("guest_softstop", server)
    assert client.ok("guest_get_power_state", server) == "off"
    assert client.refused("guest_pause", server) == (300, 5)


def test_adapters_of_a_running_guest(zvm, client, server):
    client.ok("guest_start", server)
    assert client.ok("guest_create_nic", server, vdev="1200", active=True) == "1200"
    client.ok("guest_nic_couple_to_vswitch", server, "1200", "DEFAULT", active=True)
    first = client.ok("guest_get_adapters_info", server)["adapters"][0]
    assert first["mac_address"] == "02:00:00:00:00:05"
    assert first["mac_ip_address"] == "10.0.0.5"
    seen = client.ok("guest_inspect_vnics", [server])[server]
    assert [(nic["vswitch_name"], nic["nic_vdev"]) for nic in seen] == [
        ("DEFAULT", "1000"),
        ("DEFAULT", "1200"),
    ]
    client.ok("guest_nic_uncouple_from_vswitch", server, "1200", active=True)
    client.ok("guest_delete_nic", server, "1200", active=True)
    assert [nic["vdev"] for nic in zvm.guest(server)["adapters"]] == ["1000"]


def test_vswitches(client, server):
    client.ok("vswitch_create", "NEW1", rdev="0440")
    assert client.ok("vswitch_get_list") == ["DEFAULT", "NEW1", "VSWFLAT"]
    grants = client.ok("vswitch_query", "DEFAULT")["authorized_users"]
    assert list(grants) == [server]
    assert client.refused("vswitch_create", "NEW1") == (8, 36)
    assert client.refused("vswitch_grant_user", "NONE", server)[0] == 404
    assert client.refused("vswitch_set_vlan_id_for_user", "VSWFLAT", server, 9)[0] == (
        409
    )
    client.ok("vswitch_delete", "NEW1")
    client.ok("vswitch_revoke_user", "DEFAULT", server)


def test_a_captured_image_has_the_disks_bytes(zvm, client, server, tmp_path):
    client.ok("guest_start", server)
    client.ok("guest_capture", server, "captured")
    output = tmp_path / "captured"
    client.ok("image_export", "captured", f"file://{output}")
    content, _size, kind = imagefile.read(output.read_bytes())
    assert (content[: len(RAW)], kind) == (RAW, "ECKD")
    disks = [{"size": "1g", "is_boot_disk": True}]
    client.ok("guest_create", "T2", 1, 512, disk_list=disks)
    client.ok("guest_deploy", "T2", "captured")
    assert zvm.disk("T2/0100") == zvm.disk(f"{server}/0100")
    client.ok("image_delete", "captured")


def test_a_world_goes_to_another_process_with_its_disks(zvm, client, server, tmp_path):
    """And what guests took from their readers; the Connector knows none of it."""
    client.ok("guest_start", server)
    zvm.save(tmp_path)
    with ZVMSimulator("--rate", "100") as other:
        with pytest.raises(handle.SimulatorError, match=f"{server}/0100: its content"):
            other.load(zvm.dump())
        other.restore(tmp_path)
        assert other.verify() == []
        assert other.disk(f"{server}/0100")[: len(RAW)] == RAW
        assert other.guest(server) == zvm.guest(server)
        there = Client(other.connector_url)
        assert there.ok("guest_list") == []
        there.ok("guest_register", server, "os_version=rhel9.4", "1")
        assert there.ok("guest_get_power_state", server) == "on"
        there.ok("guest_delete", server)
        assert other.verify() == []


def test_what_is_deleted_leaves_nothing(zvm, client, server):
    client.ok("guest_start", server)
    client.ok("guest_delete", server)
    assert zvm.compare("clean") == []
    assert zvm.verify() == []
    assert client.refused("guest_get_power_state", server)[0] == 404


def test_ten_lives_at_once(zvm, client, image):
    """Created, deployed, coupled, started and deleted without an error."""
    client.ok("image_import", "base", f"file://{image}", {"os_version": "rhel9.4"})

    def life(number):
        own, name = Client(zvm.connector_url), f"TEN{number}"
        disks = [{"size": "1g", "is_boot_disk": True}]
        own.ok("guest_create", name, 1, 512, disk_list=disks)
        own.ok("guest_deploy", name, "base")
        own.ok("guest_create_nic", name, vdev="1000")
        own.ok("guest_nic_couple_to_vswitch", name, "1000", "DEFAULT")
        own.ok("guest_start", name)
        assert zvm.disk(f"{name}/0100") == RAW
        own.ok("guest_delete", name)

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(life, range(10)))
    assert zvm.compare() == []
    assert zvm.verify() == []
    client.ok("image_delete", "base")


def test_the_host(client):
    host = client.ok("host_get_info")
    assert (host["zvm_host"], host["vcpus"]) == ("ZVMSIM1", 8)
    assert client.ok("host_get_volume_info", volume="VOL001")
    assert client.ok("host_diskpool_get_info")["disk_used"] == 0
    assert client.ok("host_get_ssi_info") == []
    assert client.refused("host_diskpool_get_info", disk_pool="ECKD:NONE") == (4, 402)


def test_a_full_pool_refuses_a_guest(zvm, client):
    zvm.world("pool_full", pool="POOL1")
    disks = [{"size": "1g", "is_boot_disk": True}]
    client.refused("guest_create", "T1", 1, 512, disk_list=disks)
    assert zvm.verify() == []


def test_an_unknown_size_of_request_is_the_connectors_own_refusal(client):
    assert client.refused("guest_create", "TOOLONGNAME", 1, 512)[0] == 400
    # The Connector reads 4096 bytes of a request and no more.
    networks = [
        {"nic_id": f"port-{number:032}", "mac_addr": f"02:00:00:00:00:{number:02x}"}
        for number in range(60)
    ]
    answer = client.real.send_request(
        "guest_create_network_interface", "T1", "rhel9.4", networks
    )
    assert answer["overallRC"] == 101
