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


"""The bench framework: table, targets, baseline, exit status."""

from __future__ import annotations

import json

import pytest

from tests.bench import __main__ as command
from tests.bench import framework
from tests.bench.framework import Figure

FIGURES = [
    Figure("a: time", 12.3456, "ms", at_most=10),
    Figure("a: rate", 200, "calls/s", at_least=100),
    Figure("a: tool", None, "ratio", at_most=1, note="no tool"),
]


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The command with benchmarks of its own and a baseline elsewhere."""
    path = tmp_path / "baseline.json"
    benchmarks = {"good": lambda: FIGURES, "bad": lambda: 1 / 0}
    monkeypatch.setattr(framework, "discover", lambda: benchmarks)
    monkeypatch.setattr(framework.read_baseline, "__defaults__", (path,))
    monkeypatch.setattr(framework.update_baseline, "__defaults__", (path,))
    return path


def test_table_shows_targets_baseline_and_what_was_missed():
    lines = framework.table(FIGURES, {"a: time": 9.0}).splitlines()
    assert lines[2].split() == ["a:", "time", "ms", "12.3", "<=", "10", "9", "MISSED"]
    assert lines[3].split() == ["a:", "rate", "calls/s", "200", ">=", "100", "-"]
    assert lines[4].split() == [
        "a:",
        "tool",
        "ratio",
        "-",
        "<=",
        "1",
        "-",
        "no",
        "tool",
    ]


def test_a_missed_target_is_no_failure(bench, capsys):
    assert command.main(["good"]) == 0
    assert "3 figures, 1 missed" in capsys.readouterr().out


def test_an_error_is_a_failure_and_the_others_still_run(bench, capsys):
    assert command.main([]) == 1
    printed = capsys.readouterr()
    assert "a: time" in printed.out
    assert "ZeroDivisionError" in printed.err


def test_the_baseline_keeps_what_was_not_measured(bench):
    bench.write_text('{"other": 1.0, "a: tool": 2.0}')
    assert command.main(["good", "--update-baseline"]) == 0
    assert json.loads(bench.read_text()) == {
        "a: rate": 200.0, "a: time": 12.3456, "a: tool": 2.0, "other": 1.0,
    }  # fmt: skip


def test_an_unknown_name_is_wrong_usage(bench):
    with pytest.raises(SystemExit) as caught:
        command.main(["nothing"])
    assert caught.value.code == 2


def test_json(bench, capsys):
    assert command.main(["good", "--json"]) == 0
    assert [f["name"] for f in json.loads(capsys.readouterr().out)] == [
        figure.name for figure in FIGURES
    ]


def test_every_module_is_found_and_every_figure_of_the_baseline_has_one():
    names = set(framework.discover())
    assert "configdrive" in names
    with pytest.raises(ValueError, match="two benchmarks"):
        framework.benchmark("configdrive")(list)
