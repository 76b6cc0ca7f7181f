# SPDX-License-Identifier: Apache-2.0
"""Differences between two evaluations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.made_up_results import make_result, make_sensor, make_slips

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation.compare import compare
from sparsh_ros.evaluation.metrics_file import build_document, read_metrics
from sparsh_ros.evaluation.result import Result


def metrics_of(result: Result) -> dict:
    """What metrics.json holds, as it is read."""
    return json.loads(json.dumps(build_document(result, seed=0)))


def test_a_steady_difference_is_certain_although_the_recordings_differ() -> None:
    hard = (0.1, 0.5, 1.0, 3.0)
    first = metrics_of(make_result(*(make_sensor(f"{e}", e) for e in hard)))
    second = metrics_of(make_result(*(make_sensor(f"{e}", e - 0.05) for e in hard)))
    rows = {row.key: row for row in compare(first, second)}
    mae = rows["mae_x_mn"]
    assert mae.difference == pytest.approx(-50, abs=0.01)
    assert mae.low == pytest.approx(-50, abs=0.01) and mae.high == pytest.approx(-50, abs=0.01)
    assert mae.verdict == "better"
    assert rows["mae_z_mn"].verdict == ""
    back = {row.key: row for row in compare(second, first)}
    assert back["mae_x_mn"].verdict == "worse"


def test_an_uncertain_difference_has_no_verdict() -> None:
    first = metrics_of(make_result(*(make_sensor(f"{i}", 0.5) for i in range(4))))
    errors = (0.1, 0.9, 0.2, 0.85)
    second = metrics_of(make_result(*(make_sensor(f"{i}", e) for i, e in enumerate(errors))))
    mae = next(row for row in compare(first, second) if row.key == "mae_x_mn")
    assert mae.low < 0 < mae.high and mae.verdict == ""


def test_more_is_better_of_slip() -> None:
    good = metrics_of(make_result(*(make_slips(n, [0, 1, 1, 0], "0110") for n in "abc")))
    bad = metrics_of(make_result(*(make_slips(n, [0, 0, 1, 1], "0110") for n in "abc")))
    rows = {row.key: row for row in compare(bad, good)}
    assert rows["f1"].difference == 0.5 and rows["f1"].verdict == "better"
    assert rows["delay_mean_ms"].verdict == "better"
    # No sum over recordings, so no interval from the two files.
    assert rows["average_precision"].difference > 0 and rows["average_precision"].low is None


def test_one_recording_gives_differences_without_intervals() -> None:
    first, second = (metrics_of(make_result(make_sensor("a", e))) for e in (0.1, 0.3))
    mae = next(row for row in compare(first, second) if row.key == "mae_x_mn")
    assert mae.difference == pytest.approx(200, abs=0.01) and mae.low is None


def test_labels_in_other_recordings_are_no_pairs() -> None:
    first, second = (
        metrics_of(make_result(*(make_sensor(name, e) for name in "abc"))) for e in (0.1, 0.3)
    )
    del second["recordings"][0]["sums"]["force"]
    mae = next(row for row in compare(first, second) if row.key == "mae_x_mn")
    assert mae.difference == pytest.approx(200, abs=0.01)
    assert mae.low is None and mae.verdict == ""
    del first["recordings"][1]["sums"]["force"]  # as many, but not the same
    assert all(row.low is None for row in compare(first, second))


def test_other_recordings_are_refused() -> None:
    first = metrics_of(make_result(make_sensor("a", 0.1), make_sensor("b", 0.1)))
    for other in (make_sensor("c", 0.1), make_sensor("b", 0.1, count=7)):
        second = metrics_of(make_result(make_sensor("a", 0.1), other))
        with pytest.raises(RecordingError, match="wanted the same recordings in both.*b/left"):
            compare(first, second)


def test_other_schemas_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    for text, message in (
        (json.dumps({"schema": 1}), "wanted schema 3, found 1"),
        ("[]", "wanted schema 3, found None"),
        ("{", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(RecordingError, match=message):
            read_metrics(path)
    with pytest.raises(RecordingError, match="cannot be read"):
        read_metrics(tmp_path / "none.json")
    damaged = metrics_of(make_result(make_sensor("a", 0.1)))
    damaged["recordings"][0]["sums"]["force"].pop("count")
    with pytest.raises(RecordingError, match="missing or damaged"):
        compare(damaged, damaged)
