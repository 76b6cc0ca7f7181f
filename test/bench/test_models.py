# SPDX-License-Identifier: Apache-2.0
"""The bench times what it says, against its baseline, and writes down what it prints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.bench import models
from sparsh_ros.bench import simulation as gel_bench
from sparsh_ros.bench.models import Case, Timing, measure, timings_table
from sparsh_ros.cli import main
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.simulation.sensor_instance import SENSORS


class CountingEngine:
    """Engine that only counts its calls."""

    def __init__(self, name: str, frames: int = 2) -> None:
        self.description = name
        self.frames = frames
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
    timings = measure([Case(one), Case(two, 4)], runs=2)
    calls = models.TURNS * (models.WARM_UP_RUNS + 2)
    assert one.encoded == [1] * calls
    assert two.encoded == [4] * calls
    assert two.decoded == ["force", "slip"] * calls
    for timing, name in zip(timings, ("one", "two"), strict=True):
        assert timing.engine == name
        low, high = timing.total_ms_range
        assert 0 < low <= timing.total_ms <= high
        assert timing.encode_ms <= timing.total_ms


def test_speed_up_is_per_pair() -> None:
    spec = ModelSpec("toy", "micro", "MIT", Path("toy"), heads=("force",))
    reference = Timing("plain", 1, 18.0, 20.0, (19.0, 21.0))
    timings = [reference, replace(reference, engine="ours", batch=4, total_ms=40.0)]
    *_, per_pair, speed_up = timings_table(spec, timings, reference).columns
    assert list(per_pair.cells) == ["20.00", "10.00"]
    assert list(speed_up.cells) == ["1.00", "2.00"]


def test_the_command_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(models, "baseline_case", lambda spec: Case(CountingEngine("plain")))
    monkeypatch.setattr(models, "candidate_cases", lambda spec: [Case(CountingEngine("ours"), 4)])
    monkeypatch.setattr(gel_bench, "TURNS", 1)
    monkeypatch.setattr(gel_bench, "FRAMES", 3)
    path = tmp_path / "bench.json"
    assert main(["bench", "--runs", "1", "--out", str(path)]) == 0
    report = json.loads(path.read_text())
    assert [case["engine"] for case in report["cases"]] == ["plain", "ours"]
    assert report["baseline"] == report["cases"][0]
    assert [timing["sensor"] for timing in report["gel"]] == list(SENSORS)
    assert all(0 < timing["optics_ms"] < timing["frame_ms"] for timing in report["gel"])
    printed = capsys.readouterr().out
    assert "ours" in printed and "gelsight_mini" in printed


def test_no_runs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--runs", "0"])
    assert "--runs: wanted a whole number above 0" in capsys.readouterr().err
