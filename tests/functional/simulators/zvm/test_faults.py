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

"""Faults below the Connector, and the Connector itself ending."""

from __future__ import annotations

import concurrent.futures
import socket
import time

import pytest
import requests


def test_a_command_fails_as_its_rule_says(zvm, client, server):
    zvm.rule(
        match={"layer": "command", "api": "Image_Activate", "user": server},
        count=1,
        effect={"kind": "refuse", "overall": 8, "rc": 396, "rs": 1},
    )
    assert client.refused("guest_start", server) == (8, 1)
    client.ok("guest_start", server)


def test_a_guest_that_does_not_answer_is_stopped_hard(zvm, client, server):
    client.ok("guest_start", server)
    zvm.rule(
        match={"layer": "command", "api": "iucvclnt", "user": server},
        effect={"kind": "refuse", "message": "UNAUTHORIZED_ERROR"},
    )
    client.ok("guest_softstop", server)
    assert zvm.guest(server)["state"] == "off"


def test_the_connector_ends_at_a_held_command_and_serves_again(zvm, client, server):
    rule = zvm.rule(
        match={"layer": "command", "api": "Image_Activate"}, effect={"kind": "hold"}
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.real.send_request, "guest_start", server)
        assert zvm.wait_parked(rule, timeout=60)
        zvm.restart_connector()
        assert call.result(timeout=60)["overallRC"] != 0
    zvm.delete_rule(rule)
    zvm.wait_journal(layer="command", key="smcli Image_Activate", done=True, count=1)
    # The command had been given: z/VM carries it out without its Connector.
    assert zvm.guest(server)["state"] == "on"
    client.ok("guest_start", server)
    assert client.ok("guest_get_power_state", server) == "on"


def test_a_call_of_the_connector_does_not_go_on_in_a_world_that_was_reset(
    zvm, client, server
):
    """A deletion ignores that a command failed, and goes on with the next."""
    zvm.mark("coupled")
    rule = zvm.rule(
        match={"layer": "command", "api": "Name_List_Remove"}, effect={"kind": "hold"}
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.real.send_request, "guest_delete", server)
        assert zvm.wait_parked(rule, timeout=60)
        zvm.reset("coupled")
        call.result(timeout=60)
    # Its database is as it was, too.
    assert zvm.compare("coupled") == []
    assert zvm.journal(layer="command") == []


def test_a_rule_lets_the_connector_crash_at_a_command(zvm, client, server):
    url = zvm.connector_url
    zvm.rule(
        match={"layer": "command", "api": "Image_Activate"}, effect={"kind": "restart"}
    )
    assert client.refused("guest_start", server)[0] == 101
    assert zvm.connector_url == url
    end = time.monotonic() + 60
    while client.real.send_request("version")["overallRC"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert zvm.guest(server)["state"] == "off"
    client.ok("guest_start", server)
    # The call that the crash ended is recorded as one without an answer.
    (record,) = zvm.journal(layer="rest", key="POST /guests/{id}/action start")[:1]
    assert (record["outcome"], record["committed"]) == ("dropped", False)


@pytest.mark.parametrize("how", ["drop", "reset", "truncate"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_an_answer_is_lost_before_or_after_the_call_took_effect(
    zvm, client, server, how, phase
):
    zvm.rule(
        match={"layer": "rest", "key": "POST /guests/{id}/action start"},
        phase=phase,
        effect={"kind": how},
    )
    assert client.refused("guest_start", server)[0] == 101
    assert zvm.guest(server)["state"] == ("off" if phase == "before" else "on")


def test_a_delay_follows_the_simulated_clock(zvm, client, server):
    zvm.rule(
        match={"layer": "command", "api": "Image_Activate"},
        effect={"kind": "delay", "seconds": 60},
    )
    before = zvm.clock()["now"]
    client.ok("guest_start", server)
    assert zvm.clock()["now"] - before >= 60


def test_a_request_that_is_no_http_harms_nobody(zvm, client):
    for request in (
        b"POST /guests HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ):
        host, _, port = zvm.connector_url.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert client.ok("guest_list") == []


def test_a_body_in_chunks_is_taken(zvm, client, tmp_path):
    """A client that streams sends no length; a file is longer than what is kept in
    memory."""
    url = zvm.connector_url
    guest = b'{"guest": {"userid": "T9", "vcpus": 1, "memory": 512, "disk_list": []}}'
    answer = requests.post(
        f"{url}/guests", data=iter([guest[:9], guest[9:]]), timeout=60
    )
    assert answer.json()["overallRC"] == 0
    assert client.ok("guest_list") == ["T9"]
    content = bytes(range(256)) * 8192
    answer = requests.put(
        f"{url}/files",
        data=iter([content[:70000], content[70000:]]),
        headers={"Content-Type": "application/octet-stream"},
        timeout=60,
    )
    stored = answer.json()["output"]
    assert stored["filesize_in_bytes"] == len(content)
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        head = b"POST /guests HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"no number\r\n")
        with connection.makefile("rb") as answered:
            assert b" 400 " in answered.readline()
