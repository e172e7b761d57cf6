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

"""The command's options: tokens, TLS, worlds, guests, pools; and bad ones."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import requests
from zvmconnector import connector

from ibmvirt.simulators import cli
from ibmvirt.simulators.core import handle
from ibmvirt.simulators.zvm import ZVMSimulator, imagefile

WORLD = """
members: [NORTH, SOUTH]
processors: 4
memory_gib: 64
pools:
  - {name: POOL1, volumes: [{name: USR001, size: 2000}, {name: USR002, size: 2000}]}
  - {name: POOL2, type: FBA, volumes: [{name: FBA001, size: 5000000}]}
vswitches:
  - {name: TRUNK, vlan_aware: yes, rdevs: ["0600"]}
fcp_devices:
  - {first: "2A00", count: 2}
luns:
  - {lun: "0x0007000000000000", targets: ["5005076801234567"]}
guests:
  - name: WEB1
    vcpus: 2
    memory_mib: 2048
    running: yes
    disks: [{size: 1g}, {vdev: "0101", size: 512m, pool: POOL2}]
    nics: [{vswitch: TRUNK, vlan: 12, mac_id: "000012"}]
    statements: ["SHARE RELATIVE 200"]
  - {name: DB1, member: SOUTH, disks: [{}]}
  - {name: LONELY, registered: no}
"""


def client(url, certificate=None, token_path=None):
    scheme, _, address = url.partition("://")
    host, _, port = address.rpartition(":")
    made = connector.ZVMConnector(
        host,
        int(port),
        ssl_enabled=scheme == "https",
        verify=certificate or False,
        token_path=token_path,
    )
    if token_path is not None:
        # ZVMConnector 1.6.3 hands the path on, but not that it is wanted.
        made.conn.client.auth = "token"
    return made


def ok(made, name, *args, **kwargs):
    answer = made.send_request(name, *args, **kwargs)
    assert answer["overallRC"] == 0, answer
    return answer["output"]


@pytest.fixture(scope="module")
def secured():
    """Two members with tokens and TLS, and three guests."""
    options = ("--members", "2", "--auth", "--tls", "--guests", "3")
    with ZVMSimulator(*options, "--rate", "100") as simulator:
        yield simulator


def test_a_client_with_the_token_is_served_by_tls(secured):
    assert secured.connector_url.startswith("https://")
    made = client(secured.connector_url, secured.certificate, secured.token_path)
    names = ["GST00001", "GST00002", "GST00003"]
    assert sorted(ok(made, "guest_list")) == names
    assert ok(made, "guest_get_power_state", "GST00001") == "off"
    ok(made, "guest_start", "GST00001")
    assert ok(made, "guest_get_power_state", "GST00001") == "on"
    nics = ok(made, "guests_get_nic_info", userid="GST00001")
    assert [(nic["interface"], nic["switch"]) for nic in nics] == [("1000", "DEFAULT")]


def test_token_files_are_the_owners_and_one_a_member(secured):
    paths = [pathlib.Path(member["token_path"]) for member in secured.members]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600, 0o600]
    assert [len(path.read_text()) for path in paths] == [42, 42]
    assert paths[0].read_text() != paths[1].read_text()
    # The other member's token is refused.
    made = client(secured.connector_url, secured.certificate, str(paths[1]))
    assert made.send_request("guest_list")["overallRC"] == 101


def test_without_a_token_nothing_is_told(secured):
    url = f"{secured.connector_url}/guests"
    context = ssl.create_default_context(cafile=secured.certificate)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, context=context, timeout=60)
    assert caught.value.code == 401
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(url, timeout=60)


def test_a_rule_lets_a_token_end_early(secured):
    token = pathlib.Path(secured.token_path).read_text()
    base, verify = secured.connector_url, secured.certificate
    given = requests.post(
        f"{base}/token", headers={"X-Admin-Token": token}, verify=verify, timeout=60
    ).headers["X-Auth-Token"]

    def status():
        headers = {"X-Auth-Token": given}
        url = f"{base}/guests"
        return requests.get(url, headers=headers, verify=verify, timeout=60).status_code

    assert status() == 200
    match = {"layer": "rest", "key": "GET /guests"}
    secured.rule(match=match, effect={"kind": "expire_token"})
    assert status() == 401
    assert status() == 200


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "world.yaml"
    path.write_text(WORLD)
    with ZVMSimulator("--world", str(path), "--rate", "100") as simulator:
        yield simulator


def test_a_world_file_makes_what_it_says(world):
    assert [member["name"] for member in world.members] == ["NORTH", "SOUTH"]
    north, south = (client(member["connector_url"]) for member in world.members)
    host = ok(north, "host_get_info")
    assert (host["vcpus"], host["memory_mb"]) == (4, 65536.0)
    assert ok(north, "guest_list") == ["WEB1"]
    assert ok(south, "guest_list") == ["DB1"]
    assert "LONELY" in ok(north, "host_get_guest_list")
    assert ok(north, "guest_get_power_state", "WEB1") == "on"
    info = ok(north, "guest_get_info", "WEB1")
    assert (info["num_cpu"], info["max_mem_kb"]) == (2, 2048 * 1024)
    found = world.guest("WEB1")
    assert (found["member"], found["adapters"][0]["vlan"]) == ("NORTH", 12)
    assert [(s["vdev"], s["type"]) for s in found["storage"]] == [
        ("0100", "3390"),
        ("0101", "9336"),
    ]
    volumes = ok(north, "host_get_diskpool_volumes", disk_pool="ECKD:POOL1")
    assert volumes == {"diskpool_volumes": "USR001 USR002"}
    assert ok(north, "vswitch_get_list") == ["TRUNK"]
    switch = ok(north, "vswitch_query", "TRUNK")
    assert list(switch["real_devices"]) == ["0600"]
    assert list(switch["adapters"]) == ["WEB1_1000"]
    assert world.verify() == []


def test_each_member_has_devices_and_ports_of_its_own(world):
    seen = []
    for member in world.members:
        made = client(member["connector_url"])
        ok(made, "create_fcp_template", "one", fcp_devices="2a00", host_default=True)
        found = ok(made, "get_volume_connector", "ANY", reserve=True)
        assert found["zvm_fcp"] == ["2a00"]
        assert found["host"].startswith(member["name"])
        seen += found["wwpns"]
    assert len(set(seen)) == 2


def test_disks_of_two_pools_are_deployed_and_captured(world, tmp_path):
    """An image of an FBA disk goes to the pool of FBA disks, and comes back."""
    made = client(world.connector_url)
    image, output = tmp_path / "image", tmp_path / "captured"
    content = b"an FBA disk" * 50_000
    image.write_bytes(imagefile.write(content, "FBA"))
    ok(made, "image_import", "fba", f"file://{image}", {"os_version": "sles15.5"})
    disks = [
        {"size": "100m", "is_boot_disk": True, "disk_pool": "FBA:POOL2"},
        {"size": "10m", "format": "ext4", "disk_pool": "ECKD:POOL1"},
        {"size": "10m", "format": "xfs", "disk_pool": "FBA:POOL2"},
    ]
    ok(made, "guest_create", "TWO", 1, 512, disk_list=disks)
    found = world.guest("TWO")["storage"]
    assert [(d["pool"], d["type"], d["file_system"]) for d in found] == [
        ("POOL2", "9336", None),
        ("POOL1", "3390", "ext4"),
        ("POOL2", "9336", "xfs"),
    ]
    ok(made, "guest_deploy", "TWO", "fba")
    assert world.disk("TWO/0100") == content
    ok(made, "guest_start", "TWO")
    ok(made, "guest_capture", "TWO", "captured")
    exported = ok(made, "image_export", "captured", f"file://{output}")
    assert exported["os_version"] == "sles15.5"
    raw, size, kind = imagefile.read(output.read_bytes())
    assert (raw, size, kind) == (content, 100 * 2048, "FBA")
    ok(made, "guest_delete", "TWO")
    for name in ("fba", "captured"):
        ok(made, "image_delete", name)
    assert world.verify() == []


def test_a_world_is_dumped_and_loaded(world):
    world.mark("before")
    dump = world.dump()
    ok(client(world.connector_url), "guest_stop", "WEB1")
    assert world.guest("WEB1")["state"] == "off"
    world.load(json.loads(json.dumps(dump)))
    assert world.guest("WEB1")["state"] == "on"
    assert [c for c in world.compare("before") if "connector" not in c["path"]] == []
    with pytest.raises(handle.SimulatorError, match="users/X"):
        world.load({"users": {"X": {"no": "field"}}})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("gests: []\n", "1: gests: unknown field; did you mean guests?"),
        ("guests:\n - {name: web1}\n", "2: guests[0].name: 'web1' does not fit"),
        ("pools: [{name: P1}]\n", "1: pools[0].volumes: a pool needs a volume"),
        ("members: [A, A]\n", "1: members: two members have the same name"),
        (
            "guests:\n - {name: W1, disks: [{size: 900000g}]}\n",
            "2: guests[0].disks[0]: Pool POOL1 has no extent",
        ),
        (
            "guests:\n - {name: W1, disks: [{pool: NONE}]}\n",
            "2: guests[0].disks[0]: There is no pool NONE",
        ),
        (
            "guests:\n - {name: W1, nics: [{vswitch: VSWFLAT, vlan: 4}]}\n",
            "2: guests[0].nics[0].vlan: the vswitch VSWFLAT is not VLAN aware",
        ),
        (
            "guests: [{name: W1, member: SOUTH}]\n",
            "1: guests[0].member: 'SOUTH' is not one of ['ZVMSIM1']",
        ),
        (
            "luns:\n - {lun: '0x1', targets: []}\n",
            "2: luns[0].lun: '0x1' is not 0x and 16 hexadecimal digits",
        ),
        ("guests: [{name: ZCCUSER}]\n", "1: guests[0].name: there is a user ZCCUSER"),
    ],
)
def test_a_bad_world_is_refused_with_file_line_and_field(tmp_path, capsys, text, error):
    path = tmp_path / "world.yaml"
    path.write_text(text)
    state = tmp_path / "state"
    assert cli.main(["zvm", "--world", str(path), "--state-dir", str(state)]) == 1
    assert f"{path}:{error}" in capsys.readouterr().err


def test_guests_that_do_not_fit_the_world_are_refused(tmp_path, capsys):
    path = tmp_path / "world.yaml"
    path.write_text("pools: [{name: P1, volumes: [{name: VOL001, size: 3000}]}]")
    state = str(tmp_path / "state")
    arguments = ["--world", str(path), "--guests", "5", "--state-dir", state]
    assert cli.main(["zvm", *arguments]) == 1
    error = "--guests 5: GST00003: Pool P1 has no extent of 1457"
    assert error in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--disk-pool", "POOL1"],
        ["--disk-pool", "CKD:POOL1"],
        ["--disk-pool", "ECKD:TOOLONGNAME"],
        ["--members", "0"],
        ["--guests", "many"],
        ["--rate", "-1"],
        ["--listen", "8888"],
        ["make-image"],
    ],
)
def test_bad_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["zvm", *arguments])
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["ECKD", "FBA"])
def test_make_image(tmp_path, kind):
    content = bytes(range(256)) * 4096
    raw, image = tmp_path / "raw", tmp_path / "image"
    raw.write_bytes(content)
    arguments = ["zvm", "make-image", str(raw), "-o", str(image), "--type", kind]
    assert cli.main(arguments) == 0
    found, size, made = imagefile.read(image.read_bytes())
    assert (found, made) == (content, kind)
    assert size == (2 if kind == "ECKD" else len(content) // 512)


@pytest.mark.parametrize(
    ("raw", "image", "error"),
    [
        ("absent", "image", "absent"),
        ("empty", "image", "no file with bytes"),
        (".", "image", "no file with bytes"),
        ("raw", "absent/image", "no such directory"),
    ],
)
def test_make_image_refuses(tmp_path, capsys, raw, image, error):
    (tmp_path / "empty").touch()
    (tmp_path / "raw").write_bytes(b"x")
    arguments = [str(tmp_path / raw), "-o", str(tmp_path / image)]
    assert cli.main(["zvm", "make-image", *arguments]) == 1
    assert error in capsys.readouterr().err
    assert not (tmp_path / image).exists()


def started(state, *options):
    """``ibmvirt-sim zvm`` as a shell starts it; its process and ready file."""
    ready = state.parent / "ready.json"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "ibmvirt.simulators.cli", "zvm",
            "--state-dir", str(state), "--ready-file", str(ready), *options,
        ],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    lines = [process.stdout.readline() for _ in range(3)]
    while not ready.exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process, lines, json.loads(ready.read_text())


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


def test_nothing_is_left_of_a_killed_one_and_its_directory_is_used_again(tmp_path):
    state = tmp_path / "state"
    first, lines, ready = started(state, "--guests", "1")
    assert lines[0] == f"export IBMVIRT_SIM_PID={first.pid}\n"
    assert ready["members"][0]["connector_url"] in lines[2]
    children = [int(line.split()[0]) for line in (state / "pids").open()]
    assert [alive(pid) for pid in children] == [True]
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    end = time.monotonic() + 60
    while any(alive(pid) for pid in children) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in children)
    second, _lines, ready = started(state)
    try:
        # The guest of the first one is gone, and its Connector's row with it.
        assert ok(client(ready["members"][0]["connector_url"]), "guest_list") == []
    finally:
        second.terminate()
        assert second.wait(timeout=60) == 0
        second.stdout.close()
    assert not os.path.exists(state / "pids")


def test_the_script_of_the_documentation(zvm):
    script = pathlib.Path(__file__).parents[4] / "docs/simulators/zvm_script.py"
    environment = {
        **os.environ,
        "ZVM_CONNECTOR_URL": zvm.connector_url,
        "IBMVIRT_SIM_ADMIN_URL": zvm.admin_url,
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    ended = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert (ended.stdout, ended.returncode) == ("on 192.0.2.5 10\n", 0), ended.stderr


def test_commands_wait_for_a_clock_that_stands():
    with ZVMSimulator(
        "--rate", "0", "--latency", "realistic", "--guests", "1"
    ) as simulator:
        simulator.restart_connector()
        made = client(simulator.connector_url)
        since = simulator.journal(layer="command")[-1]["seq"]
        with (
            concurrent.futures.ThreadPoolExecutor(1) as pool,
            # Whatever fails here, the call comes to its end.
            contextlib.ExitStack() as stack,
        ):
            stack.callback(simulator.clock, rate=100.0)
            asked = pool.submit(ok, made, "guest_get_power_state", "GST00001")
            # Four commands, each of which takes a moment of simulated time.
            for number in range(1, 5):
                simulator.wait_journal(layer="command", since=since, count=number)
                assert not asked.done()
                simulator.clock(advance=1.0)
            assert asked.result(timeout=60) == "off"
            assert simulator.clock()["now"] == 4.0
