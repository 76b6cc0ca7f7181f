# SPDX-License-Identifier: Apache-2.0
"""What the scores are called where people read them, and tables of them for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rich.table import Table

from sparsh_ros.evaluation.result import UNKNOWN, Result, SensorResult

Number = float | int | None


class Title(NamedTuple):
    """A score in words, its unit, and whether more of it is better (1), worse (-1) or neither."""

    text: str
    unit: str = ""
    sign: int = 0


_AXES = {"x": "x", "y": "y", "z": "z", "norm": "of the norm"}
_POSE_AXES = {"tx": "x", "ty": "y", "yaw": "rotation"}

TITLES: dict[str, dict[str, Title]] = {
    "force": {
        "labelled": Title("frames with a label"),
        "answered": Title("of them with an estimate"),
        **{f"mae_{key}_mn": Title(f"MAE {name}", "mN", -1) for key, name in _AXES.items()},
        **{f"rmse_{key}_mn": Title(f"RMSE {name}", "mN", -1) for key, name in _AXES.items()},
        "published_rmse_mn": Title("MAE of all axes, the published 'RMSE'", "mN", -1),
    },
    "slip": {
        "labelled": Title("frames with a label"),
        "answered": Title("of them with an estimate"),
        "threshold": Title("threshold"),
        "precision": Title("precision", "", 1),
        "recall": Title("recall", "", 1),
        "f1": Title("F1", "", 1),
        "average_precision": Title("average precision", "", 1),
        "onsets": Title("onsets"),
        "missed_onsets": Title("onsets missed", "", -1),
        "delay_mean_ms": Title("detection delay, mean", "ms", -1),
        "delay_median_ms": Title("detection delay, median", "ms", -1),
        "false_alarms_per_minute": Title("false alarms", "1/min", -1),
        "published_precision": Title("published precision", "", 1),
        "published_recall": Title("published recall", "", 1),
        "published_f1": Title("published F1", "", 1),
        "published_threshold": Title("published threshold"),
        **{f"delta_mae_{axis}_mn": Title(f"force change, MAE {axis}", "mN", -1) for axis in "xyz"},
    },
    "pose": {
        "labelled": Title("frames with a label"),
        "answered": Title("of them with an estimate"),
        **{f"accuracy_{k}": Title(f"11-bin accuracy {v}", "", 1) for k, v in _POSE_AXES.items()},
        "accuracy": Title("11-bin accuracy, mean", "", 1),
        **{
            f"balanced_accuracy_{key}": Title(f"balanced accuracy {name}", "", 1)
            for key, name in _POSE_AXES.items()
        },
        "balanced_accuracy": Title("balanced accuracy, mean", "", 1),
        "mae_tx_mm": Title("MAE x", "mm", -1),
        "mae_ty_mm": Title("MAE y", "mm", -1),
        "mae_yaw_deg": Title("MAE rotation", "degrees", -1),
        "drift_mm_per_s": Title("drift of the pose", "mm/s", -1),
        "drift_deg_per_s": Title("drift of the pose", "degrees/s", -1),
    },
}
"""Task -> score -> title, in the order in which they are shown."""


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
