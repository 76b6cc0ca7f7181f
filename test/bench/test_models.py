# SPDX-License-Identifier: Apache-2.0
"""The bench times what it says, against its baselines, and writes down what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.bench import models
from sparsh_ros.bench import simulation as gel_bench
from sparsh_ros.bench.models import Case, measure, with_speed_up
from sparsh_ros.bench.results import Row
from sparsh_ros.cli import main
from sparsh_ros.errors import SparshError
from sparsh_ros.names import STREAM_MODEL, TRANSFORMER_MODEL
from sparsh_ros.simulation.sensor_instance import SENSORS


class CountingEngine:
    """Engine that only counts its calls."""

    def __init__(self, name: str, frames: int = 2) -> None:
        self.description = name
        self.frames = frames
        self.image_shape = (320, 240, 3)
        self.heads = ("force", "slip")
        self.encoded: list[int] = []
        self.decoded: list[str] = []

    def encode(self, *images: np.ndarray) -> int:
        assert len(images) == self.frames + 1
        assert len({image.shape for image in images}) == 1
        self.encoded.append(len(images[0]))
        return len(images[0])

    def run_head(self, head: str, tokens: int) -> dict[str, np.ndarray]:
        self.decoded.append(head)
        return {head: np.zeros((tokens, 3), np.float32)}


def test_every_case_runs_as_often_as_asked() -> None:
    one, two = CountingEngine("one"), CountingEngine("two", frames=4)
    between = []
    rows = measure([Case(one), Case(two, 4)], 2, lambda: between.append(len(one.encoded)))
    runs = models.WARM_UP_RUNS + 2
    calls = models.TURNS * runs
    assert one.encoded == [1] * calls
    assert two.encoded == [4] * calls
    assert two.decoded == ["force", "slip"] * calls
    assert between == [runs * turn for turn in range(1, models.TURNS + 1)]
    assert [row.name for row in rows] == ["one", "two, 4 pairs at once"]
    for row, batch in zip(rows, (1, 4), strict=True):
        encode, total, pair = row.quantities.values()
        assert 0 < total.low <= total.median <= total.high
        assert encode.median <= total.median
        assert pair.median == pytest.approx(total.median / batch)


def test_nodes_of_today_encode_once_for_every_head() -> None:
    engine = CountingEngine("plain")
    case = Case(engine, encodes_per_head=True)
    measure([case], runs=2)
    assert (
        len(engine.encoded) == len(engine.decoded) == 2 * models.TURNS * (models.WARM_UP_RUNS + 2)
    )
    assert case.name == "plain, encoder once per head"


def test_speed_up_is_per_pair_and_its_spread_that_of_both() -> None:
    plain = Row.of("plain", [{"PAIR_MS": value} for value in (20.0, 18.0, 24.0)])
    ours = Row.of("ours", [{"PAIR_MS": value} for value in (10.0, 9.0, 12.0)])
    times = with_speed_up(ours, plain).quantities["SPEED_UP"]
    assert (times.median, times.low, times.high) == (2.0, 1.5, pytest.approx(24 / 9))


def test_the_command_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(models, "baseline_cases", lambda spec: [Case(CountingEngine("plain"))])
    monkeypatch.setattr(models, "candidate_cases", lambda spec: [Case(CountingEngine("ours"), 4)])
    monkeypatch.setattr(gel_bench, "TURNS", 1)
    monkeypatch.setattr(gel_bench, "FRAMES", 3)
    path = tmp_path / "bench.json"
    asked = ["bench", "model", "--runs", "1", "--baseline", "--anyway", "--out", str(path)]
    assert main(asked) == 0
    cases = json.loads(path.read_text())["cases"]
    assert [case["name"] for case in cases] == ["plain", "ours, 4 pairs at once", *SENSORS]
    assert cases[0]["SPEED_UP"]["median"] == 1.0 and cases[1]["TOTAL_MS_UNITS"] > 0.0
    for case in cases[2:]:
        assert 0 < case["OPTICS_MS"]["median"] < case["FRAME_MS"]["median"]
    printed = capsys.readouterr().out
    assert "ours" in printed and "gelsight_mini" in printed


def test_two_models_are_timed_in_the_same_turns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    engines = {name: CountingEngine("engine") for name in (STREAM_MODEL, TRANSFORMER_MODEL)}
    monkeypatch.setattr(models, "candidate_cases", lambda spec: [Case(engines[spec.name])])
    monkeypatch.setattr(gel_bench, "measure", lambda: [])
    assert main(["bench", "model", "--beside", TRANSFORMER_MODEL, "--runs", "1", "--anyway"]) == 0
    first, second = (len(engine.encoded) for engine in engines.values())
    assert first == second > 0
    printed = capsys.readouterr().out
    assert all(f"{name}: engine" in printed for name in engines)


def test_a_busy_machine_ends_it_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise SparshError("bench: wanted a quiet machine")

    monkeypatch.setattr(models, "refuse_loaded", refuse)
    assert main(["bench", "model", "--runs", "1"]) == 1
    assert "wanted a quiet machine" in capsys.readouterr().err


def test_no_runs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "model", "--runs", "0"])
    assert "--runs: wanted a whole number above 0" in capsys.readouterr().err
