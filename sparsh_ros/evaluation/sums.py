# SPDX-License-Identifier: Apache-2.0
"""The sums behind the scores of each task, which add up over sensors and recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation import events, metrics
from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.metrics import Floats, Sums, Values
from sparsh_ros.evaluation.result import UNKNOWN, SensorResult
from sparsh_ros.names import FORCE_AXES

_PUBLISHED = "published_"
_DELTA = "delta_"


def task_sums(sensor: SensorResult) -> dict[str, Sums]:
    """Sums behind the scores of "force", "slip" and "pose"; a task without labels is left out."""
    makers = {"force": _force_sums, "slip": _slip_sums, "pose": _pose_sums}
    found = {task: make(sensor) for task, make in makers.items()}
    return {task: sums for task, sums in found.items() if sums["labelled"]}


def values_of_sums(task: str, sums: Sums) -> Values:
    """Scores of a task from its sums, of one set or of many along the leading axis.

    All tasks: labelled, frames with a label; answered, the share of them with an estimate, over
    which the scores are; without any, they are NaN. Slip: published_* is the three-frame protocol,
    delta_* the change of the force that the slip head tells.
    """
    values = {"labelled": sums["labelled"]}
    values["answered"] = metrics.share(sums["answered"], sums["labelled"])
    if task == "force":
        return values | metrics.force_of_sums(sums)
    if task == "pose":
        return values | metrics.pose_of_sums(sums) | events.drift_of_sums(sums)
    known = values["answered"] > 0
    own, published = (
        {key: np.where(known, value, np.nan) for key, value in metrics.slip_of_sums(part).items()}
        for part in (sums, _without(sums, _PUBLISHED))
    )
    delta = metrics.force_of_sums(_without(sums, _DELTA))
    return (
        values
        | own
        | events.slip_events_of_sums(sums)
        | _with(published, _PUBLISHED)
        | {f"{_DELTA}mae_{axis}_mn": delta[f"mae_{axis}_mn"] for axis in FORCE_AXES}
    )


def add_up(parts: Sequence[Sums]) -> Sums:
    """Sums of several sensors or recordings together."""
    return {key: sum((part[key] for part in parts[1:]), parts[0][key]) for key in parts[0]}


def slip_columns(sensor: SensorResult) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Of the frames of which slip is estimated and known: the probability as it is compared with a
    threshold live (k,), and the truth (k,); and the delays in ms of the onsets that were heard."""
    estimates, labels = sensor.estimates, sensor.labels
    known = (labels.slipping != UNKNOWN) & (estimates.slipping != UNKNOWN)
    runs = events.find_runs(estimates.stamp_ns, known, sensor.period_ns)
    said, true = estimates.slipping == 1, labels.slipping == 1
    delays_ms = events.slip_events(estimates.stamp_ns, said, true, runs)[1]
    return estimates.slip_answer[known], true[known], delays_ms


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


def _with(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {f"{prefix}{key}": value for key, value in values.items()}


def _without(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }
