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

"""Every call of the client's table: where the real system would let it, it
works; where not, it is refused with the right codes."""

from __future__ import annotations

import pytest
from zvmconnector import restclient

from tests.functional.simulators.zvm.conftest import NETWORK, make

DISKS = [{"size": "1g", "is_boot_disk": True}, {"size": "100m", "format": "ext3"}]
META = {"os_version": "rhel9.4"}
OK = None


def call(name, /, *args, **kwargs):
    return name, args, kwargs


# Each call with the overallRC and rs of its refusal.
IMAGES = [
    (call("version"), OK),
    (call("image_import", "base", "file://{image}", META), OK),
    (call("image_import", "base", "file://{image}", META), (300, 13)),
    (call("image_import", "x", "file://{image}x", META), (300, 12)),
    (call("image_import", "x", "file://{raw}", META), (300, 6)),
    (call("image_import", "x", "file://{image}", {"os_version": "beos5"}), (400, 400)),
    (call("image_query"), OK),
    (call("image_query", imagename="none"), (404, 1)),
    (call("image_get_root_disk_size", "base"), OK),
    (call("image_export", "base", "file://{image}.out"), OK),
    (call("image_export", "none", "file://{image}.out"), (404, 1)),
    (call("image_delete", "base"), OK),
    (call("file_import", "{raw}"), OK),
    (call("file_export", "/no/such/file"), (300, 2)),
]
HOST = [
    (call("host_get_info"), OK),
    (call("host_get_guest_list"), OK),
    (call("host_get_ssi_info"), OK),
    (call("host_diskpool_get_info"), OK),
    (call("host_diskpool_get_info", disk_pool="ECKD:NONE"), (4, 402)),
    (call("host_get_diskpool_volumes"), OK),
    (call("host_get_volume_info", volume="VOL001"), OK),
    (call("host_get_volume_info", volume="NONE01"), (404, 1)),
    (call("vswitch_get_list"), OK),
    (call("vswitch_create", "NEW1", rdev="0440"), OK),
    (call("vswitch_create", "NEW1"), (8, 36)),
    (call("vswitch_query", "NEW1"), OK),
    (call("vswitch_query", "NONE"), (404, 1)),
    (call("vswitch_grant_user", "NEW1", "NONE"), (404, 1)),
    (call("vswitch_delete", "NEW1"), OK),
    (
        call("create_fcp_template", "two", fcp_devices="1a00-1a01;1b00-1b01",
             host_default=True, min_fcp_paths_count=2),
        OK,
    ),
    (
        call("create_fcp_template", "three", fcp_devices="1a02",
             min_fcp_paths_count=3),
        (409, 23),
    ),
    (call("get_fcp_templates"), OK),
    (call("get_fcp_templates_details"), OK),
    (call("edit_fcp_template", "{template}", name="renamed"), OK),
    (call("edit_fcp_template", "0" * 36, name="renamed"), (404, 1)),
    (call("get_volume_connector", "T9", reserve=True), OK),
    (call("get_fcp_usage", "1a00"), OK),
    (call("get_fcp_usage", "7777"), (404, 1)),
    (call("set_fcp_usage", "1a05", "T9", 1, 0, "{template}"), OK),
    (
        call("volume_refresh_bootmap", fcpchannels=["1a04", "1b04"],
             wwpn=["5005076802100c1b"], lun="0001000000000000"),
        OK,
    ),
    (
        call("volume_refresh_bootmap", fcpchannels=["1a04", "1b04"],
             wwpn=["5005076802100fff"], lun="0001000000000000"),
        (300, 5),
    ),
    (
        call("get_volume_connector", "T9", reserve=False,
             fcp_template_id="{template}"),
        OK,
    ),
]  # fmt: skip
OFF = [
    (call("guest_create", "T1", 2, 1024, disk_list=DISKS), (8, 8)),
    (
        call("guest_create", "T2", 2, 1024, disk_list=DISKS, user_profile="NOPROF"),
        (404, 1),
    ),
    (call("guest_create", "TOOLONGNAME", 2, 1024, disk_list=DISKS), (400, 400)),
    (call("guest_list"), OK),
    (call("guest_deploy", "T1", "none"), (404, 1)),
    (call("guest_deploy", "NONE", "base"), (404, 1)),
    (call("guest_config_minidisks", "T1", [{"vdev": "0101", "format": "ext3"}]), OK),
    (call("guest_create_nic", "T1", vdev="1000"), (409, 6)),
    (call("guest_create_nic", "T1", vdev="1100"), OK),
    (call("guest_nic_uncouple_from_vswitch", "T1", "1000"), OK),
    (call("guest_delete_nic", "T1", "1100"), OK),
    (call("guests_get_nic_info", userid="T1"), OK),
    (call("vswitch_grant_user", "VSWFLAT", "T1"), OK),
    (call("vswitch_grant_user", "NONE", "T1"), (404, 1)),
    (call("vswitch_set_vlan_id_for_user", "DEFAULT", "T1", 10), OK),
    (call("vswitch_set_vlan_id_for_user", "VSWFLAT", "T1", 10), (409, 5)),
    (call("vswitch_revoke_user", "VSWFLAT", "T1"), OK),
    (call("guest_get_definition_info", "T1"), OK),
    (call("guest_get_definition_info", "NONE"), (404, 1)),
    (call("guest_get_user_direct", "T1"), OK),
    (call("guest_resize_cpus", "T1", 3), OK),
    (call("guest_resize_cpus", "T1", 9), (409, 4)),
    (call("guest_resize_mem", "T1", "2G"), OK),
    (call("guest_resize_mem", "T1", "99G"), (409, 20)),
    (call("guest_get_power_state", "T1"), OK),
    (call("guest_get_power_state", "NONE"), (404, 1)),
    (call("guest_get_power_state_real", "T1"), OK),
    (call("guest_pause", "T1"), (300, 5)),
    (call("guest_get_console_output", "T1"), (8, 8)),
    (call("guest_create_disks", "T1", [{"size": "10m", "format": "xfs"}]), OK),
    (call("guest_delete_disks", "T1", ["0102"]), OK),
    (call("guest_deregister", "T1"), OK),
    (call("guest_get_power_state", "T1"), (404, 1)),
]
RUNNING = [
    (call("guest_start", "T1"), OK),
    (call("guest_get_info", "T1"), OK),
    (call("guest_get_adapters_info", "T1"), OK),
    (call("guest_inspect_stats", "T1"), OK),
    (call("guest_inspect_vnics", "T1"), OK),
    (call("guest_pause", "T1"), OK),
    (call("guest_unpause", "T1"), OK),
    (call("guest_reboot", "T1"), OK),
    (call("guest_reset", "T1"), OK),
    (call("guest_get_console_output", "T1"), OK),
    (call("guest_live_resize_cpus", "T1", 4), OK),
    (call("guest_live_resize_cpus", "T1", 3), (409, 2)),
    (call("guest_live_resize_mem", "T1", "3G"), OK),
    (call("guest_live_resize_mem", "T1", "99G"), (409, 21)),
    (call("guest_grow_root_volume", "T1", "rhel9.4"), OK),
    (call("guest_delete_disks", "T1", ["0101"]), (501, 1)),
    (call("guest_live_migrate", "T1", "ZCCUSER", "NONE", {}, "test"), (8, 3000)),
    (call("guest_capture", "T1", "whole", capture_type="alldisks"), (501, 1)),
    (call("guest_delete_network_interface", "T1", "rhel9.4", "1000", active=True), OK),
    (call("guest_softstop", "T1"), OK),
    (call("guest_stop", "T1"), OK),
    (call("guest_delete", "T1"), OK),
]
# Shown by other tests, with more than a call each.
ELSEWHERE = {
    "token_create", "guest_capture", "guest_register", "guest_live_migrate",
    "guest_create_network_interface", "guest_nic_couple_to_vswitch",
    "volume_attach", "volume_detach", "delete_fcp_template",
}  # fmt: skip


def run(client, calls, **values):
    def filled(value):
        if isinstance(value, str) and "{" in value:
            return value.format(**values)
        return value

    for (name, args, kwargs), expected in calls:
        answer = dict(
            client.real.send_request(
                name,
                *(filled(value) for value in args),
                **{key: filled(value) for key, value in kwargs.items()},
            )
        )
        if expected is OK:
            assert answer["overallRC"] == 0, (name, args, answer)
        else:
            overall, rs = expected
            assert answer["overallRC"] == overall, (name, args, answer)
            assert rs in (None, answer["rs"]), (name, args, answer)
        if name == "create_fcp_template" and expected is OK:
            values["template"] = answer["output"]["fcp_template"]["id"]
    return values


def unknown(zvm):
    return [r["unknown"] for r in zvm.journal(layer="command") if r.get("unknown")]


def test_images_and_files(zvm, client, image, tmp_path):
    raw = tmp_path / "raw"
    raw.write_bytes(b"no image at all")
    run(client, IMAGES, image=image, raw=raw)
    assert unknown(zvm) == []


def test_the_host_its_vswitches_and_templates(zvm, client):
    values = run(client, HOST)
    assert client.refused("delete_fcp_template", values["template"]) == (409, 22)
    client.ok("set_fcp_usage", "1a05", "T9", 0, 0, "")
    client.ok("delete_fcp_template", values["template"])
    assert client.refused("delete_fcp_template", values["template"])[0] == 404
    assert unknown(zvm) == []


def test_a_guest_that_is_off(zvm, client, server):
    run(client, OFF)
    assert unknown(zvm) == []


def test_a_guest_that_runs(zvm, client, server):
    run(client, RUNNING)
    assert unknown(zvm) == []
    assert zvm.verify() == []


def test_the_table_is_the_clients():
    shown = {name for t in (IMAGES, HOST, OFF, RUNNING) for (name, _a, _k), _e in t}
    shown |= {"guest_create", "guest_deploy", "guest_delete"}
    assert set(restclient.DATABASE) == shown | ELSEWHERE


def test_a_token_without_authentication_is_the_connectors_own_failure(client):
    """1.6.3 decodes a text there: the server fails, and goes on."""
    assert client.refused("token_create")[0] != 0
    assert client.ok("guest_list") == []


@pytest.mark.parametrize(
    "os_version", ["rhel9.4", "rhel7.9", "sles15.3", "sles12.5", "ubuntu16.04",
                   "ubuntu22.04"],
)  # fmt: skip
def test_a_guest_configures_the_network_of_its_distribution(
    zvm, client, image, os_version
):
    meta = {"os_version": os_version}
    client.ok("image_import", "base", f"file://{image}", meta)
    client.ok("guest_create", "T1", 1, 512, disk_list=DISKS[:1])
    client.ok("guest_deploy", "T1", "base")
    client.ok("guest_create_network_interface", "T1", os_version, [dict(NETWORK)])
    client.ok("guest_start", "T1")
    (found,) = zvm.guest("T1")["networks"]
    assert (found["vdev"], found["address"]) == ("1000", "10.0.0.5")
    assert (found["prefix"], found["gateway"]) == (24, "10.0.0.1")
    # SLES has its name servers in a file of the system.
    assert found["dns"] == ([] if os_version.startswith("sles") else ["10.0.0.2"])
    info = client.ok("guest_get_info", "T1")
    assert info["os_distro"] == os_version
    client.ok("image_delete", "base")


def test_a_second_interface_of_a_running_guest_comes_and_goes(zvm, client, image):
    make(client, image)
    client.ok("guest_start", "T1")
    second = {**NETWORK, "ip_addr": "10.0.0.6", "mac_addr": "02:00:00:00:00:06"}
    second["nic_vdev"] = "1100"
    client.ok("guest_create_network_interface", "T1", "rhel9.4", [second], active=True)
    networks = zvm.guest("T1")["networks"]
    assert [n["address"] for n in networks] == ["10.0.0.5", "10.0.0.6"]
    client.ok("guest_delete_network_interface", "T1", "rhel9.4", "1100", active=True)
    assert [n["address"] for n in zvm.guest("T1")["networks"]] == ["10.0.0.5"]
    client.ok("image_delete", "base")
