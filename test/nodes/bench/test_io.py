# SPDX-License-Identifier: Apache-2.0
"""Every step of a frame is really done, and timed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sparsh_ros.cli import main
from sparsh_ros.nodes.bench import io
from sparsh_ros.nodes.bench.io import Times


def test_a_step_is_done_and_timed_twice() -> None:
    times = Times()
    assert times.run(sum, [1, 2, 3]) == 6 and times.run(sum, [4]) == 4
    assert len(times.clock_ms) == len(times.cpu_ms) == 2
    waiting = Times([1.0, 2.0, 30.0]).summary()
    assert waiting["MEDIAN_MS"] == 2.0 and 2.0 < waiting["WORST_MS"] < 30.0
    assert math.isnan(waiting["CPU_MS"])


def test_images_arrive_by_the_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    [(name, times)] = io.time_middleware(5).items()
    assert name == "middleware, 60 images/s"
    assert 1 <= len(times.clock_ms) <= 5 and min(times.clock_ms) > 0.0


def test_the_way_of_a_frame_is_written_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io, "time_middleware", lambda frames: {"middleware": Times([1.0] * frames)})
    path = tmp_path / "io.json"
    assert (
        main(["bench", "io", "--runs", "1", "--frames", "3", "--anyway", "--out", str(path)]) == 0
    )
    cases = {case.pop("name"): case for case in json.loads(path.read_text())["cases"]}
    assert [name.split(":")[0] for name in cases] == ["sensor"] * 3 + ["middleware"] + [
        "perception"
    ] * 7
    whole = cases["perception: pair, background, encoder"]
    image_kb = 320 * 240 * 3e-3
    for name, low, high in (
        ("sensor: make its bytes", image_kb, 2 * image_kb),
        ("perception: message to pixels", 0.0, image_kb / 2),  # a view
        ("perception: pair, background, encoder", 10.0, 10 * image_kb),
    ):
        assert low <= cases[name]["NEW_KB"]["median"] < high, name
    assert 0 < cases["perception: encoder"]["CPU_MS"]["median"] < whole["CPU_MS"]["median"]
    assert whole["MEDIAN_MS"]["median"] > 0
