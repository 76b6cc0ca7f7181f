# SPDX-License-Identifier: Apache-2.0
"""Figures of the whole evaluation: errors, confusions, thresholds, latency, losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.metrics import precision_recall_points
from sparsh_ros.evaluation.result import Result, SensorResult
from sparsh_ros.evaluation.scores import accumulate_tasks, add_up, slip_samples
from sparsh_ros.names import FORCE_AXES
from sparsh_ros.reports.evaluation.confusion import confusion_table
from sparsh_ros.reports.evaluation.onsets import onset_section
from sparsh_ros.reports.html import render
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
_FRAME_COUNTERS = {
    "received": "frames in the recordings",
    "missing": "missing between them, by their stamps",
    "duplicates": "ignored: the stamp of the frame before",
    "late": "ignored: older than a frame before",
    "clock_steps": "steps back of the clock, after which a new clip begins",
    "unpaired": "without an older frame to compare with",
    "encoded": "encoded",
}


def force_section(result: Result) -> Markup:
    """Errors of the force, as HTML."""
    if "force" not in result.metrics["scores"]:
        return render("evaluation/force.html", errors=[])
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
    return render("evaluation/force.html", errors=errors, pairs=pairs)


def slip_section(result: Result, sensors: Sequence[SensorResult]) -> Markup:
    """Slip: confusions, thresholds and onsets, as HTML; `sensors` in the order of the page."""
    if "slip" not in result.metrics["scores"]:
        return render("evaluation/slip.html", trouble="There is no label of slip.")
    columns = [slip_samples(sensor) for sensor in result.sensors]
    score, truth = (np.concatenate([column[part] for column in columns]) for part in (0, 1))
    threshold = result.model["slip_threshold"]
    if not len(score):
        trouble = "No frame has both an estimate and a label of slip."
        return render("evaluation/slip.html", trouble=trouble)
    return render(
        "evaluation/slip.html",
        trouble="",
        threshold=f"{threshold:.3g}",
        confusions=_slip_confusions(result.sensors),
        precision_recall=_precision_recall(score, truth, result.metrics["scores"]["slip"]),
        sweep=_sweep(result.metrics["threshold_sweep"], threshold),
        onsets=onset_section(sensors, threshold),
    )


def pose_section(result: Result) -> Markup:
    """Motion: confusions of bins and errors, as HTML."""
    if "pose" not in result.metrics["scores"]:
        return render("evaluation/motion.html", axes=[])
    sums = [found["pose"] for s in result.sensors if "pose" in (found := accumulate_tasks(s))]
    confusion = sum(part["confusion"] for part in sums)
    error = np.concatenate(
        [
            in_bin_units(s.estimates.pose_change) - in_bin_units(s.labels.pose_change)
            for s in result.sensors
        ]
    )
    edges = [result.model[f"pose_bin_edges_{unit}"] for unit in ("mm", "mm", "deg")]
    axes = []
    for axis, (name, unit) in enumerate(_POSE_AXES):
        if confusion[axis].any():
            title = f"{name}, bins in {unit}"
            matrix = confusion_table(title, confusion[axis], _bin_names(edges[axis]))
            errors = error_histogram(f"{name}: estimate − truth", unit, error[:, axis])
            axes.append({"confusion": matrix, "errors": errors})
    return render("evaluation/motion.html", axes=axes)


def runtime_section(result: Result) -> Markup:
    """Latency, speed and losses, as HTML."""
    latency_ms = result.runtime.latency_ms
    marks = {f"p{at}": float(np.percentile(latency_ms, at)) for at in (50, 99)}
    periods_ns = [sensor.period_ns for sensor in result.sensors if sensor.period_ns > 0]
    live_hz = 1e9 / np.median(periods_ns) if periods_ns else float("nan")
    rows = [
        (text, f"{sum(sensor.frames.get(name, 0) for sensor in result.sensors):,}")
        for name, text in _FRAME_COUNTERS.items()
    ]
    speed = (
        ("evaluated, frames per second", f"{result.runtime.frames_per_second:.1f}"),
        ("recorded, frames per second of a sensor", f"{live_hz:.1f}"),
        ("time for all, s", f"{result.runtime.wall_s:.1f}"),
        ("engine", result.runtime.engine),
    )
    latency = histogram("Pairing, encoder and heads, for each frame", "ms", latency_ms, marks)
    return render("evaluation/runtime.html", latency=latency, speed=speed, frames=rows)


def _slip_confusions(sensors: Sequence[SensorResult]) -> Iterator[Markup]:
    """Confusion matrices at the threshold in use, and of the published protocol."""
    sums = add_up([found["slip"] for s in sensors if "slip" in (found := accumulate_tasks(s))])
    titles = {"": "Frames at the threshold in use", "published_": "Published protocol"}
    for prefix, title in titles.items():
        hits, false, missed = (sums[prefix + k] for k in ("hits", "false_alarms", "misses"))
        right = sums["covered"] - hits - false - missed
        yield confusion_table(title, [[right, false], [missed, hits]], ("no slip", "slip"))


def _precision_recall(
    score: NDArray[np.float64], truth: NDArray[np.bool_], scores: Mapping[str, Any]
) -> Markup | None:
    if not truth.any():
        return None
    _, precision, recall = precision_recall_points(score, truth)
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


def _sweep(sweep: Mapping[str, Any], threshold: float) -> Markup:
    at = np.array(sweep["threshold"], float)
    styles = {"f1": "estimate", "precision": "truth", "recall": "other"}
    curves = [Curve(at, np.array(sweep[name], float), style) for name, style in styles.items()]
    line = Curve(np.full(2, threshold), np.array([0.0, 1.0]), "mark")
    return line_plot(
        "Scores over the threshold; dashed: the one in use",
        "",
        [line, *curves],
        y_range=(0.0, 1.0),
        x_range=(0.0, 1.0),
        x_unit="",
    )


def _bin_names(edges: Sequence[float]) -> list[str]:
    """Names of the bins between some edges."""
    middle = [f"{low:g} to {high:g}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return [f"below {edges[0]:g}", *middle, f"from {edges[-1]:g}"]
