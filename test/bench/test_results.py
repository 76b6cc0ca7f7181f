# SPDX-License-Identifier: Apache-2.0
"""Repeats become a median and a spread, in a table and in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparsh_ros.bench.conditions import Conditions
from sparsh_ros.bench.results import Row, show, write

REPEATS = [
    {"MEAN_FRAME_RATE": 59.0, "LATENCY_P99": 21.0},
    {"MEAN_FRAME_RATE": 60.0, "LATENCY_P99": 12.0},
    {"MEAN_FRAME_RATE": 40.0, "LATENCY_P99": 14.0},
]
CONDITIONS = Conditions(seconds=60.0, others=0.1, own=1.5, units_ms=[4.0, 5.0, 3.0])


def test_a_table_shows_median_and_range(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"LATENCY_P99": "p99, ms"}
    show("graph", [Row.of("one sensor", REPEATS)], columns, CONDITIONS)
    said = capsys.readouterr().out
    assert "14.00 (12.00 to 21.00)" in said and "p99, ms" in said
    assert "others kept 0.10 cores busy" in said


def test_a_file_has_times_in_units_of_work_too(tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    write(path, "graph", [Row.of("one sensor", REPEATS)], CONDITIONS, seconds=20.0)
    document = json.loads(path.read_text())
    [case] = document["cases"]
    assert case["name"] == "one sensor"
    assert case["MEAN_FRAME_RATE"] == {"median": 59.0, "low": 40.0, "high": 60.0}
    assert case["LATENCY_P99_UNITS"] == 14.0 / 4.0 and "MEAN_FRAME_RATE_UNITS" not in case
    assert document["metadata"]["settings"] == {"seconds": 20.0}
    assert document["metadata"]["conditions"]["unit_ms"] == 4.0
    assert document["metadata"]["machine"]["cores"] >= 1
