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


"""Transfers and jobs that a service leaves open in NovaLink, on the simulator."""

from __future__ import annotations

import functools

import pytest
from pypowervm.wrappers import vios_file

from ibmvirt.common import exceptions
from tests.support import powervm

OPEN = "PUT web/File"
CLOSE = "DELETE web/File/{id}"
DELETE = "DELETE jobs/{id}"


@pytest.fixture
def restarts(novalink, tmp_path):
    """``restarts()`` is the service on one state path, started anew."""
    return functools.partial(powervm.running, novalink, state=tmp_path)


def notes(tmp_path):
    return [path.name for path in tmp_path.glob("powervm/open/*/*")]


def fault(driven, key, phase, **effect):
    return driven.simulator.rule(
        match={"key": key}, phase=phase, count=None, effect=effect
    )


def test_nothing_is_noted_of_what_is_closed(restarts, tmp_path):
    with restarts() as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        assert driven.simulator.verify() == []
        assert notes(tmp_path) == []


@pytest.mark.parametrize(
    ("key", "phase"), [(OPEN, "after"), (CLOSE, "before"), (DELETE, "before")]
)
def test_what_is_left_open_is_closed_when_the_service_starts(
    restarts, tmp_path, key, phase
):
    with restarts() as driven:
        fault(driven, key, phase, kind="drop")
        try:
            driven.spawn(driven.plan())
        except exceptions.IBMVirtError:
            assert key == OPEN
        assert driven.simulator.verify() != []
        assert notes(tmp_path) != []
    driven.simulator.delete_rule()
    with restarts() as driven:
        assert driven.simulator.verify() == []
        assert notes(tmp_path) == []
        driven.simulator.admin("DELETE", "journal")
    with restarts() as driven:
        keys = [record["key"] for record in driven.simulator.journal()]
        assert not {"GET web/File", CLOSE, DELETE} & set(keys)


def test_a_transfer_that_was_left_is_closed_before_the_next(restarts):
    with restarts() as driven:
        rule = fault(driven, OPEN, "after", kind="drop")
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(driven.plan())
        driven.simulator.delete_rule(rule)
        assert driven.simulator.verify() != []
        driven.spawn(driven.plan(2))
        assert driven.simulator.verify() == []


def test_what_others_have_open_stays(restarts, novalink, tmp_path):
    with powervm.running(novalink) as other:
        fault(other, CLOSE, "before", kind="drop")
        fault(other, DELETE, "before", kind="drop")
        other.spawn(other.plan())
        theirs = sorted(novalink.verify())
    with restarts() as driven:
        fault(driven, OPEN, "after", kind="drop")
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(driven.plan(2))
        assert len(novalink.verify()) > len(theirs) > 1
    novalink.delete_rule()
    with restarts():
        assert sorted(novalink.verify()) == theirs


def transfers(driven):
    adapter = driven.backend.guests._adapter
    return vios_file.File.wrap(adapter.read("File", service="web"))


def test_a_transfer_of_the_same_name_into_another_place_stays(restarts):
    with restarts() as driven:
        first = driven.plan()
        driven.spawn(first)
        fault(driven, OPEN, "after", kind="drop")
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(driven.plan(2))
        driven.simulator.delete_rule()
        (lost,) = transfers(driven)
        (disk,) = driven.backend.disks.leftovers(first.server)
        theirs = vios_file.File.bld(
            driven.backend.guests._adapter, lost.file_name,
            vios_file.FileType.DISK_IMAGE, lost.vios_uuid, tdev_udid=disk.id,
        ).create()  # fmt: skip
    with restarts() as driven:
        (left,) = transfers(driven)
        assert left.uuid == theirs.uuid


def test_a_damaged_note_hides_no_other(restarts, tmp_path, caplog):
    with restarts() as driven:
        fault(driven, CLOSE, "before", kind="drop")
        driven.spawn(driven.plan())
        driven.simulator.delete_rule()
    (folder,) = tmp_path.glob("powervm/open/*")
    (folder / "file-0.json").write_text("{")
    (folder / "job-0.json").write_text("{}")
    with restarts() as driven:
        assert driven.simulator.verify() == []
    assert f"{folder / 'file-0.json'} cannot be read" in caplog.text
    assert f"{folder / 'job-0.json'} is damaged" in caplog.text


def test_a_state_path_that_cannot_be_written_stops_no_build(novalink, tmp_path):
    (tmp_path / "powervm").write_text("a file")
    with powervm.running(novalink, state=tmp_path) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        assert novalink.verify() == []
