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

"""Two members of a cluster: relocation, and volumes over FCP."""

from __future__ import annotations

import pytest

from ibmvirt.simulators.core import handle
from tests.functional.simulators.zvm.conftest import Client, make

WWPNS = ["0x5005076802100c1b", "0x5005076802200c1b"]


@pytest.fixture
def members(cluster, image):
    """A client of each member; the first one has the guest T1."""
    one, two = (Client(member["connector_url"]) for member in cluster.members)
    make(one, image)
    yield one, two
    one.real.send_request("image_delete", "base")


def test_a_guest_moves_to_the_other_member(cluster, members):
    one, two = members
    arguments = ("T1", "ZCCUSER", "ZVMSIM2", {})
    assert one.refused("guest_live_migrate", *arguments, "test")[0] == 409
    one.ok("guest_start", "T1")
    one.ok("guest_live_migrate", *arguments, "test")
    assert cluster.guest("T1")["member"] == "ZVMSIM1"
    one.ok("guest_live_migrate", *arguments, "move")
    assert cluster.guest("T1")["member"] == "ZVMSIM2"
    two.ok("guest_register", "T1", "os_version=rhel9.4", "1")
    assert two.ok("guest_get_power_state", "T1") == "on"
    assert one.refused("guest_get_power_state", "T1")[0] == 404


@pytest.fixture
def connection(members):
    one, _two = members
    one.ok(
        "create_fcp_template", "paths", fcp_devices="1a00-1a03;1b00-1b03",
        host_default=True, min_fcp_paths_count=2,
    )  # fmt: skip
    found = one.ok("get_volume_connector", "T1", reserve=True)
    assert len(found["zvm_fcp"]) == 2
    return {
        "assigner_id": "T1",
        "zvm_fcp": found["zvm_fcp"],
        "target_wwpn": WWPNS,
        "target_lun": "0x0001000000000000",
        "os_version": "rhel9.4",
        "multipath": "true",
        "mount_point": "/dev/sda",
    }


@pytest.mark.parametrize("running", [False, True])
def test_a_volume_comes_and_goes(cluster, members, connection, running):
    one, _two = members
    if running:
        one.ok("guest_start", "T1")
    one.ok("volume_attach", connection)
    if not running:
        assert cluster.guest("T1")["devices"] == []
        one.ok("guest_start", "T1")
    paths = sorted(device.upper() for device in connection["zvm_fcp"])
    guest = cluster.guest("T1")
    assert guest["devices"] == paths
    assert [sorted(volume["fcp"]) for volume in guest["volumes"]] == [paths]
    one.ok("volume_detach", connection)
    guest = cluster.guest("T1")
    assert (guest["devices"], guest["volumes"]) == ([], [])
    assert not any(line.startswith("DEDICATE") for line in guest["entry"])
    assert cluster.verify() == []


def test_a_volume_without_a_path_is_not_attached(cluster, members, connection):
    one, _two = members
    one.ok("guest_start", "T1")
    for device in connection["zvm_fcp"]:
        cluster.world("fcp_path", device=device, lost=True)
    one.refused("volume_attach", connection)
    assert cluster.guest("T1")["devices"] == []
    assert cluster.guest("T1")["volumes"] == []


def test_the_bootmap_needs_the_paths_that_were_asked_for(cluster, members):
    one, _two = members
    arguments = {
        "fcpchannels": ["1a00", "1b00"],
        "wwpn": ["5005076802100c1b"],
        "lun": "0001000000000000",
        "wwid": "600507680b21ac1140000000000001ff",
    }
    found = one.ok("volume_refresh_bootmap", **arguments)
    assert sorted(found) == ["1A00", "1B00"]
    for device in ("1a00", "1b00"):
        cluster.world("fcp_path", device=device, lost=True)
    one.refused("volume_refresh_bootmap", **arguments)


def test_a_bad_action_is_refused_by_name(cluster):
    with pytest.raises(handle.SimulatorError, match="lost: must be"):
        cluster.world("fcp_path", device="1a00")
    with pytest.raises(handle.SimulatorError, match="not logged on"):
        cluster.world("log_off", user="OSDFLT")


def test_a_user_that_is_on_at_another_member(cluster, members):
    """CP tells the first member's Connector that it is on, and not where."""
    one, two = members
    cluster.world("log_on", user="T1", member="ZVMSIM2")
    assert one.ok("guest_get_power_state", "T1") == "on"
    # What ends it there does nothing here.
    one.real.send_request("guest_stop", "T1")
    assert cluster.guest("T1")["member"] == "ZVMSIM2"
    two.ok("guest_register", "T1", "os_version=rhel9.4", "1")
    assert two.ok("guest_get_power_state", "T1") == "on"
    two.ok("guest_stop", "T1")
    with pytest.raises(handle.SimulatorError, match="member: must be one of"):
        cluster.world("log_on", user="T1", member="NOWHERE")


def test_a_lost_path_shows_in_the_guest_at_once(cluster, members, connection):
    one, _two = members
    one.ok("guest_start", "T1")
    one.ok("volume_attach", connection)
    first, second = (device.upper() for device in connection["zvm_fcp"])
    (volume,) = cluster.guest("T1")["volumes"]
    assert len(volume["paths"]) == 4
    cluster.world("fcp_path", device=first, lost=True)
    (volume,) = cluster.guest("T1")["volumes"]
    assert volume["fcp"] == [second]
    cluster.world("fcp_path", device=first, lost=False)
    one.ok("guest_stop", "T1")
    assert cluster.guest("T1")["volumes"][0]["paths"] == []
    one.ok("guest_start", "T1")
    assert len(cluster.guest("T1")["volumes"][0]["paths"]) == 4
    one.ok("volume_detach", connection)
    assert cluster.guest("T1")["volumes"] == []


def test_two_volumes_share_the_devices_until_the_last_is_gone(
    cluster, members, connection
):
    one, _two = members
    one.ok("guest_start", "T1")
    second = {**connection, "target_lun": "0x0002000000000000"}
    one.ok("volume_attach", connection)
    one.ok("volume_attach", second)
    assert len(cluster.guest("T1")["volumes"]) == 2
    one.ok("volume_detach", connection)
    found = cluster.guest("T1")
    assert [v["lun"] for v in found["volumes"]] == ["0x0002000000000000"]
    assert len(found["devices"]) == 2
    one.ok("volume_detach", second)
    found = cluster.guest("T1")
    assert (found["volumes"], found["devices"]) == ([], [])


def test_a_lun_that_is_not_shown_is_refused_by_its_status(cluster, members, connection):
    one, _two = members
    one.ok("guest_start", "T1")
    for lun, wwpns, shown in (
        ("0x0099000000000000", WWPNS, "did not show up"),
        ("0x0001000000000000", ["0x5005076802999999"], "valid target WWPNs"),
    ):
        wrong = {**connection, "target_lun": lun, "target_wwpn": wwpns}
        answer = one.real.send_request("volume_attach", wrong)
        assert shown in answer["errmsg"]
        assert cluster.guest("T1")["devices"] == []
    assert cluster.verify() == []
