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

"""One fault at every call: nothing leaks, hangs or is left unexplained.

`make test` has two effects; `make faults` has all.
"""

from __future__ import annotations

import pytest

from tests.faults import (
    disk_operations,
    engine,
    operations,
    powervm_operations,
    test_connector_kills,
    zvm_operations,
)


def _cells(full, reduced):
    return [
        pytest.param(operation, effect, id=f"{operation.name}-{effect.name}")
        for operation in full[0]
        for effect in full[1]
        if (effect in operations.REDUCED and operation.quick) == reduced
    ]


_POWERVM = (
    [*operations.POWERVM, *powervm_operations.ALL, *disk_operations.ALL],
    operations.FULL_POWERVM,
)
_ZVM = ([*operations.ZVM, *zvm_operations.ALL], operations.FULL_ZVM)


@pytest.mark.sweep
@pytest.mark.parametrize(("operation", "effect"), _cells(_POWERVM, reduced=True))
def test_powervm_reduced(powervm_sweep, judge, operation, effect):
    judge("PowerVM", powervm_sweep.run(operation, effect))


@pytest.mark.sweep
@pytest.mark.parametrize(("operation", "effect"), _cells(_ZVM, reduced=True))
def test_zvm_reduced(zvm_sweep, judge, operation, effect):
    judge("z/VM", zvm_sweep.run(operation, effect))


@pytest.mark.faults
@pytest.mark.parametrize(("operation", "effect"), _cells(_POWERVM, reduced=False))
def test_powervm(powervm_sweep, judge, operation, effect):
    judge("PowerVM", powervm_sweep.run(operation, effect))


@pytest.mark.faults
@pytest.mark.parametrize(("operation", "effect"), _cells(_ZVM, reduced=False))
def test_zvm(zvm_sweep, judge, operation, effect):
    judge("z/VM", zvm_sweep.run(operation, effect))


def test_the_engine_sees_what_is_left(novalink):
    """An undo that does nothing is found as a leak."""
    spawn = operations.POWERVM[0]
    lazy = engine.Operation(
        spawn.name, spawn.prepare, spawn.run, lambda _d, _s: None, spawn.view
    )
    from tests.support import powervm

    sweep = engine.Sweep(novalink, powervm.running)
    call = {"key": "PUT Event", "occurrence": 1}
    cell = sweep._cell(lazy, operations.REDUCED[0], call, view=None)
    assert cell.outcome == "leaked"
    assert "LogicalPartition" in cell.text or "partition" in cell.text.lower()


def test_the_engine_sees_a_success_that_is_none(novalink):
    """A build that ends well and is not what a clean one is."""
    from tests.support import powervm

    sweep = engine.Sweep(novalink, powervm.running)
    call = {"key": "PUT Event", "occurrence": 1}
    cell = sweep._cell(operations.POWERVM[0], operations.REDUCED[0], call, view=())
    assert cell.outcome == "wrong"


def test_the_engine_sees_an_error_without_a_name(novalink):
    from tests.support import powervm

    spawn = operations.POWERVM[0]

    def fails(_driven, _subject):
        raise RuntimeError("something")

    silent = engine.Operation(spawn.name, spawn.prepare, fails, spawn.undo, spawn.view)
    sweep = engine.Sweep(novalink, powervm.running)
    call = {"key": "PUT Event", "occurrence": 1}
    cell = sweep._cell(silent, operations.REDUCED[0], call, view=None)
    assert cell.outcome == "obscure"


def test_only_what_the_connector_leaves_is_excused():
    """An exemption for one thing hides nothing else."""
    spool = {"path": "spool/0011", "was": None,
             "is": {"queue": "ZCC", "origin": "ZCC", "name": "cfgdrive", "type": "iso"}}  # fmt: skip
    guest = {"path": "users/OSV1", "was": None, "is": {"entry": ["USER OSV1"]}}
    other = {"path": "users/OSV2", "was": None, "is": {"entry": ["USER OSV2"]}}
    drive = {"path": "/state/zvm/cfgdrive.iso", "was": None, "is": "of the driver"}
    note = {"path": "/state/zvm/volumes/OSV1.json", "was": None, "is": "of the driver"}
    reader = operations.BENEATH["vmur punch"]
    locked = operations.BENEATH["smcli Image_Lock_DM"]
    refused = RuntimeError("Image OSV1 is locked")
    assert reader.excuses(None, [spool], {"OSV1"})
    assert not reader.excuses(None, [spool, guest], {"OSV1"})
    assert not reader.excuses(None, [spool, drive], {"OSV1"})
    assert not reader.excuses(refused, [spool], {"OSV1"})
    # The driver's note of its volumes goes when the guest can be deleted.
    assert locked.excuses(refused, [guest, note], {"OSV1"})
    assert not locked.excuses(refused, [guest, drive], {"OSV1"})
    assert not locked.excuses(refused, [guest, other], {"OSV1"})
    assert not locked.excuses(RuntimeError("no answer"), [guest], {"OSV1"})
    assert not locked.excuses(refused, [guest], set())


CAPTURE = "staging/rhel9.4/ibmvirt-capture-the-uuid/0100"
INCOMPLETE = {"path": "incomplete images/VM1", "was": ["a"], "is": ["a", CAPTURE]}
SPOOL = {
    "path": "spool/0011",
    "was": None,
    "is": {"queue": "ZCC", "origin": "ZCC", "name": "atvol", "type": "sh"},
}
LISTED = {"path": "name_lists/NL1", "was": ["OSV2"], "is": ["OSV1", "OSV2"]}


@pytest.mark.parametrize(
    ("key", "item", "others"),
    [
        (
            "creatediskimage",
            INCOMPLETE,
            [
                {**INCOMPLETE, "was": ["b"], "is": [CAPTURE]},
                {**INCOMPLETE, "is": ["a", CAPTURE, f"{CAPTURE}.part"]},
                {**INCOMPLETE, "is": ["a", CAPTURE.replace("the-", "other-")]},
                {**INCOMPLETE, "is": ["a", "staging/rhel9.4/an-import/0100"]},
                {**INCOMPLETE, "path": "users/OSV1"},
            ],
        ),
        (
            "vmcp change",
            SPOOL,
            [
                {**SPOOL, "is": {**SPOOL["is"], "queue": "OSV1"}},
                {**SPOOL, "is": {**SPOOL["is"], "name": "secret"}},
                {**SPOOL, "was": SPOOL["is"], "is": None},
                {**SPOOL, "was": {**SPOOL["is"], "queue": "OSV1"}},
            ],
        ),
        (
            "smcli Name_List_Remove",
            LISTED,
            [
                {**LISTED, "is": ["OSV1", "OSV2", "OSV3"]},
                {**LISTED, "is": ["OSV1"]},
                {**LISTED, "path": "users/OSV1"},
            ],
        ),
    ],
)
def test_what_a_killed_connector_may_leave_is_exactly_that(key, item, others):
    names = {"OSV1", "the-uuid"}
    for effect in test_connector_kills.KILLED.values():
        may_stay = effect.beneath[key]
        assert may_stay.excuses(None, [item], names)
        assert not may_stay.excuses(None, [item, item], names)
        assert not may_stay.excuses(RuntimeError("no"), [item], names)
        for other in others:
            assert not may_stay.excuses(None, [other], names), other
