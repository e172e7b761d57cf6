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

"""What the z/VM driver keeps in files of its own, where these cannot be used."""

from __future__ import annotations

import pytest

from ibmvirt.common import exceptions
from ibmvirt.zvm import holdings, paused, residents

HELD = holdings.Holding("OSV1", template="a-template", since=1.0)


@pytest.fixture
def kept(tmp_path):
    return holdings.Holdings(tmp_path / "volumes")


def test_what_is_held_is_there_again(kept):
    volume = holdings.Attachment(
        holdings.COMING, ("1a00",), ("0x50",), "0x1", "rhel9", "sda"
    )
    assert kept.get("OSV1") is None
    kept.put(HELD.with_volume("v", volume))
    assert kept.get("OSV1") == HELD.with_volume("v", volume)
    assert kept.users() == ["OSV1"]
    kept.drop("OSV1")
    assert kept.get("OSV1") is None
    assert kept.users() == []


def test_notes_that_cannot_be_read_are_not_taken_for_none(kept, tmp_path):
    """Without them a volume would be attached, and counted, a second time."""
    (tmp_path / "volumes" / "OSV1.json").mkdir(parents=True)
    with pytest.raises(exceptions.HypervisorError, match=r"OSV1\.json"):
        kept.get("OSV1")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"template": ""}'])
def test_a_guest_whose_notes_are_damaged_may_hold_anything(
    kept, tmp_path, text, caplog
):
    kept.put(HELD)
    (tmp_path / "volumes" / "OSV1.json").write_text(text)
    assert kept.get("OSV1") == holdings.Holding("OSV1", known=False)
    assert "OSV1.json" in caplog.text


def test_notes_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "volumes").write_text("a file in the directory's place")
    kept = holdings.Holdings(tmp_path / "volumes")
    with pytest.raises(exceptions.HypervisorError, match=r"OSV1\.json.*room"):
        kept.put(HELD)


def test_a_guest_stays_paused_where_that_cannot_be_written(tmp_path, caplog):
    """It is paused already: no operation fails for it."""
    (tmp_path / "zvm").write_text("a file in the directory's place")
    found = paused.Paused(tmp_path / "zvm" / "paused.json")
    found.keep("OSV1")
    assert found.is_paused("OSV1")
    assert "paused.json" in caplog.text
    found.clear("OSV1")
    assert not found.is_paused("OSV1")


BUILD = residents.Build(2, 2048, ("00AB01",))


def test_whose_guests_are_here_is_known_again(tmp_path, caplog):
    path = tmp_path / "zvm" / "guests.json"
    kept = residents.Residents(path)
    assert kept.all() == {}
    kept.keep("OSV1", "one")
    kept.begin("OSV2", "two", BUILD)
    kept.keep("OSV4", "four")
    kept.forget("OSV1")
    kept.forget("OSV3")
    kept.drop("OSV2", "another")
    kept.drop("OSV4", "four")
    left = {"OSV2": residents.Resident("two", BUILD)}
    assert kept.all() == residents.Residents(path).all() == left
    kept.leave("OSV2", "two")
    assert residents.Residents(path).get("OSV2") == residents.Resident("", BUILD)
    for text in ("[1]", '{"OSV1": {}}', '{"OSV1": {"server": "one", "build": {}}}'):
        path.write_text(text)
        assert residents.Residents(path).all() == {}
    assert "guests.json" in caplog.text


def test_a_guest_that_is_made_again_meanwhile_is_not_forgotten(tmp_path):
    kept = residents.Residents(tmp_path / "guests.json")
    for user in ("OSV1", "OSV2"):
        kept.keep(user, "one")
    seen = kept.all()
    kept.begin("OSV1", "one", BUILD)
    kept.forget_gone(seen)
    assert kept.all() == {"OSV1": residents.Resident("one", BUILD)}


def test_whose_guests_are_here_is_known_without_a_file(tmp_path, caplog):
    (tmp_path / "zvm").write_text("in the way")
    kept = residents.Residents(tmp_path / "zvm" / "guests.json")
    kept.keep("OSV1", "one")
    assert kept.all() == {"OSV1": residents.Resident("one")}
    assert "guests.json cannot be written" in caplog.text


ENTRY = [
    "USER OSV1 LBYONLY 2048m 64G G",
    "COMMAND DEFINE CPU 00 TYPE IFL",
    "COMMAND DEFINE CPU 01 TYPE IFL",
    "IPL 0100",
]
NIC = "NICDEF 1000 TYPE QDIO MACID "


@pytest.mark.parametrize(
    ("entry", "same"),
    [
        (ENTRY, True),
        ([*ENTRY, "MDISK 0100 3390 1 100 VOL001 MR", f"{NIC}00ab01"], True),
        ([ENTRY[0].replace("2048m", "2G"), *ENTRY[1:]], True),
        # Adapters of another server; other sizes; no guest of the Connector's.
        ([*ENTRY, f"{NIC}00ab02"], False),
        ([ENTRY[0].replace("2048m", "1G"), *ENTRY[1:]], False),
        ([ENTRY[0].replace("2048m", "much"), *ENTRY[1:]], False),
        (ENTRY[:2], False),
        (["IDENTITY OSV1 LBYONLY 2048m 64G G", *ENTRY[1:]], False),
        ([], False),
    ],
)
def test_a_build_knows_the_entry_that_it_makes(entry, same):
    assert BUILD.has_made(entry) is same
