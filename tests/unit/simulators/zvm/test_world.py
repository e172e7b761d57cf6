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

"""Actions from outside and loaded worlds: what is wrong is told by its field."""

from __future__ import annotations

import copy
import json

import pytest

from ibmvirt.simulators.zvm import events


@pytest.fixture
def world(system):
    events.register(system.zvm)
    system.user("T1")
    system.zvm.world.mark()
    return system.zvm.world


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"action": "fcp_path"}, ValueError, "device: must be a text"),
        ({"action": "fcp_path", "device": 5}, ValueError, "device: must be a text"),
        ({"action": "fcp_path", "device": "zz"}, KeyError, "device 00ZZ of ZVMSIM1"),
        ({"action": "fcp_path", "device": "1a00"}, ValueError, "lost: must be true"),
        (
            {"action": "fcp_path", "device": "1a00", "lost": True, "member": "x"},
            *(ValueError, "member: must be one of"),
        ),
        ({"action": "fcp_path", "dev": "1a00"}, ValueError, "dev: unknown field"),
        ({"action": "pool_full"}, ValueError, "pool: must be a text"),
        ({"action": "pool_full", "pool": "no"}, KeyError, "pool NO"),
        ({"action": "pool_full", "pool": "POOL1", "gb": 1}, ValueError, "gb: unknown"),
        ({"action": "log_on"}, ValueError, "user: must be a text"),
        ({"action": "log_on", "user": ["T1"]}, ValueError, "user: must be a text"),
        ({"action": "log_on", "user": "nobody"}, KeyError, "user NOBODY"),
        ({"action": "log_on", "user": "t1", "at": 1}, ValueError, "at: unknown field"),
        ({"action": "log_off", "user": "t1"}, ValueError, "T1 is not logged on"),
        ({"action": "multipath", "running": True}, ValueError, "user: must be a text"),
        ({"action": "multipath", "user": "t1"}, ValueError, "running: one of"),
        (
            {"action": "multipath", "user": "t1", "running": True, "flushes": 0},
            *(ValueError, "flushes: must be true or false"),
        ),
    ],
)
def test_a_wrong_action_changes_nothing(world, fields, error, text):
    with pytest.raises(error, match=text):
        world.act(fields)
    assert world.compare() == []


@pytest.mark.parametrize(
    ("collection", "key", "field", "value", "text"),
    [
        ("users", "T1", "entry", "USER T1", "users/T1: entry: must be tuple"),
        ("users", "T1", "on", "yes", "users/T1: on: must be bool"),
        ("users", "T1", "name", "T2", "users/T1: this is the value of T2"),
        ("users", "T1", "active_nics", [{"vdev": 1, "mac": ""}], "vdev: must be str"),
        ("devices", "ZVMSIM1/1A00", "number", "1A01", "the value of ZVMSIM1/1A01"),
        ("luns", "1", "size_mib", True, "luns/1: size_mib: must be int"),
        ("pools", "POOL1", "volumes", [{"name": "V", "size": "big"}], "size: must"),
    ],
)
def test_a_wrong_dump_changes_nothing(world, collection, key, field, value, text):
    dump = json.loads(json.dumps(world.dump()))
    world.load(copy.deepcopy(dump))
    dump[collection][key][field] = value
    with pytest.raises(ValueError, match=text):
        world.load(dump)
    assert world.compare() == []
