# SPDX-License-Identifier: Apache-2.0
"""What is scored of each task: sums over the frames of a sensor, and the scores from such sums.

Tasks are "force", "contact", "slip" and "pose". Sums add up over sensors and recordings, so that a
bootstrap over recordings needs them alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation import events, metrics
from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.metrics import Floats, Sums, Values
from sparsh_ros.evaluation.result import UNKNOWN, SensorResult
from sparsh_ros.names import FORCE_AXES

TASKS = ("force", "contact", "slip", "pose")
COUNTS = ("labelled", "onsets", "missed_onsets")
"""Scores that count cases: drawing other recordings says nothing about them."""
MOVING_M_S = 1e-3
"""An object that moves faster than this over the gel counts as moving."""

_PUBLISHED, _MOVING, _GROSS, _DELTA, _CONTACT = (
    "published_",
    "moving_",
    "gross_",
    "delta_",
    "touch_",
)
_SLIDING = {"slide_speed_mm_s": 1e3, "slip_share": 1.0, "friction_margin": 1.0}
"""Estimates of how it slides -> what makes their unit of the SI unit."""


def accumulate_tasks(sensor: SensorResult) -> dict[str, Sums]:
    """Sums behind the scores of each task; a task without labels is left out."""
    makers = (_accumulate_force, _accumulate_contact, _accumulate_slip, _accumulate_pose)
    found = {task: make(sensor) for task, make in zip(TASKS, makers, strict=True)}
    return {task: sums for task, sums in found.items() if sums["labelled"]}


def compute_scores(task: str, sums: Sums) -> Values:
    """Scores of a task from its sums, of one set or of many along the leading axis.

    All tasks: labelled, frames with a label; coverage, the ratio of them with an estimate, over
    which the scores are; without any, they are NaN. Force: touch_* in frames of contact. Slip:
    moving_* while the object moves, gross_* against the label that all of the contact slides,
    published_* the three-frame protocol, delta_* the change of the force from the slip head.
    """
    values = {"labelled": sums["labelled"]}
    values["coverage"] = metrics.ratio(sums["covered"], sums["labelled"])
    if task == "force":
        touch = _with(metrics.compute_force(_without(sums, _CONTACT)), _CONTACT)
        kept = [f"{_CONTACT}{name}" for name in ("mae_z_mn", "correlation_z")]
        return values | metrics.compute_force(sums) | {key: touch[key] for key in kept}
    if task == "pose":
        return values | metrics.compute_pose(sums) | events.compute_drift(sums)
    found = metrics.compute_slip(sums) | events.compute_events(sums)
    if task == "slip":
        for prefix in (_MOVING, _GROSS, _PUBLISHED):
            found |= _with(metrics.compute_slip(_without(sums, prefix)), prefix)
    found = {
        key: np.where(values["coverage"] > 0, value, np.nan)
        for key, value in found.items()
        if key not in COUNTS
    } | {key: found[key] for key in COUNTS if key in found}
    if task == "contact":
        return values | found
    for name in _SLIDING:
        part = _without(sums, f"{name}_")
        errors = metrics.compute_errors(part)
        found |= {f"{name}_{key}": errors[key] for key in ("mae", "correlation")}
    delta = metrics.compute_force(_without(sums, _DELTA))
    return (
        values | found | {f"{_DELTA}mae_{axis}_mn": delta[f"mae_{axis}_mn"] for axis in FORCE_AXES}
    )


def add_up(parts: Sequence[Sums]) -> Sums:
    """Sums of several sensors or recordings together."""
    return {key: sum((part[key] for part in parts[1:]), parts[0][key]) for key in parts[0]}


def slip_samples(
    sensor: SensorResult, moving: bool = False
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """What rankings of slip need, over the frames of which it is estimated and known.

    Args:
        sensor: The estimates and labels.
        moving: Only frames in which the object moves.

    Returns:
        The probability as it is compared with a threshold live (k,), the truth (k,), and the
        delays in ms of the onsets that were found.
    """
    estimates, labels = sensor.estimates, sensor.labels
    known = (labels.slipping != UNKNOWN) & (estimates.slipping != UNKNOWN)
    segments = events.find_segments(estimates.stamp_ns, known, sensor.period_ns)
    said, true = estimates.slipping == 1, labels.slipping == 1
    delays_ms = events.accumulate_events(estimates.stamp_ns, said, true, segments)[1]
    chosen = known & (sensor.labels.object_speed_m_s > MOVING_M_S) if moving else known
    return estimates.slip_score[chosen], true[chosen], delays_ms


def _accumulate_force(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = np.isfinite(labels.force_n).all(axis=1)
    known = labelled & np.isfinite(estimates.force_n).all(axis=1)
    pairs = {"": known, _CONTACT: known & (labels.in_contact == 1)}
    sums = _counted(labelled, known)
    for prefix, rows in pairs.items():
        found = metrics.accumulate_force(estimates.force_n[rows], labels.force_n[rows])
        sums |= _with(found, prefix)
    return sums


def _accumulate_contact(sensor: SensorResult) -> Sums:
    return _accumulate_decision(sensor, sensor.estimates.in_contact, sensor.labels.in_contact)


def _accumulate_decision(
    sensor: SensorResult, estimate: NDArray[np.int8], label: NDArray[np.int8]
) -> Sums:
    """Frames and events of a yes or no."""
    known = (label != UNKNOWN) & (estimate != UNKNOWN)
    stamps, said, true = sensor.estimates.stamp_ns, estimate == 1, label == 1
    segments = events.find_segments(stamps, known, sensor.period_ns)
    return (
        _counted(label != UNKNOWN, known)
        | metrics.accumulate_slip(said[known], true[known])
        | events.accumulate_events(stamps, said, true, segments)[0]
    )


def _accumulate_slip(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    known = (labels.slipping != UNKNOWN) & (estimates.slipping != UNKNOWN)
    said, true = estimates.slipping == 1, labels.slipping == 1
    segments = events.find_segments(estimates.stamp_ns, known, sensor.period_ns)
    published = events.three_frame_slip(estimates.slip_probability, segments)
    moving = known & (sensor.labels.object_speed_m_s > MOVING_M_S)
    gross = known & (labels.gross_slip != UNKNOWN)
    changes = (estimates.delta_force_n, labels.delta_force_n)
    both = np.isfinite(np.hstack(changes)).all(axis=1)
    sums = (
        _accumulate_decision(sensor, estimates.slipping, labels.slipping)
        | _with(metrics.accumulate_slip(said[moving], true[moving]), _MOVING)
        | _with(metrics.accumulate_slip(said[gross], labels.gross_slip[gross] == 1), _GROSS)
        | _with(metrics.accumulate_slip(published[known], true[known]), _PUBLISHED)
        | _with(metrics.accumulate_force(*(change[both] for change in changes)), _DELTA)
    )
    for name, factor in _SLIDING.items():
        column = name.replace("_mm_s", "_m_s")
        pair = (factor * getattr(side, column).astype(np.float64) for side in (estimates, labels))
        sums |= _with(metrics.accumulate_errors(*pair), f"{name}_")
    return sums


def _accumulate_pose(sensor: SensorResult) -> Sums:
    estimates, labels = sensor.estimates, sensor.labels
    labelled = np.isfinite(labels.pose_change).any(axis=1)
    known = labelled & np.isfinite(estimates.pose_change).any(axis=1)
    bins = (estimates.pose_bins[known], labels.pose_bins[known])
    motions = (in_bin_units(x.pose_change[known]) for x in (estimates, labels))
    poses = (in_bin_units(x.pose) for x in (estimates, labels))
    return (
        _counted(labelled, known)
        | metrics.accumulate_pose(*bins, *motions)
        | events.accumulate_drift(estimates.stamp_ns, *poses, sensor.period_ns)
    )


def _counted(labelled: NDArray[np.bool_], known: NDArray[np.bool_]) -> Sums:
    return {"labelled": np.array(labelled.sum(), float), "covered": np.array(known.sum(), float)}


def _with(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {f"{prefix}{key}": value for key, value in values.items()}


def _without(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }
