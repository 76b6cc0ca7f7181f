# SPDX-License-Identifier: Apache-2.0
"""The frames worth looking at: where each estimate is worst, and some evenly over a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.result import UNKNOWN, Result, SensorResult, ShownFrame
from sparsh_ros.recordings.bags import open_bag
from sparsh_ros.recordings.labels import read_frames
from sparsh_ros.sensors.images import encode_jpeg

WORST = 8
"""Worst frames of each task, of all recordings together."""
EVENLY, EVENLY_IN_ALL = 24, 240
"""Other frames of a sensor, and of all sensors together."""

_APART_NS = 1_000_000_000
_JPEG_QUALITY = 85
_UNITS = {"force": "mN", "slip": "probability", "pose": "mm"}


def frame_errors(sensor: SensorResult) -> Mapping[str, NDArray[np.float64]]:
    """How wrong each estimate is, by task, (n,): length of the force error (mN), distance of the
    slip probability from 0 or 1, planar error of the motion (mm); NaN where it is not known."""
    estimates, labels = sensor.estimates, sensor.labels
    force = np.linalg.norm(estimates.force_n - labels.force_n, axis=1) * 1e3
    slip = np.abs(
        estimates.slip_score - np.where(labels.slipping == UNKNOWN, np.nan, labels.slipping)
    )
    change = in_bin_units(estimates.pose_change) - in_bin_units(labels.pose_change)
    return {"force": force, "slip": slip, "pose": np.linalg.norm(change[:, :2], axis=1)}


def with_worst_frames(result: Result, bags: Mapping[str, Path]) -> Result:
    """The result with the frames to show; reads the bags once more, for the chosen images alone.

    Args:
        result: Of an evaluation.
        bags: Name of a recording -> its bag.
    """
    chosen = _choose(result.sensors)
    sensors = tuple(
        replace(sensor, shown_frames=tuple(_with_images(sensor, frames, bags)))
        for sensor, frames in zip(result.sensors, chosen, strict=True)
    )
    return replace(result, sensors=sensors)


def _choose(sensors: Sequence[SensorResult]) -> list[list[ShownFrame]]:
    """For each sensor its frames, still without images."""
    chosen: list[list[ShownFrame]] = [[] for _ in sensors]
    errors = [frame_errors(sensor) for sensor in sensors]
    for task, unit in _UNITS.items():
        worst = sorted(
            (
                (-errors[index][task][row], index, row)
                for index, sensor in enumerate(sensors)
                for row in _worst_rows(sensor, errors[index][task])
            )
        )
        for error, index, row in worst[:WORST]:
            stamp_ns = int(sensors[index].estimates.stamp_ns[row])
            chosen[index].append(ShownFrame(task, row, stamp_ns, float(-error), unit, b""))
    for index, sensor in enumerate(sensors):
        stamps = sensor.estimates.stamp_ns
        number = min(EVENLY, EVENLY_IN_ALL // len(sensors), len(stamps))
        for row in np.linspace(0, len(stamps) - 1, number).round().astype(int).tolist():
            chosen[index].append(ShownFrame("", row, int(stamps[row]), np.nan, "", b""))
    return chosen


def _worst_rows(sensor: SensorResult, error: NDArray[np.float64]) -> list[int]:
    """Rows with the largest errors, at least a second from each other."""
    stamps, left = sensor.estimates.stamp_ns, error.copy()
    rows: list[int] = []
    while len(rows) < WORST and np.isfinite(left).any():
        row = int(np.nanargmax(left))
        rows.append(row)
        left[np.abs(stamps - stamps[row]) < _APART_NS] = np.nan
    return rows


def _with_images(
    sensor: SensorResult, frames: list[ShownFrame], paths: Mapping[str, Path]
) -> Iterator[ShownFrame]:
    if not frames:
        return
    images = {}
    with open_bag(paths[sensor.recording]) as bag:
        wanted = {frame.stamp_ns for frame in frames}
        for stamp_ns, image in read_frames(bag, sensor.image_topic, wanted):
            upright = sensor.profile.to_canonical(image, "rgb")
            images[stamp_ns] = encode_jpeg(upright, _JPEG_QUALITY).tobytes()
    for frame in frames:
        if frame.stamp_ns in images:
            yield replace(frame, jpeg=images[frame.stamp_ns])
