# SPDX-License-Identifier: Apache-2.0
"""Scores of an evaluation, with intervals, as metrics.json holds them.

An interval is the middle 95 % of what the score becomes when the recordings are drawn anew, as
many and with replacement, from those that have labels for it (percentile bootstrap, seeded). The
frames of one recording depend on each other, so they are never drawn one by one. One recording
gives no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation import events, metrics
from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.metrics import Floats, Sums, Values
from sparsh_ros.evaluation.result import UNKNOWN, Result, Runtime, SensorResult

SCHEMA = 1
REPLICATES = 1000
SWEEP = np.arange(1, 100) / 100
"""Thresholds at which precision, recall and F1 of slip are listed."""

COUNTS = ("labelled", "onsets", "missed_onsets")
"""Scores that count cases: drawing other recordings says nothing about them."""

_PUBLISHED = "published_"
_DELTA = "delta_"
_DIGITS = 6


def task_sums(sensor: SensorResult) -> dict[str, Sums]:
    """Sums behind the scores of "force", "slip" and "pose"; a task without labels is left out."""
    makers = {"force": _force_sums, "slip": _slip_sums, "pose": _pose_sums}
    found = {task: make(sensor) for task, make in makers.items()}
    return {task: sums for task, sums in found.items() if sums["labelled"]}


def values_of_sums(task: str, sums: Sums) -> Values:
    """Scores of a task from its sums, of one set or of many along the leading axis.

    All tasks: labelled, frames with a label; answered, the share of them with an estimate, over
    which the scores are. Slip: published_* is the three-frame protocol, delta_* the change of the
    force that the slip head tells.
    """
    values = {"labelled": sums["labelled"]}
    values["answered"] = metrics.share(sums["answered"], sums["labelled"])
    if task == "force":
        return values | metrics.force_of_sums(sums)
    if task == "pose":
        return values | metrics.pose_of_sums(sums) | events.drift_of_sums(sums)
    published = metrics.slip_of_sums(_without(sums, _PUBLISHED))
    delta = metrics.force_of_sums(_without(sums, _DELTA))
    return (
        values
        | metrics.slip_of_sums(sums)
        | events.slip_events_of_sums(sums)
        | _with(published, _PUBLISHED)
        | {f"{_DELTA}mae_{axis}_mn": delta[f"mae_{axis}_mn"] for axis in metrics.FORCE_AXES}
    )


def draw_recordings(count: int, seed: int) -> NDArray[np.int64]:
    """How often each of `count` recordings is drawn, (REPLICATES, count)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=REPLICATES)


def drawn_values(task: str, parts: Sequence[Sums], draws: NDArray[np.int64]) -> Values:
    """Scores of each replicate, from the sums of each recording."""
    stacked = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    # Not by BLAS, whose order of adding may depend on the number of threads.
    drawn = {key: np.einsum("br,r...->b...", draws, value) for key, value in stacked.items()}
    return values_of_sums(task, drawn)


def add_up(parts: Sequence[Sums]) -> Sums:
    """Sums of several sensors or recordings together."""
    return {key: sum((part[key] for part in parts[1:]), parts[0][key]) for key in parts[0]}


def interval(values: Floats) -> tuple[float | None, float | None]:
    """The middle 95 % of replicates; None where most of them lack the score."""
    values = values[np.isfinite(values)]
    if 2 * len(values) <= REPLICATES:
        return None, None
    low, high = np.percentile(values, (2.5, 97.5))
    return rounded(low), rounded(high)


def rounded(value: float) -> float | int | None:
    """A number as it is written: six digits, None where it is not known."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{_DIGITS}g}")


def document(result: Result, seed: int) -> dict[str, Any]:
    """What metrics.json holds of an evaluation; all but "runtime" is the same in every run.

    Returns:
        schema; model; settings; recordings: for each sensor its scores, and the sums behind them;
        skipped; scores: task -> score -> value, low, high; threshold_sweep; runtime.
    """
    by_task = {task: _recordings_with(result.sensors, task) for task in ("force", "slip", "pose")}
    scores = {task: _scored(task, found, seed) for task, found in by_task.items() if found}
    if "slip" in scores:
        scores["slip"]["threshold"] = _constant(result.model["slip_threshold"])
        scores["slip"]["published_threshold"] = _constant(events.PUBLISHED_THRESHOLD)
    return {
        "schema": SCHEMA,
        "model": dict(result.model),
        "settings": {"seed": seed, "replicates": REPLICATES, "interval": 0.95},
        "recordings": [_entry(sensor) for sensor in result.sensors],
        "skipped": dict(result.skipped),
        "scores": scores,
        "threshold_sweep": _sweep(by_task["slip"]),
        "runtime": _runtime(result.runtime),
    }


def _force_sums(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = np.isfinite(labels.force_n).all(axis=1)
    known = labelled & np.isfinite(estimates.force_n).all(axis=1)
    sums = metrics.force_sums(estimates.force_n[known], labels.force_n[known])
    return _counted(labelled, known) | sums


def _slip_sums(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = labels.slipping != UNKNOWN
    known = labelled & (estimates.slipping != UNKNOWN)
    said, true = estimates.slipping == 1, labels.slipping == 1
    runs = events.find_runs(estimates.stamp_ns, known, sensor.period_ns)
    published = events.three_frame_slip(estimates.slip_probability, runs)
    changes = (estimates.delta_force_n, labels.delta_force_n)
    both = np.isfinite(np.hstack(changes)).all(axis=1)
    return (
        _counted(labelled, known)
        | metrics.slip_sums(said[known], true[known])
        | events.slip_events(estimates.stamp_ns, said, true, runs)[0]
        | _with(metrics.slip_sums(published[known], true[known]), _PUBLISHED)
        | _with(metrics.force_sums(*(change[both] for change in changes)), _DELTA)
    )


def _pose_sums(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = (labels.pose_bins != UNKNOWN).any(axis=1)
    known = labelled & (estimates.pose_bins != UNKNOWN).any(axis=1)
    bins = (estimates.pose_bins[known], labels.pose_bins[known])
    motions = (in_bin_units(x.pose_change[known]) for x in (estimates, labels))
    poses = (in_bin_units(x.pose) for x in (estimates, labels))
    return (
        _counted(labelled, known)
        | metrics.pose_sums(*bins, *motions)
        | events.drift_sums(estimates.stamp_ns, *poses, sensor.period_ns)
    )


def _counted(labelled: NDArray[np.bool_], known: NDArray[np.bool_]) -> Sums:
    return {"labelled": np.array(labelled.sum(), float), "answered": np.array(known.sum(), float)}


def _recordings_with(sensors: Sequence[SensorResult], task: str) -> list[list[SensorResult]]:
    """The sensors with labels for a task, by recording."""
    found = [sensor for sensor in sensors if task in task_sums(sensor)]
    return [list(group) for _, group in groupby(found, key=lambda sensor: sensor.recording)]


def _scored(task: str, recordings: list[list[SensorResult]], seed: int) -> dict[str, Any]:
    """Scores over all recordings with a task's labels."""
    parts = [add_up([task_sums(sensor)[task] for sensor in group]) for group in recordings]
    draws = draw_recordings(len(parts), seed)
    values, drawn = values_of_sums(task, add_up(parts)), drawn_values(task, parts, draws)
    if task == "slip":
        for key, score in _slip_rankings(recordings).items():
            values[key] = score(np.ones(len(parts), np.int64))
            drawn[key] = (
                np.array([score(draw) for draw in draws]) if len(parts) > 1 else values[key]
            )
    scores = {}
    for key, value in values.items():
        has_interval = len(parts) > 1 and key not in COUNTS
        low, high = interval(drawn[key]) if has_interval else (None, None)
        scores[key] = {"value": rounded(value), "low": low, "high": high}
    return scores


def _slip_rankings(
    recordings: list[list[SensorResult]],
) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    """Scores that are no ratio of sums: by how often each recording counts."""
    answers, truths, owners, delays, delay_owners = [], [], [], [], []
    for index, group in enumerate(recordings):
        for sensor in group:
            answer, truth, delay = slip_columns(sensor)
            answers.append(answer)
            truths.append(truth)
            delays.append(delay)
            owners.append(np.full(len(answer), index))
            delay_owners.append(np.full(len(delay), index))
    answer, owner = np.concatenate(answers), np.concatenate(owners)
    order = np.argsort(-answer, kind="stable")  # sorting what is sorted already is quick
    answer, truth, owner = answer[order], np.concatenate(truths)[order], owner[order]
    delay, delay_owner = np.concatenate(delays), np.concatenate(delay_owners)

    def precision(draw: NDArray[np.int64]) -> float:
        return metrics.average_precision(answer, truth, draw[owner]) if len(answer) else np.nan

    def median(draw: NDArray[np.int64]) -> float:
        drawn = np.repeat(delay, draw[delay_owner])
        return float(np.median(drawn)) if len(drawn) else np.nan

    return {"average_precision": precision, "delay_median_ms": median}


def slip_columns(sensor: SensorResult) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Of the frames of which slip is estimated and known: the probability as it is compared with a
    threshold live (k,), and the truth (k,); and the delays in ms of the onsets that were heard."""
    estimates, labels = sensor.estimates, sensor.labels
    known = (labels.slipping != UNKNOWN) & (estimates.slipping != UNKNOWN)
    runs = events.find_runs(estimates.stamp_ns, known, sensor.period_ns)
    said, true = estimates.slipping == 1, labels.slipping == 1
    delays_ms = events.slip_events(estimates.stamp_ns, said, true, runs)[1]
    return estimates.slip_answer[known], true[known], delays_ms


def _sweep(recordings: list[list[SensorResult]]) -> dict[str, list[float | int | None]]:
    """Precision, recall and F1 of slip at each threshold of `SWEEP`."""
    columns = [slip_columns(sensor) for group in recordings for sensor in group]
    if not columns:
        return {}
    answer, truth = (np.concatenate(parts) for parts in list(zip(*columns, strict=True))[:2])
    found = [metrics.slip_of_sums(metrics.slip_sums(answer >= at, truth)) for at in SWEEP]
    names = ("precision", "recall", "f1")
    lists = {name: [rounded(values[name]) for values in found] for name in names}
    return {"threshold": [rounded(at) for at in SWEEP], **lists}


def _entry(sensor: SensorResult) -> dict[str, Any]:
    sums = task_sums(sensor)
    return {
        "name": sensor.recording,
        "sensor": sensor.sensor,
        "kind": sensor.kind,
        "kind_source": sensor.kind_source,
        "background": sensor.background,
        "label_topics": dict(sensor.label_topics),
        "frames": dict(sensor.frames),
        "unaligned": {task: dict(reasons) for task, reasons in sensor.unaligned.items()},
        "notes": list(sensor.notes),
        "scores": {
            task: {key: rounded(value) for key, value in values_of_sums(task, found).items()}
            for task, found in sums.items()
        },
        "sums": {
            task: {key: value.tolist() for key, value in found.items()}
            for task, found in sums.items()
        },
    }


def _runtime(runtime: Runtime) -> dict[str, Any]:
    latency = runtime.latency_ms
    return {
        "frames": len(latency),
        "wall_s": rounded(runtime.wall_s),
        "frames_per_second": rounded(runtime.frames_per_second),
        "latency_ms": {f"p{at}": rounded(np.percentile(latency, at)) for at in (50, 90, 99)},
        "engine": runtime.engine,
    }


def _constant(value: float) -> dict[str, Any]:
    return {"value": rounded(value), "low": None, "high": None}


def _with(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {f"{prefix}{key}": value for key, value in values.items()}


def _without(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }
