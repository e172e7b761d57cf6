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

"""World files: what is read, and how mistakes are told."""

from __future__ import annotations

import pytest

from ibmvirt.simulators.core import worldfile as wf

ROOT = wf.fields(
    systems=wf.items(
        wf.fields(
            name=wf.text(required=True, pattern="[a-z][a-z0-9]*"),
            vioses=wf.integer(2, least=1, most=16),
            memory=wf.number(1.5),
            rmc=wf.boolean(True),
            kind=wf.choice(("small", "large"), "small"),
            disks=wf.items(wf.text()),
        ),
        unique="name",
    ),
    title=wf.text("none"),
)


def test_absent_fields_get_their_defaults():
    value = wf.loads("systems:\n- name: a\n- name: b\n  vioses: 3\n", ROOT).value
    assert value["title"] == "none"
    first, second = value["systems"]
    assert first == {
        "name": "a",
        "vioses": 2,
        "memory": 1.5,
        "rmc": True,
        "kind": "small",
        "disks": [],
    }
    assert second["vioses"] == 3
    # Lists are each one's own.
    first["disks"].append("x")
    assert second["disks"] == []


def test_an_empty_file_is_all_defaults():
    assert wf.loads("", ROOT).value == {"systems": [], "title": "none"}
    assert wf.loads("# nothing\n", ROOT).value["systems"] == []


def test_what_is_dumped_is_read_back():
    value = wf.loads(
        "systems: [{name: a, rmc: no, memory: 2, disks: ['007', 'no', x]}]", ROOT
    ).value
    assert value["systems"][0]["disks"] == ["007", "no", "x"]
    assert value["systems"][0]["rmc"] is False
    assert wf.loads(wf.dumps(value), ROOT).value == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("systems:\n- nam: a\n", "w:2: systems[0].nam: unknown field; did you mean name?"),
        ("title: x\nother: 1\n", "w:2: other: unknown field; known are"),
        ("systems:\n- vioses: 1\n", "w:2: systems[0].name: is missing"),
        ("systems:\n- name: a\n  vioses: no\n", "w:3: systems[0].vioses: must be a whole"),
        ("systems:\n- name: a\n  vioses: 17\n", "w:3: systems[0].vioses: 17 must be 1 to 16"),
        ("systems:\n- name: a\n  memory: .nan\n", "w:3: systems[0].memory: '.nan' is no finite"),
        ("systems:\n- name: a\n  memory: -1\n", "w:3: systems[0].memory: -1.0 must be at least 0"),
        ("systems:\n- name: a\n  rmc: 1\n", "w:3: systems[0].rmc: must be true or false"),
        ("systems:\n- name: a\n  kind: huge\n", "w:3: systems[0].kind: 'huge' is not one of"),
        ("systems:\n- name: A\n", "w:2: systems[0].name: 'A' does not fit"),
        ("systems:\n- name: 5\n", "w:2: systems[0].name: must be a text"),
        ("systems:\n- name: a\n- name: a\n", "w:3: systems[1].name: 'a' is there twice"),
        ("title: a\ntitle: b\n", "w:2: title: is there twice"),
        ("systems:\n  name: a\n", "w:2: systems: must be a list"),
        ("systems:\n- a\n", "w:2: systems[0]: must be a mapping of fields"),
        ("- a\n", "w:1: the file: must be a mapping of fields"),
        ("title: [1\n", "w:2: "),
        ("a: b: c\n", "w:1: mapping values"),
        ("title: !!python/object:os.system x\n", "w:1: title: must be a text"),
        ("systems: &a\n- *a\n", "w:1: systems[0]: contains itself"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_file_line_and_field(text, message):
    with pytest.raises(wf.WorldFileError) as found:
        wf.loads(text, ROOT, "w")
    assert str(found.value).startswith(message)


def test_what_the_simulator_finds_later_has_its_line_too():
    document = wf.loads("title: x\nsystems:\n- name: a\n- name: b\n", ROOT, "w")
    error = document.error(("systems", 1, "disks", 3), "no such pool")
    assert str(error) == "w:4: systems[1].disks[3]: no such pool"
    assert str(document.error((), "odd")) == "w:1: the file: odd"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(wf.WorldFileError, match="no-file: No such file"):
        wf.load(tmp_path / "no-file", ROOT)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(wf.WorldFileError, match="bytes"):
        wf.load(tmp_path / "bytes", ROOT)
    with pytest.raises(wf.WorldFileError, match="too deeply"):
        wf.loads("[" * 5000, ROOT)
    with pytest.raises(wf.WorldFileError, match="more than"):
        wf.loads("#" * (wf.MAX_BYTES + 1), ROOT)
