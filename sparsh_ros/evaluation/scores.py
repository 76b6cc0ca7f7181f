# SPDX-License-Identifier: Apache-2.0
"""The scores of each task, over sensors and recordings, with confidence intervals.

An interval is the middle 95 % of what the score becomes when the recordings are drawn again, as
many and with replacement, from those that have labels for it (percentile bootstrap, seeded). The
frames of one recording depend on each other, so they are never drawn one by one. One recording
gives no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation import events, metrics
from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.metrics import Floats, Sums, Values
from sparsh_ros.evaluation.result import UNKNOWN, SensorResult
from sparsh_ros.names import FORCE_AXES

REPLICATES = 1000

COUNTS = ("labelled", "onsets", "missed_onsets")
"""Scores that count cases: drawing other recordings says nothing about them."""

RecordingSums = list[tuple[SensorResult, Sums]]
"""The sensors of a recording that have labels for a task, and the sums of that task."""

_DIGITS = 6
_PUBLISHED = "published_"
_DELTA = "delta_"


def accumulate_tasks(sensor: SensorResult) -> dict[str, Sums]:
    """Sums behind the scores of "force", "slip" and "pose"; a task without labels is left out."""
    makers = {"force": _accumulate_force, "slip": _accumulate_slip, "pose": _accumulate_pose}
    found = {task: make(sensor) for task, make in makers.items()}
    return {task: sums for task, sums in found.items() if sums["labelled"]}


def compute_scores(task: str, sums: Sums) -> Values:
    """Scores of a task from its sums, of one set or of many along the leading axis.

    All tasks: labelled, frames with a label; answered, the share of them with an estimate, over
    which the scores are; without any, they are NaN. Slip: published_* is the three-frame protocol,
    delta_* the change of the force from the slip head.
    """
    values = {"labelled": sums["labelled"]}
    values["answered"] = metrics.ratio(sums["answered"], sums["labelled"])
    if task == "force":
        return values | metrics.compute_force(sums)
    if task == "pose":
        return values | metrics.compute_pose(sums) | events.compute_drift(sums)
    known = values["answered"] > 0
    own, published = (
        {key: np.where(known, value, np.nan) for key, value in metrics.compute_slip(part).items()}
        for part in (sums, _without(sums, _PUBLISHED))
    )
    delta = metrics.compute_force(_without(sums, _DELTA))
    return (
        values
        | own
        | events.compute_slip_events(sums)
        | _with(published, _PUBLISHED)
        | {f"{_DELTA}mae_{axis}_mn": delta[f"mae_{axis}_mn"] for axis in FORCE_AXES}
    )


def add_up(parts: Sequence[Sums]) -> Sums:
    """Sums of several sensors or recordings together."""
    return {key: sum((part[key] for part in parts[1:]), parts[0][key]) for key in parts[0]}


def slip_samples(sensor: SensorResult) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Of the frames of which slip is estimated and known: the probability as it is compared with a
    threshold live (k,), and the truth (k,); and the delays in ms of the detected onsets."""
    estimates, labels = sensor.estimates, sensor.labels
    known = (labels.slipping != UNKNOWN) & (estimates.slipping != UNKNOWN)
    runs = events.find_segments(estimates.stamp_ns, known, sensor.period_ns)
    said, true = estimates.slipping == 1, labels.slipping == 1
    delays_ms = events.accumulate_slip_events(estimates.stamp_ns, said, true, runs)[1]
    return estimates.slip_score[known], true[known], delays_ms


def draw_recordings(count: int, seed: int) -> NDArray[np.int64]:
    """How often each of `count` recordings is drawn, (REPLICATES, count)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=REPLICATES)


def replicate_scores(task: str, parts: Sequence[Sums], draws: NDArray[np.int64]) -> Values:
    """Scores of each replicate, from the sums of each recording."""
    stacked = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    # Not by BLAS, whose order of adding may depend on the number of threads.
    drawn = {key: np.einsum("br,r...->b...", draws, value) for key, value in stacked.items()}
    return compute_scores(task, drawn)


def confidence_interval(values: Floats) -> tuple[float | None, float | None]:
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


def score_recordings(task: str, recordings: Sequence[RecordingSums], seed: int) -> dict[str, Any]:
    """Scores over all recordings with a task's labels."""
    parts = [add_up([sums for _, sums in group]) for group in recordings]
    draws = draw_recordings(len(parts), seed)
    values, drawn = compute_scores(task, add_up(parts)), replicate_scores(task, parts, draws)
    if task == "slip":
        for key, score in _slip_rankings(recordings).items():
            values[key] = score(np.ones(len(parts), np.int64))
            drawn[key] = (
                np.array([score(draw) for draw in draws]) if len(parts) > 1 else values[key]
            )
    scores = {}
    for key, value in values.items():
        has_interval = len(parts) > 1 and key not in COUNTS
        low, high = confidence_interval(drawn[key]) if has_interval else (None, None)
        scores[key] = {"value": rounded(value), "low": low, "high": high}
    return scores


def _slip_rankings(
    recordings: Sequence[RecordingSums],
) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    """Scores that are no ratio of sums: by how often each recording counts."""
    scores, truths, owners, delays, delay_owners = [], [], [], [], []
    for index, group in enumerate(recordings):
        for sensor, _ in group:
            score, truth, delay = slip_samples(sensor)
            scores.append(score)
            truths.append(truth)
            delays.append(delay)
            owners.append(np.full(len(score), index))
            delay_owners.append(np.full(len(delay), index))
    score, owner = np.concatenate(scores), np.concatenate(owners)
    order = np.argsort(-score, kind="stable")  # sorting what is sorted already is quick
    score, truth, owner = score[order], np.concatenate(truths)[order], owner[order]
    delay, delay_owner = np.concatenate(delays), np.concatenate(delay_owners)

    def precision(draw: NDArray[np.int64]) -> float:
        return metrics.average_precision(score, truth, draw[owner]) if len(score) else np.nan

    def median(draw: NDArray[np.int64]) -> float:
        drawn = np.repeat(delay, draw[delay_owner])
        return float(np.median(drawn)) if len(drawn) else np.nan

    return {"average_precision": precision, "delay_median_ms": median}


def _accumulate_force(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = np.isfinite(labels.force_n).all(axis=1)
    known = labelled & np.isfinite(estimates.force_n).all(axis=1)
    sums = metrics.accumulate_force(estimates.force_n[known], labels.force_n[known])
    return _counted(labelled, known) | sums


def _accumulate_slip(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = labels.slipping != UNKNOWN
    known = labelled & (estimates.slipping != UNKNOWN)
    said, true = estimates.slipping == 1, labels.slipping == 1
    runs = events.find_segments(estimates.stamp_ns, known, sensor.period_ns)
    published = events.three_frame_slip(estimates.slip_probability, runs)
    changes = (estimates.delta_force_n, labels.delta_force_n)
    both = np.isfinite(np.hstack(changes)).all(axis=1)
    return (
        _counted(labelled, known)
        | metrics.accumulate_slip(said[known], true[known])
        | events.accumulate_slip_events(estimates.stamp_ns, said, true, runs)[0]
        | _with(metrics.accumulate_slip(published[known], true[known]), _PUBLISHED)
        | _with(metrics.accumulate_force(*(change[both] for change in changes)), _DELTA)
    )


def _accumulate_pose(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = (labels.pose_bins != UNKNOWN).any(axis=1)
    known = labelled & (estimates.pose_bins != UNKNOWN).any(axis=1)
    bins = (estimates.pose_bins[known], labels.pose_bins[known])
    motions = (in_bin_units(x.pose_change[known]) for x in (estimates, labels))
    poses = (in_bin_units(x.pose) for x in (estimates, labels))
    return (
        _counted(labelled, known)
        | metrics.accumulate_pose(*bins, *motions)
        | events.accumulate_drift(estimates.stamp_ns, *poses, sensor.period_ns)
    )


def _counted(labelled: NDArray[np.bool_], known: NDArray[np.bool_]) -> Sums:
    return {"labelled": np.array(labelled.sum(), float), "answered": np.array(known.sum(), float)}


def _with(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {f"{prefix}{key}": value for key, value in values.items()}


def _without(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }
