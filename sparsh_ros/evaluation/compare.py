# SPDX-License-Identifier: Apache-2.0
"""Differences between two evaluations on the same recordings, with intervals.

The intervals come from the bootstrap of `metrics_file`, paired: in each replicate both evaluations
get the same recordings, so what makes a recording hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation.metrics import Sums, Values
from sparsh_ros.evaluation.metrics_file import (
    confidence_interval,
    draw_recordings,
    replicate_scores,
)
from sparsh_ros.evaluation.scores import COUNTS, add_up
from sparsh_ros.evaluation.summary import TITLES, Number, number, span


class Difference(NamedTuple):
    """One score of both evaluations, and second - first with its interval."""

    task: str
    key: str
    first: Number
    second: Number
    difference: float | None
    low: Number
    high: Number

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the interval of the difference leaves 0 out; else empty."""
        sign = TITLES[self.task][self.key].sign
        if not sign or self.low is None or self.low <= 0 <= self.high:
            return ""
        return "better" if self.low * sign > 0 else "worse"


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Differences of all scores that both have.

    Args:
        first, second: what two metrics.json hold.

    Raises:
        RecordingError: the recordings are not the same, or a part is missing.
    """
    try:
        _refuse_others(_recordings(first), _recordings(second))
        seed = first["settings"]["seed"]
        tasks = [task for task in TITLES if task in first["scores"] and task in second["scores"]]
        return [row for task in tasks for row in _differences(task, first, second, seed)]
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"metrics: a part is missing or damaged ({error!r})") from error


def difference_table(rows: list[Difference]) -> Table:
    """The differences to be read; numbers of cases are left out."""
    table = Table("", "A", "B", "B - A", "95 % interval", "unit", "B is")
    for task, group in groupby(rows, key=lambda row: row.task):
        table.add_section()
        table.add_row(f"[bold]{task}[/bold]")
        for row in group:
            if row.key in COUNTS:
                continue
            title = TITLES[task][row.key]
            values = map(number, (row.first, row.second, row.difference))
            table.add_row(title.text, *values, span(row.low, row.high), title.unit, row.verdict)
    return table


def _recordings(metrics: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    return {(e["name"], e["sensor"]): e["frames"]["received"] for e in metrics["recordings"]}


def _refuse_others(first: Mapping[Any, int], second: Mapping[Any, int]) -> None:
    if first == second:
        return
    odd = sorted(set(first.items()) ^ set(second.items()))
    names = ", ".join(f"{name}/{sensor} ({frames} frames)" for (name, sensor), frames in odd[:4])
    raise RecordingError(
        f"compare: wanted the same recordings in both, found {len(odd)} that only one has "
        f"({names}{', ...' if len(odd) > 4 else ''}); evaluate both models on the same bags"
    )


def _differences(
    task: str, first: Mapping[str, Any], second: Mapping[str, Any], seed: int
) -> list[Difference]:
    parts = [_sums_by_recording(metrics, task) for metrics in (first, second)]
    drawn: list[Values] = [{}, {}]
    # Models of other intervals may have labels in other recordings: those are no pairs.
    if parts[0].keys() == parts[1].keys():
        draws = draw_recordings(len(parts[0]), seed)
        drawn = [replicate_scores(task, list(found.values()), draws) for found in parts]
    rows = []
    for key in TITLES[task]:
        values = [metrics["scores"][task][key]["value"] for metrics in (first, second)]
        if None in values:
            continue
        low = high = None
        if key in drawn[0] and key not in COUNTS and len(parts[0]) > 1:
            low, high = confidence_interval(drawn[1][key] - drawn[0][key])
        rows.append(Difference(task, key, *values, values[1] - values[0], low, high))
    return rows


def _sums_by_recording(metrics: Mapping[str, Any], task: str) -> dict[str, Sums]:
    """The sums of each recording with labels for a task, its sensors together."""
    entries = [entry for entry in metrics["recordings"] if task in entry["sums"]]
    return {
        name: add_up([{k: np.array(v, float) for k, v in e["sums"][task].items()} for e in group])
        for name, group in groupby(entries, key=lambda entry: entry["name"])
    }
