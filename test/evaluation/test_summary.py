# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows of an evaluation."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from fixtures.made_up_results import make_result, make_sensor
from rich.console import Console

from sparsh_ros.evaluation.metrics_file import build_document
from sparsh_ros.evaluation.result import Result
from sparsh_ros.evaluation.summary import TITLES, number, remarks, score_table, span


def evaluated(*sensors) -> Result:
    result = make_result(*sensors)
    return replace(result, metrics=build_document(result, seed=0))


def test_every_score_has_a_title_and_every_title_a_score() -> None:
    slipping = make_sensor("a", 0.1)
    slipping.labels.slipping[:] = slipping.labels.in_contact[:] = 0
    slipping.labels.pose_change[:] = 0
    slipping.estimates.slipping[:] = 0
    slipping.estimates.slip_probability[:] = 0.1
    slipping.labels.pose_bins[:] = 5
    scores = evaluated(slipping).metrics["scores"]
    assert {task: set(found) for task, found in scores.items()} == {
        task: set(titles) for task, titles in TITLES.items()
    }


def test_the_table_shows_scores_with_intervals_and_leaves_out_the_unknown() -> None:
    result = evaluated(*(make_sensor(name, error) for name, error in (("a", 0.1), ("b", 0.3))))
    console = Console(file=io.StringIO(), width=100)
    console.print(score_table(result.metrics))
    text = console.file.getvalue()
    assert "on 2 recordings" in text
    row = next(line for line in text.splitlines() if "MAE x" in line)
    assert "200" in row and "100 to 300" in row and "mN" in row
    assert "slip" not in text


def test_what_holds_for_several_recordings_is_said_once() -> None:
    reasons = {"reasons": ("no partner frame",)}
    sensors = [make_sensor(name, 0.1, notes=("odd.",), estimates=reasons) for name in "abc"]
    sensors[0].estimates.reason[:5] = 0
    sensors[1].unaligned["force"]["in a gap of the labels"] = 1200
    result = replace(evaluated(*sensors), skipped={"d": "no images"})
    lines = remarks(result)
    assert lines[0].startswith("60 frames in 2 s: 30 frames/s")
    assert lines[1:] == [
        "skipped d: no images",
        "frames without an estimate: 5 no partner frame",
        "force: estimates without a label: 1,200 in a gap of the labels",
        "a, left and 2 more: odd.",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (12345, "12,345"), (0.123456, "0.1235"), (1234.5, "1234"), (98765.4, "98,765")],
)
def test_numbers_have_four_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_an_interval_without_width_is_not_shown() -> None:
    assert span(1.0, 2.0) == "1 to 2"
    assert span(None, None) == span(3, 3) == ""


def test_what_the_model_does_not_estimate_is_told() -> None:
    result = evaluated(make_sensor("a", 0.1))
    result = replace(result, model={**result.model, "name": "tiny", "heads": ["force"]})
    assert remarks(result)[1:] == ["tiny does not estimate slip", "tiny does not estimate pose"]
