# SPDX-License-Identifier: Apache-2.0
"""The command that times how estimates end and return when a camera fails."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from sparsh_ros.bench.fault_injection import bench as fault_bench
from sparsh_ros.bench.fault_injection import faults as fault_trials
from sparsh_ros.bench.fault_injection import soak
from sparsh_ros.bench.fault_injection.bench import Outage, TimedEstimate
from sparsh_ros.bench.fault_injection.faults import TRIALS
from sparsh_ros.cli import main
from sparsh_ros.commands import faults


def estimates(*moments: tuple[float, bool]) -> list[TimedEstimate]:
    return [TimedEstimate(moment_s, valid) for moment_s, valid in moments]


def test_outage_of_a_fault_that_lasts() -> None:
    outage = Outage.of(
        estimates((9.9, True), (10.02, True), (10.15, False), (10.9, False), (11.0, True)),
        fault_s=10.0,
        well_s=10.5,
    )
    assert outage.said_s == pytest.approx(0.15)
    assert outage.longest_s == pytest.approx(0.98)
    assert outage.back_s == pytest.approx(0.5)
    assert outage.wrong == 0


def test_outage_that_was_none() -> None:
    outage = Outage.of(estimates((9.99, True), (10.03, True), (10.05, True)), 10.0, 10.01)
    assert math.isnan(outage.said_s) and outage.wrong == 0
    assert outage.longest_s == pytest.approx(0.04)


def test_estimate_that_is_valid_while_the_camera_is_not_well_counts_as_wrong() -> None:
    seen = estimates((9.9, True), (10.1, False), (10.2, True), (10.3, False), (10.6, True))
    assert Outage.of(seen, fault_s=10.0, well_s=10.5).wrong == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_bench, "START_S", 0.0)
    monkeypatch.setattr(fault_trials, "AWAY_S", (0.2, 0.3))
    monkeypatch.setattr(faults, "_LOAD_S", 0.2)
    monkeypatch.setattr(soak, "PERIOD_S", 0.2)


@pytest.mark.usefixtures("quick")
def test_every_row_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--runs", "1"]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {trial.fault}" for trial in TRIALS]
    for trial, row in zip(TRIALS, rows, strict=True):
        invalid, median_s, longest_s = re.search(r"\| (\S+) \| (\S+) \| (\S+) \|$", row).groups()
        assert 0 < float(median_s) <= float(longest_s)
        assert not trial.lasts or float(invalid) > 0
    lasting = sum(trial.lasts for trial in TRIALS)
    assert f"invalid while a fault lasted: {lasting} of {lasting} tries" in said
    assert "after a replug: 1 of 1 tries" in said
    assert re.search(r"Driver process at \d+ frames/s: .*% of one core, of which .*%", said)


KEPT = Outage(said_s=0.13, longest_s=1.0, back_s=0.7, wrong=0)


@pytest.mark.parametrize(
    ("change", "kept"),
    [({}, True), ({"said_s": math.nan}, False), ({"back_s": 2.1}, False), ({"wrong": 1}, False)],
)
def test_broken_promise_shows(change: dict, kept: bool) -> None:
    outages = {trial.fault: [KEPT] for trial in TRIALS}
    replug = next(trial for trial in TRIALS if trial.from_return)
    outages[replug.fault] = [KEPT, replace(KEPT, **change)]
    assert faults._judged(outages)[0] == kept


@pytest.mark.usefixtures("quick")
def test_soak_accounts_for_every_frame(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--soak", "0.05"]) == 0
    said = capsys.readouterr().out
    assert "unaccounted for 0." in said and "of these during a fault 0." in said
    before, after = re.search(r"open files \| (\d+) \| (\d+)", said).groups()
    assert int(after) <= int(before)


HELD = {"threads": (4, 4), "open files": (10, 10), "memory, MB": (130, 130)}
FRAMES = soak.FrameTally(made=300, good=280, broken=15, lost=5)
PASSED = soak.Soak([KEPT], 5.0, 1, FRAMES, 290, 250, HELD)


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, True),
        ({"frames": replace(FRAMES, good=279)}, False),
        ({"outages": [replace(KEPT, wrong=1)]}, False),
        ({"held": HELD | {"threads": (4, 5)}}, False),
        ({"held": HELD | {"open files": (10, 11)}}, False),
        ({"held": HELD | {"memory, MB": (130, 151)}}, False),
        ({"held": HELD | {"memory, MB": (130, 140)}}, True),
    ],
)
def test_soak_that_fails(change: dict, passed: bool) -> None:
    assert replace(PASSED, **change).passed == passed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runs", "0"), "--runs: wanted a whole number above 0, found '0'"),
        (("--soak", "nan"), "--soak: wanted a number above 0, found 'nan'"),
    ],
)
def test_nothing_to_measure_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], message: str
) -> None:
    with pytest.raises(SystemExit):
        main(["faults", *arguments])
    assert message in capsys.readouterr().err
