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
    """A score in words.

    Attributes:
        text: Its name.
        unit: Its unit.
        sign: Whether more of it is better (1), worse (-1) or neither.
        meaning: What it says, in a line.
    """

    text: str
    unit: str = ""
    sign: int = 0
    meaning: str = ""


_AXES = {"x": "x", "y": "y", "z": "z", "norm": "of the norm"}
_POSE_AXES = {"tx": "x", "ty": "y", "yaw": "rotation"}
_DRIFT = "how fast the error of the motion since contact grows"


def _coverage(what: str) -> dict[str, Title]:
    return {
        "labelled": Title("frames with a label", meaning=f"frames of which {what} is known"),
        "coverage": Title(
            "with an estimate", "", 1, "ratio of these that have an estimate as well"
        ),
    }


def _decision(what: str, prefix: str = "", name: str = "") -> dict[str, Title]:
    """Titles of precision, recall and F1."""
    meanings = {
        "precision": f"of the frames with the estimate, the ratio in which {what}",
        "recall": f"of the frames in which {what}, the ratio with the estimate",
        "f1": "harmonic mean of precision and recall",
    }
    return {
        f"{prefix}{key}": Title(f"{name}{'F1' if key == 'f1' else key}", "", 1, meaning)
        for key, meaning in meanings.items()
    }


def _events(noun: str, verb: str) -> dict[str, Title]:
    return {
        "onsets": Title("onsets", meaning=f"how often {noun} begins"),
        "missed_onsets": Title("onsets missed", "", -1, "no alarm begins within 83 ms after them"),
        "event_f1": Title("event F1", "", 1, "of found, missed and false: alarms, not frames"),
        "delay_mean_ms": Title(
            "delay, mean", "ms", -1, "from an onset to its alarm, of those found"
        ),
        "false_alarms_per_minute": Title(
            "false alarms", "1/min", -1, f"alarms that begin while nothing {verb}, by that time"
        ),
        "quiet_alarmed": Title(
            "quiet time alarmed", "", -1, f"ratio of the time without {noun} that has an alarm"
        ),
    }


def _force(name: str, key: str) -> dict[str, Title]:
    return {
        f"mae_{key}_mn": Title(f"MAE {name}", "mN", -1, "mean of |estimate - truth|"),
        f"rmse_{key}_mn": Title(f"RMSE {name}", "mN", -1, "root of the mean squared error"),
        f"correlation_{key}": Title(
            f"correlation {name}", "", 1, "Pearson's, blind to gain and offset"
        ),
        f"slope_{key}": Title(
            f"slope {name}", "", meaning="of the estimate over the truth; 1 is right"
        ),
    }


_SLIP_EVENTS = _events("slip", "slips")

TITLES: dict[str, dict[str, Title]] = {
    "force": {
        **_coverage("the force"),
        **{k: title for key, name in _AXES.items() for k, title in _force(name, key).items()},
        "touch_mae_z_mn": Title("MAE z in contact", "mN", -1, "over frames of contact alone"),
        "touch_correlation_z": Title("correlation z in contact", "", 1, "over frames of contact"),
        "published_rmse_mn": Title(
            "MAE of all axes", "mN", -1, "the figure that is published as 'RMSE' of this task"
        ),
    },
    "contact": {
        **_coverage("contact"),
        **_decision("something touches"),
        **_events("contact", "touches"),
    },
    "slip": {
        **_coverage("slip"),
        "threshold": Title("threshold", meaning="slip from this probability on"),
        **_decision("it slips"),
        "average_precision": Title(
            "average precision", "", 1, "area under precision over recall, at all thresholds"
        ),
        **_SLIP_EVENTS,
        "delay_median_ms": Title("delay, median", "ms", -1, "half of the found onsets are faster"),
        **_decision("it slips", "moving_", "moving frames, "),
        "moving_average_precision": Title(
            "moving frames, average precision", "", 1, "where motion alone does not tell slip"
        ),
        **_decision("all of it slides", "gross_", "gross slip, "),
        "slide_speed_mm_s_mae": Title("slide speed, MAE", "mm/s", -1, "of the speed over the gel"),
        "slide_speed_mm_s_correlation": Title("slide speed, correlation", "", 1, "Pearson's"),
        "slip_share_mae": Title(
            "slip share, MAE", "", -1, "of the share of the contact that slides"
        ),
        "slip_share_correlation": Title("slip share, correlation", "", 1, "Pearson's"),
        "friction_margin_mae": Title(
            "friction margin, MAE", "", -1, "of how far shear is from the limit of friction"
        ),
        "friction_margin_correlation": Title("friction margin, correlation", "", 1, "Pearson's"),
        **_decision("it slips, by the three-frame protocol", "published_", "published "),
        "published_threshold": Title("published threshold", meaning="of that protocol"),
        **{
            f"delta_mae_{axis}_mn": Title(
                f"force change, MAE {axis}", "mN", -1, "of the change over the model's interval"
            )
            for axis in "xyz"
        },
    },
    "pose": {
        **_coverage("the motion"),
        **{
            f"accuracy_{key}": Title(
                f"11-bin accuracy {name}", "", 1, "ratio of frames in the right bin of motion"
            )
            for key, name in _POSE_AXES.items()
        },
        "accuracy": Title("11-bin accuracy, mean", "", 1, "over the axes that are estimated"),
        **{
            f"balanced_accuracy_{key}": Title(
                f"balanced accuracy {name}", "", 1, "the same with each bin counting alike"
            )
            for key, name in _POSE_AXES.items()
        },
        "balanced_accuracy": Title("balanced accuracy, mean", "", 1, "over the axes"),
        "mae_tx_mm": Title("MAE x", "mm", -1, "of the motion over the model's interval"),
        "mae_ty_mm": Title("MAE y", "mm", -1, "of the motion over the model's interval"),
        "mae_yaw_deg": Title("MAE rotation", "degrees", -1, "only where the print shows it"),
        "drift_mm_per_s": Title("drift of the pose", "mm/s", -1, _DRIFT),
        "drift_deg_per_s": Title("drift of the rotation", "degrees/s", -1, _DRIFT),
    },
}
"""Task -> score -> title, in the order in which they are shown."""

HEADS = {"force": "force", "contact": "force", "slip": "slip", "pose": "pose"}
"""Task -> the head that estimates it."""


def score_table(metrics: Mapping[str, Any]) -> Table:
    """All scores of an evaluation, given what metrics.json holds."""
    table = Table("", "score", "95 % interval", "unit", "baselines", title=_heading(metrics))
    for task, titles in TITLES.items():
        if task not in metrics["scores"]:
            continue
        table.add_section()
        table.add_row(f"[bold]{task}[/bold]")
        for key, title in titles.items():
            score = metrics["scores"][task][key]
            if score["value"] is not None:
                between = span(score["low"], score["high"])
                beside = baselines(score)
                table.add_row(title.text, number(score["value"]), between, title.unit, beside)
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


def baselines(score: Mapping[str, Any]) -> str:
    """What the same score is for answers that need no sensor, see `baselines`."""
    return ", ".join(f"{name} {number(value)}" for name, value in score["baselines"].items())


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
    lines += [
        f"{model['name']} does not estimate {task}"
        for task, head in HEADS.items()
        if head not in model["heads"]
    ]
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
