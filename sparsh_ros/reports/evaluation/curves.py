# SPDX-License-Identifier: Apache-2.0
"""The curves of a recording as data that the page's script draws.

A curve is a list of 16-bit numbers in base64, in equal steps from its lowest value to its highest;
times are 32-bit floats. Where a recording has too many frames for the size of the page, each pair
of points holds the lowest and the highest value of a stretch of frames, so that no peak is lost.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.events import LONGEST_GAP_PERIODS, Onset, find_intervals, find_segments
from sparsh_ros.evaluation.metrics import FORCE_AXES
from sparsh_ros.evaluation.result import SensorResult
from sparsh_ros.reports.evaluation.links import elapsed_s, title_of
from sparsh_ros.reports.evaluation.onsets import onsets_of
from sparsh_ros.reports.html import jpeg_url

VALUES_IN_ALL = 1_440_000
"""Numbers in a page, of all curves of all recordings: 3.8 MB of text."""
FEWEST = 400
"""Points that a curve has at least, as many as a screen shows, even if the page grows."""

_CURVES = 18  # of a sensor, with the times
_UNKNOWN = 65535
_TASKS = {"force": "force", "slip": "slip", "motion": "pose"}
_POSE_AXES = ("x", "y", "rotation")
_POSE_UNITS = ("mm", "mm", "degrees")

Floats = NDArray[np.float64]


def viewer_data(
    sensor: SensorResult, threshold: float, points: int, images: Mapping[int, str]
) -> dict[str, Any]:
    """What the script needs to know of one sensor of a recording.

    Args:
        sensor: its estimates and labels.
        threshold: of slip.
        points: at most so many per curve.
        images: row -> "#" and the id of an image that is on the page already.

    Returns:
        Plain data. Times are in seconds since the first frame.
    """
    time_s = elapsed_s(sensor)
    estimates, labels = sensor.estimates, sensor.labels
    bucket_s = 2 * time_s[-1] / points if len(time_s) > points else 0.0
    return {
        "name": title_of(sensor),
        "end": round(float(time_s[-1]), 6),
        "gap": LONGEST_GAP_PERIODS * sensor.period_ns * 1e-9 + 2 * bucket_s,
        "per_point": len(time_s) / points if len(time_s) > points else 1,
        "time": _text(decimated_times(time_s, points).astype("<f4")),
        "rows": list(_rows(sensor, threshold, points)),
        "slipping": _spans(time_s, labels.slipping == 1, sensor.period_ns),
        "said": _spans(time_s, estimates.slipping == 1, sensor.period_ns),
        "unknown": _spans(time_s, ~estimates.valid, sensor.period_ns),
        "worst": next((_rounded(time_s[m.row]) for m in sensor.shown_frames if m.task), None),
        "unlabelled": [name for name, task in _TASKS.items() if not sensor.label_topics.get(task)],
        "onsets": [_onset(time_s, onset) for onset in onsets_of(sensor)],
        "images": [
            [_rounded(time_s[row]), images.get(row) or jpeg_url(jpeg)]
            for row, jpeg in sorted({m.row: m.jpeg for m in sensor.shown_frames}.items())
        ],
    }


def points_per_curve(sensors: int) -> int:
    """How many points each curve may have, so that a page of so many sensors stays small."""
    return max(VALUES_IN_ALL // (_CURVES * max(sensors, 1)), FEWEST)


def decimated(values: Floats, points: int) -> Floats:
    """(n,) values as at most `points`: the lowest and the highest of each stretch, if need be."""
    if len(values) <= points:
        return values
    starts = _starts(len(values), points)
    pairs = (np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts))
    return np.column_stack(pairs).ravel()


def decimated_times(time_s: Floats, points: int) -> Floats:
    """The times of what `decimated` gives."""
    if len(time_s) <= points:
        return time_s
    starts = _starts(len(time_s), points)
    middles = (starts + np.append(starts[1:], len(time_s))) // 2
    return time_s[np.column_stack([starts, middles]).ravel()]


def quantised(values: Floats) -> dict[str, Any]:
    """Values as "low" + "step" * numbers of 16 bits, which "data" holds in base64."""
    known = np.isfinite(values)
    low, high = (float(f(values[known])) for f in (np.min, np.max)) if known.any() else (0.0, 0.0)
    step = (high - low) / (_UNKNOWN - 1) or 1.0
    numbers = np.full(len(values), _UNKNOWN, "<u2")
    numbers[known] = np.round((values[known] - low) / step)
    return {"low": low, "step": step, "data": _text(numbers)}


def _text(values: NDArray[Any]) -> str:
    """Base64 of the bytes of an array."""
    return base64.b64encode(values.tobytes()).decode()


def _starts(count: int, points: int) -> NDArray[np.int64]:
    return np.linspace(0, count, points // 2, endpoint=False).astype(np.int64)


def _rows(sensor: SensorResult, threshold: float, points: int) -> Iterator[dict[str, Any]]:
    """The plots of a sensor from top to bottom: title, unit, estimate, truth, and more."""
    estimates, labels = sensor.estimates, sensor.labels
    force = (estimates.force_n, labels.force_n)
    yield from _group("Force", FORCE_AXES, ("N",) * 3, force, points)
    if np.isfinite(estimates.slip_probability).any():
        row = _row("Probability of slip", "", estimates.slip_score, None, points)
        yield row | {"range": [0, 1.1], "threshold": threshold, "last": True}
    change = (in_bin_units(estimates.pose_change), in_bin_units(labels.pose_change))
    interval_ns = np.median(estimates.interval_ns[estimates.valid]) if estimates.valid.any() else 0
    over = f"Motion over {interval_ns * 1e-6:.0f} ms,"
    yield from _group(over, _POSE_AXES, _POSE_UNITS, change, points)
    pose = in_bin_units(estimates.pose)
    together = (pose, _from_same_start(sensor, pose, in_bin_units(labels.pose)))
    yield from _group("Motion since contact,", _POSE_AXES, _POSE_UNITS, together, points)


def _group(
    title: str,
    axes: Sequence[str],
    units: Sequence[str],
    values: tuple[NDArray[Any], NDArray[Any]],
    points: int,
) -> list[dict[str, Any]]:
    """A plot for each axis that is estimated."""
    estimate, truth = values
    rows = [
        _row(f"{title} {name}", unit, estimate[:, axis], truth[:, axis], points)
        for axis, (name, unit) in enumerate(zip(axes, units, strict=True))
        if np.isfinite(estimate[:, axis]).any()
    ]
    if rows:
        rows[-1]["last"] = True
    return rows


def _row(
    title: str, unit: str, estimate: NDArray[Any], truth: NDArray[Any] | None, points: int
) -> dict[str, Any]:
    row = {"title": title, "unit": unit, "estimate": quantised(decimated(estimate, points))}
    if truth is not None and np.isfinite(truth).any():
        row["truth"] = quantised(decimated(truth, points))
    return row


def _from_same_start(sensor: SensorResult, estimate: Floats, truth: Floats) -> Floats:
    """The true pose, moved so that both begin alike wherever both become known."""
    shifted = truth.copy()
    for axis in range(estimate.shape[1]):
        known = np.isfinite(estimate[:, axis] - truth[:, axis])
        for run in find_segments(sensor.estimates.stamp_ns, known, sensor.period_ns):
            shifted[run, axis] += estimate[run[0], axis] - truth[run[0], axis]
        shifted[~known, axis] = np.nan
    return shifted


def _spans(time_s: Floats, flags: NDArray[np.bool_], period_ns: float) -> list[list[float]]:
    """Stretches of true flags, from - to in seconds; a frame lasts until the next."""
    ends = np.append(time_s[1:], time_s[-1] + period_ns * 1e-9)
    return [
        [_rounded(time_s[first]), _rounded(ends[last - 1])] for first, last in find_intervals(flags)
    ]


def _rounded(seconds: float) -> float:
    return round(float(seconds), 4)


def _onset(time_s: Floats, onset: Onset) -> list[float | None]:
    delay = round(onset.delay_ms, 1) if np.isfinite(onset.delay_ms) else None
    return [_rounded(time_s[onset.row]), delay]
