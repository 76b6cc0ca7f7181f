# SPDX-License-Identifier: Apache-2.0
"""Labels at the stamps of estimates.

* Force is interpolated linearly between two labels, never across a gap.
* Slip and contact are those of the nearest label within half a period, of the frames or of the
  labels, whichever is longer: what is yes or no is not interpolated. Labels rarer than every third
  frame leave frames between them unknown.
* Motion is the difference of two poses, both interpolated, at the ends of the estimate's interval,
  unless contact was lost in between; or a label of the motion itself that spans the same interval.

A gap is longer than three median periods of the labels, and than one of the frames. Where a clock
was set back, each segment between two such steps is a time scale of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.events import find_segments
from sparsh_ros.evaluation.metrics import assign_bins
from sparsh_ros.evaluation.result import UNKNOWN, Estimates, Labels
from sparsh_ros.frames import PAIR_INTERVAL_S
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.recordings.label_series import (
    IN_GAP,
    KNOWN,
    NOT_KNOWN,
    OUTSIDE,
    Floats,
    LabelLog,
    LabelSeries,
    Times,
)

FORCE, SLIP, POSE, POSE_CHANGE = "force", "slip", "pose", "pose_change"

_RAREST_PERIODS = 3.0


def align(
    estimates: Estimates,
    clock_segment: NDArray[np.int32],
    logs: Mapping[str, LabelLog],
    spec: ModelSpec,
    period_ns: float,
) -> tuple[Labels, dict[str, dict[str, int]]]:
    """Find what is true at each of n estimates.

    Args:
        estimates: what perception said.
        clock_segment: (n,) how often the stamps had stepped back before.
        logs: As far as there are labels: "force" (3 columns: N), "slip" (5: slipping, in contact,
            slide speed m/s, slip share, friction margin), "pose" (4: m, m, rad, whether the print
            shows the rotation), "pose_change" (4: seconds, m, m, rad).
        spec: the model; its bins are those of the motion.
        period_ns: of the frames.

    Returns:
        The labels, and for "force", "slip", "pose" how many valid estimates have no label, by
        reason; for the force the present one counts, not its change.
    """
    labels = _unknown_labels(len(estimates))
    unaligned = {task: Counter() for task in (FORCE, SLIP, POSE)}
    shortest_ns = round(period_ns)
    for number in np.unique(clock_segment):
        rows = np.flatnonzero(clock_segment == number)
        frames = _Frames.of(estimates, rows)
        if FORCE in logs:
            _align_force(frames, logs[FORCE].series(number, shortest_ns), labels, unaligned[FORCE])
        if SLIP in logs:
            series = logs[SLIP].series(number, shortest_ns)
            _align_slip(frames, series, period_ns, labels, unaligned[SLIP])
        if POSE in logs:
            series = logs[POSE].series(number, shortest_ns).unwrapped(2)
            _align_pose(frames, series, labels, unaligned[POSE])
        elif POSE_CHANGE in logs:
            series = logs[POSE_CHANGE].series(number, shortest_ns)
            _align_change(frames, series, period_ns / 2, labels, unaligned[POSE])
    _bin_motion(labels, spec)
    labels.object_speed_m_s[:] = _object_speed(estimates, labels, period_ns)
    return labels, {task: dict(sorted(counts.items())) for task, counts in unaligned.items()}


@dataclass(frozen=True, eq=False)
class _Frames:
    """Some rows of the estimates."""

    rows: Times
    stamp_ns: Times
    interval_ns: Times
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, estimates: Estimates, rows: Times) -> _Frames:
        columns = (estimates.stamp_ns, estimates.interval_ns, estimates.valid)
        return cls(rows, *(column[rows] for column in columns))

    @property
    def past_ns(self) -> Times:
        """When the intervals begin."""
        return self.stamp_ns - self.interval_ns

    def count(self, why: Counter[str], reason: str, concerned: NDArray[np.bool_]) -> None:
        """Count the valid ones among some frames."""
        if number := int(np.sum(concerned & self.valid)):
            why[reason] += number


def _unknown_labels(count: int) -> Labels:
    def floats() -> NDArray[np.float32]:
        return np.full((count, 3), np.nan, np.float32)

    flags = (np.full(count, UNKNOWN, np.int8), np.full(count, UNKNOWN, np.int8))
    sliding = (np.full(count, np.nan, np.float32) for _ in range(3))
    bins = np.full((count, 3), UNKNOWN, np.int8)
    speed = np.full(count, np.nan, np.float32)
    return Labels(floats(), floats(), *flags, *sliding, floats(), bins, floats(), speed)


def _align_force(frames: _Frames, series: LabelSeries, labels: Labels, why: Counter[str]) -> None:
    now, state, known_segment = series.at(frames.stamp_ns)
    change = _difference(frames, series, now, state, known_segment)[0]
    labels.force_n[frames.rows], labels.delta_force_n[frames.rows] = now, change
    frames.count(why, "before the first label or after the last", state == OUTSIDE)
    frames.count(why, "in a gap of the labels", state == IN_GAP)
    frames.count(why, "the label is unknown", state == NOT_KNOWN)


def _align_slip(
    frames: _Frames, series: LabelSeries, period_ns: float, labels: Labels, why: Counter[str]
) -> None:
    # Else labels a little rarer than frames would cut the slips between them into parts.
    longer_ns = max(period_ns, min(series.period_ns, _RAREST_PERIODS * period_ns))
    values, near = series.nearest(frames.stamp_ns, longer_ns / 2)
    flags = np.where(near[:, None], values[:, :2], UNKNOWN).astype(np.int8)
    labels.slipping[frames.rows], labels.in_contact[frames.rows] = flags.T
    sliding = (labels.slide_speed_m_s, labels.slip_share, labels.friction_margin)
    for column, found in zip(sliding, values[:, 2:].T, strict=True):
        column[frames.rows] = found
    frames.count(why, "no label within half a period", ~near)


def _align_pose(frames: _Frames, series: LabelSeries, labels: Labels, why: Counter[str]) -> None:
    now, state, known_segment = series.at(frames.stamp_ns)
    change, past_state, joined = _difference(frames, series, now, state, known_segment)
    # Where a print does not show the rotation, no sensor can know it.
    shown, changed = now[:, 3] == 1, change[:, 3] == 0
    now[~shown, 2] = change[~(shown & changed), 2] = np.nan
    labels.pose[frames.rows], labels.pose_change[frames.rows] = now[:, :3], change[:, :3]
    either = [(state == bad) | (past_state == bad) for bad in (OUTSIDE, IN_GAP, NOT_KNOWN)]
    lost = (state == KNOWN) & (past_state == KNOWN) & ~joined
    frames.count(why, "the interval reaches beyond the labels", either[0])
    frames.count(why, "in a gap of the labels", ~either[0] & either[1])
    unknown = ~either[0] & ~either[1] & (either[2] | lost)
    frames.count(why, "no contact throughout the interval", unknown)


def _difference(
    frames: _Frames, series: LabelSeries, now: Floats, state: NDArray[np.int8], known_segment: Times
) -> tuple[Floats, NDArray[np.int8], NDArray[np.bool_]]:
    """Change of labels over the intervals, their state at the beginning, and whether both ends
    lie in one known segment."""
    past, past_state, past_segment = series.at(frames.past_ns)
    joined = (state == KNOWN) & (past_state == KNOWN) & (known_segment == past_segment)
    return np.where((joined & frames.valid)[:, None], now - past, np.nan), past_state, joined


def _align_change(
    frames: _Frames, series: LabelSeries, within_ns: float, labels: Labels, why: Counter[str]
) -> None:
    values, near = series.nearest(frames.stamp_ns, within_ns)
    spans_ns = np.where(near, values[:, 0] * 1e9, 0)
    alike = near & (np.abs(spans_ns - frames.interval_ns) <= within_ns)
    known = alike & frames.valid
    labels.pose_change[frames.rows] = np.where(known[:, None], values[:, 1:], np.nan)
    frames.count(why, "no label within half a frame period", ~near)
    frames.count(why, "the label spans another interval", near & ~alike)


def _bin_motion(labels: Labels, spec: ModelSpec) -> None:
    """Fill in the bins of the motions."""
    edges = (spec.pose_bin_edges_mm, spec.pose_bin_edges_mm, spec.pose_bin_edges_deg)
    motion = in_bin_units(labels.pose_change)
    for axis in range(3):
        known = np.isfinite(motion[:, axis])
        labels.pose_bins[known, axis] = assign_bins(motion[known, axis], edges[axis])


def _object_speed(estimates: Estimates, labels: Labels, period_ns: float) -> Floats:
    """How fast the object moves, (n,) m/s; NaN where nothing is known."""
    interval_s = estimates.interval_ns * 1e-9
    moved_m = np.linalg.norm(labels.pose_change[:, :2].astype(np.float64), axis=1)
    speed = np.full(len(estimates), np.nan)
    np.divide(moved_m, interval_s, out=speed, where=interval_s > 0)
    known = np.isfinite(labels.pose[:, :2]).all(axis=1)
    for segment in find_segments(estimates.stamp_ns, known, period_ns):
        pose = labels.pose[segment, :2].astype(np.float64)
        stamps = estimates.stamp_ns[segment]
        before = np.searchsorted(stamps, stamps - round(PAIR_INTERVAL_S * 1e9))
        passed_s = (stamps - stamps[before]) * 1e-9
        moved_m = np.linalg.norm(pose - pose[before], axis=1)
        since_contact = np.zeros(len(stamps))
        np.divide(moved_m, passed_s, out=since_contact, where=passed_s > 0)
        speed[segment] = np.where(np.isfinite(speed[segment]), speed[segment], since_contact)
    return np.where(labels.in_contact == 0, 0.0, speed)


def in_bin_units(motion: NDArray[np.float32]) -> Floats:
    """Motions (n, 3) in m, m, rad as float64 in mm, mm, degrees."""
    return np.asarray(motion, np.float64) * (1e3, 1e3, 180 / np.pi)
