# SPDX-License-Identifier: Apache-2.0
"""Figures of the whole evaluation: errors, confusions, thresholds, latency, losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.metrics import precision_recall_points
from sparsh_ros.evaluation.result import Result, SensorResult
from sparsh_ros.evaluation.sums import add_up, slip_columns, task_sums
from sparsh_ros.names import FORCE_AXES
from sparsh_ros.reports.evaluation.confusion import confusion_table
from sparsh_ros.reports.evaluation.onsets import onset_section
from sparsh_ros.reports.html import key, table
from sparsh_ros.reports.plots import (
    Curve,
    Dot,
    density_plot,
    error_histogram,
    histogram,
    line_plot,
)

_POSE_AXES = (("x", "mm"), ("y", "mm"), ("rotation", "degrees"))
_CURVE_POINTS = 300
_JOURNEY = {
    "received": "frames in the recordings",
    "missing": "missing between them, by their stamps",
    "duplicates": "ignored: the stamp of the frame before",
    "late": "ignored: older than a frame before",
    "clock_steps": "steps back of the clock, after which a clip begins anew",
    "unpaired": "without an older frame to compare with",
    "encoded": "encoded",
}


def force_section(result: Result) -> list[str]:
    """Errors of the force, as HTML."""
    if "force" not in result.metrics["scores"]:
        return ["<h2>Force</h2><p>There is no label of force.</p>"]
    estimate = np.concatenate([sensor.estimates.force_n for sensor in result.sensors])
    truth = np.concatenate([sensor.labels.force_n for sensor in result.sensors])
    errors = [
        error_histogram(f"{name}: estimate − truth", "mN", 1e3 * (estimate - truth)[:, axis])
        for axis, name in enumerate(FORCE_AXES)
    ]
    pairs = [
        density_plot(f"{name}: estimate over truth", "N", truth[:, axis], estimate[:, axis])
        for axis, name in enumerate(FORCE_AXES)
    ]
    return [
        "<h2>Force</h2>",
        f'<div class="thirds">{"".join(errors)}</div>',
        f'<div class="thirds square">{"".join(pairs)}</div>',
    ]


def slip_section(result: Result, sensors: Sequence[SensorResult]) -> list[str]:
    """Slip: confusions, thresholds and onsets, as HTML; `sensors` in the order of the page."""
    if "slip" not in result.metrics["scores"]:
        return ["<h2>Slip</h2><p>There is no label of slip.</p>"]
    columns = [slip_columns(sensor) for sensor in result.sensors]
    answer, truth = (np.concatenate([column[part] for column in columns]) for part in (0, 1))
    threshold = result.model["slip_threshold"]
    if not len(answer):
        return ["<h2>Slip</h2><p>No frame has both an estimate and a label of slip.</p>"]
    return [
        "<h2>Slip</h2>",
        f"<p>The probability counts as 0 where the estimate says that nothing touches, as live. "
        f"The threshold is {threshold:.3g}.</p>",
        '<div class="columns">',
        *_slip_confusions(result.sensors),
        _precision_recall(answer, truth, result.metrics["scores"]["slip"]),
        _sweep(result.metrics["threshold_sweep"], threshold),
        "</div>",
        *onset_section(sensors, threshold),
    ]


def pose_section(result: Result) -> list[str]:
    """Motion: confusions of bins and errors, as HTML."""
    if "pose" not in result.metrics["scores"]:
        return ["<h2>Motion</h2><p>There is no label of motion.</p>"]
    sums = [found["pose"] for s in result.sensors if "pose" in (found := task_sums(s))]
    confusion = sum(part["confusion"] for part in sums)
    error = np.concatenate(
        [
            in_bin_units(s.estimates.pose_change) - in_bin_units(s.labels.pose_change)
            for s in result.sensors
        ]
    )
    edges = [result.model[f"pose_bin_edges_{unit}"] for unit in ("mm", "mm", "deg")]
    blocks = []
    for axis, (name, unit) in enumerate(_POSE_AXES):
        if confusion[axis].any():
            title = f"{name}, bins in {unit}"
            matrix = confusion_table(title, confusion[axis], _bin_names(edges[axis]))
            errors = error_histogram(f"{name}: estimate − truth", unit, error[:, axis])
            blocks.append(f"<div>{matrix}{errors}</div>")
    return ["<h2>Motion</h2>", f'<div class="columns">{"".join(blocks)}</div>']


def runtime_section(result: Result) -> list[str]:
    """Latency, speed and losses, as HTML."""
    latency_ms = result.runtime.latency_ms
    marks = {f"p{at}": float(np.percentile(latency_ms, at)) for at in (50, 99)}
    periods_ns = [sensor.period_ns for sensor in result.sensors if sensor.period_ns > 0]
    live_hz = 1e9 / np.median(periods_ns) if periods_ns else float("nan")
    rows = [
        (text, f"{sum(sensor.frames.get(name, 0) for sensor in result.sensors):,}")
        for name, text in _JOURNEY.items()
    ]
    speed = (
        ("evaluated, frames per second", f"{result.runtime.frames_per_second:.1f}"),
        ("recorded, frames per second of a sensor", f"{live_hz:.1f}"),
        ("time for all, s", f"{result.runtime.wall_s:.1f}"),
        ("engine", result.runtime.engine),
    )
    return [
        "<h2>Latency and losses</h2>",
        histogram("Pairing, encoder and heads, for each frame", "ms", latency_ms, marks),
        f'<div class="columns"><div><h3>Speed</h3>{table(("", ""), speed)}</div>'
        f"<div><h3>The way of the frames</h3>{table(('', 'number'), rows)}</div></div>",
    ]


def _slip_confusions(sensors: Sequence[SensorResult]) -> Iterator[str]:
    """Confusion matrices at the threshold in use, and of the published protocol."""
    sums = add_up([found["slip"] for s in sensors if "slip" in (found := task_sums(s))])
    titles = {"": "Frames at the threshold in use", "published_": "Published protocol"}
    for prefix, title in titles.items():
        hits, false, missed = (sums[prefix + k] for k in ("hits", "false_alarms", "misses"))
        right = sums["answered"] - hits - false - missed
        yield confusion_table(title, [[right, false], [missed, hits]], ("no slip", "slip"))


def _precision_recall(
    answer: NDArray[np.float64], truth: NDArray[np.bool_], scores: Mapping[str, Any]
) -> str:
    if not truth.any():
        return "<p>Nothing slips, so there is no curve of precision over recall.</p>"
    _, precision, recall = precision_recall_points(answer, truth)
    wanted = np.linspace(0, recall[-1], _CURVE_POINTS)
    picks = np.unique(np.minimum(np.searchsorted(recall, wanted), len(recall) - 1))
    points = [
        Dot(scores[f"{name}recall"]["value"], scores[f"{name}precision"]["value"], text, not name)
        for name, text in (("", "threshold in use"), ("published_", "published protocol"))
    ]
    always = Curve(np.array([0.0, 1.0]), np.full(2, truth.mean()), "mark")
    return line_plot(
        "Precision over recall; dashed: always saying slip",
        "precision",
        [always, Curve(recall[picks], precision[picks], "estimate")],
        y_range=(0.0, 1.0),
        x_range=(0.0, 1.0),
        x_unit="",
        dots=points,
    )


def _sweep(sweep: Mapping[str, Any], threshold: float) -> str:
    at = np.array(sweep["threshold"], float)
    styles = {"f1": "estimate", "precision": "truth", "recall": "other"}
    curves = [Curve(at, np.array(sweep[name], float), style) for name, style in styles.items()]
    line = Curve(np.full(2, threshold), np.array([0.0, 1.0]), "mark")
    plot = line_plot(
        "Scores over the threshold; dashed: the one in use",
        "",
        [line, *curves],
        y_range=(0.0, 1.0),
        x_range=(0.0, 1.0),
        x_unit="",
    )
    legend = key("estimate", "F1") + key("truth", "precision") + key("ink", "recall, dotted")
    return f"<div>{plot}<p>{legend}</p></div>"


def _bin_names(edges: Sequence[float]) -> list[str]:
    """Names of the bins between some edges."""
    middle = [f"{low:g} to {high:g}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return [f"below {edges[0]:g}", *middle, f"from {edges[-1]:g}"]
