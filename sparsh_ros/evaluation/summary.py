# SPDX-License-Identifier: Apache-2.0
"""Tables of scores for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from sparsh_ros.evaluation.result import UNKNOWN, Result, SensorResult
from sparsh_ros.evaluation.titles import TITLES

Number = float | int | None


def score_table(metrics: Mapping[str, Any]) -> Table:
    """All scores of an evaluation, given what metrics.json holds."""
    table = Table("", "score", "95 % interval", "unit", title=_heading(metrics))
    for task, titles in TITLES.items():
        if task not in metrics["scores"]:
            continue
        table.add_section()
        table.add_row(f"[bold]{task}[/bold]")
        for key, title in titles.items():
            score = metrics["scores"][task][key]
            if score["value"] is not None:
                between = span(score["low"], score["high"])
                table.add_row(title.text, number(score["value"]), between, title.unit)
    return table


def number(value: Number) -> str:
    """A number to be read: four digits, "-" where it is not known."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def span(low: Number, high: Number) -> str:
    """An interval to be read; empty where there is none or it has no width."""
    if low is None or high is None or low == high:
        return ""
    return f"{number(low)} to {number(high)}"


def runtime_line(metrics: Mapping[str, Any]) -> str:
    """How fast the evaluation was, in a sentence."""
    runtime = metrics["runtime"]
    latency = runtime["latency_ms"]
    return (
        f"{runtime['frames']:,} frames in {number(runtime['wall_s'])} s: "
        f"{number(runtime['frames_per_second'])} frames/s; perception {number(latency['p50'])} ms "
        f"per frame (median), {number(latency['p99'])} ms (99 of 100 below); {runtime['engine']}"
    )


def remarks(result: Result) -> list[str]:
    """What the table does not tell, in sentences: speed, what is left out and why, what else to
    know; what holds for several recordings is said once."""
    lines = [runtime_line(result.metrics)]
    lines += [f"skipped {name}: {why}" for name, why in result.skipped.items()]
    model = result.model
    lines += [f"{model['name']} does not estimate {t}" for t in TITLES if t not in model["heads"]]
    lines += _left_out(result.sensors)
    notes: dict[str, list[str]] = {}
    for sensor in result.sensors:
        for note in sensor.notes:
            notes.setdefault(note, []).append(f"{sensor.recording}, {sensor.sensor}")
    for note, places in notes.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        lines.append(f"{places[0]}{more}: {note}")
    return lines


def _left_out(sensors: Iterable[SensorResult]) -> list[str]:
    invalid: Counter[str] = Counter()
    unaligned: dict[str, Counter[str]] = {}
    for sensor in sensors:
        found = sensor.estimates.reason[sensor.estimates.reason != UNKNOWN]
        invalid.update(sensor.estimates.reasons[index] for index in found.tolist())
        for task, reasons in sensor.unaligned.items():
            unaligned.setdefault(task, Counter()).update(reasons)
    lines = [f"frames without an estimate: {_counted(invalid)}"] if invalid else []
    return lines + [
        f"{task}: estimates without a label: {_counted(reasons)}"
        for task, reasons in unaligned.items()
        if reasons
    ]


def _counted(reasons: Counter[str]) -> str:
    return "; ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())


def _heading(metrics: Mapping[str, Any]) -> str:
    names = {entry["name"] for entry in metrics["recordings"]}
    return f"{metrics['model']['name']} on {len(names)} recording{'s'[: len(names) != 1]}"
