# SPDX-License-Identifier: Apache-2.0
"""Labels at the stamps of estimates.

* Force is interpolated linearly between two labels, never across a gap.
* Slip and contact are those of the nearest label within half a frame period: what is yes or no is
  not interpolated.
* Motion is the difference of two poses, both interpolated, at the ends of the estimate's interval,
  unless contact was lost in between; or a label of the motion itself that spans the same interval.

A gap is longer than three median periods of the labels. Where a clock was set back, each stretch
between two such steps is a time scale of its own.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.metrics import assign_bins
from sparsh_ros.evaluation.result import UNKNOWN, Estimates, Labels
from sparsh_ros.models.spec import ModelSpec

GAP_PERIODS = 3.0
FORCE, SLIP, POSE = "force", "slip", "pose"

KNOWN, OUTSIDE, IN_GAP, NOT_KNOWN = range(4)

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


class LabelStream:
    """Labels of one kind as they come, in compact arrays: 12 bytes and 8 for each number."""

    def __init__(self, columns: int, step_back_ns: int) -> None:
        """Take `columns` numbers per label; a larger step back of the stamps begins a stretch."""
        self._columns = columns
        self._step_back_ns = step_back_ns
        self._stamps, self._stretches, self._values = array("q"), array("i"), array("d")

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp_ns: int, values: NDArray[np.float64]) -> None:
        """Add a label; NaN where it says that nothing is known."""
        stretch = self._stretches[-1] if self._stretches else 0
        if self._stamps and self._stamps[-1] - stamp_ns > self._step_back_ns:
            stretch += 1
        self._stamps.append(stamp_ns)
        self._stretches.append(stretch)
        self._values.extend(values)

    def samples(self, stretch: int) -> Samples:
        """The labels of one stretch, by stamp; of two with one stamp, the first."""
        # Copies: while a view exists the array cannot grow.
        chosen = np.array(self._stretches) == stretch
        stamps, first = np.unique(np.array(self._stamps)[chosen], return_index=True)
        values = np.array(self._values).reshape(-1, self._columns)[chosen][first]
        return Samples.of(stamps.astype(np.int64), values)


@dataclass(frozen=True, eq=False)
class Samples:
    """Labels by ascending stamp.

    Attributes:
        stamp_ns: (n,) int64.
        values: (n, k) float64; NaN where nothing is known.
        piece: (n,) int64; there is no gap within a piece.
        run: (n,) int64; there is no gap, and nothing unknown, within a run.
    """

    stamp_ns: Times
    values: Floats
    piece: Times
    run: Times

    @classmethod
    def of(cls, stamp_ns: Times, values: Floats) -> Samples:
        """Find the pieces and the runs."""
        steps = np.diff(stamp_ns)
        gap = steps > (GAP_PERIODS * np.median(steps) if len(steps) else 0)
        unknown = np.isnan(values).any(axis=1)
        apart = gap | unknown[1:] | unknown[:-1]
        piece, run = (np.cumsum(np.append(0, breaks)) for breaks in (gap, apart))
        return cls(stamp_ns, values, piece[: len(stamp_ns)], run[: len(stamp_ns)])

    def unwrapped(self, column: int) -> Samples:
        """The same with an angle (rad) that goes on beyond +-pi within each run."""
        values = self.values.copy()
        starts = np.flatnonzero(np.diff(self.run)) + 1
        for part in np.split(values[:, column], starts):
            part[:] = np.unwrap(part)
        return replace(self, values=values)

    def at(self, times_ns: Times) -> tuple[Floats, NDArray[np.int8], Times]:
        """Labels at some times, interpolated.

        Returns:
            values (m, k), NaN where nothing is known; (m,) `KNOWN`, `OUTSIDE`, `IN_GAP` or
            `NOT_KNOWN`; and the run (m,) that each time lies in, where it is known.
        """
        if not len(self.stamp_ns):
            return self._nothing(len(times_ns))
        after = np.searchsorted(self.stamp_ns, times_ns)
        high = np.minimum(after, len(self.stamp_ns) - 1)
        exact = self.stamp_ns[high] == times_ns
        low = np.where(exact, high, np.maximum(after - 1, 0))
        inside = exact | ((after > 0) & (after < len(self.stamp_ns)))
        joined = inside & (self.piece[low] == self.piece[high])
        span = np.maximum(self.stamp_ns[high] - self.stamp_ns[low], 1)
        share = ((times_ns - self.stamp_ns[low]) / span)[:, None]
        between = self.values[low] + share * (self.values[high] - self.values[low])
        values = np.where(joined[:, None], between, np.nan)
        states = [~inside, ~joined, np.isnan(values).any(axis=1)]
        state = np.select(states, [OUTSIDE, IN_GAP, NOT_KNOWN], KNOWN).astype(np.int8)
        return values, state, self.run[low]

    def nearest(self, times_ns: Times, within_ns: float) -> tuple[Floats, NDArray[np.bool_]]:
        """Values (m, k) of the nearest labels, and whether (m,) there is one close enough."""
        if not len(self.stamp_ns):
            values, state, _ = self._nothing(len(times_ns))
            return values, state == KNOWN
        after = np.minimum(np.searchsorted(self.stamp_ns, times_ns), len(self.stamp_ns) - 1)
        before = np.maximum(after - 1, 0)
        distances = [np.abs(self.stamp_ns[index] - times_ns) for index in (before, after)]
        chosen = np.where(distances[0] <= distances[1], before, after)
        near = np.minimum(*distances) <= within_ns
        return np.where(near[:, None], self.values[chosen], np.nan), near

    def _nothing(self, count: int) -> tuple[Floats, NDArray[np.int8], Times]:
        values = np.full((count, self.values.shape[1]), np.nan)
        return values, np.full(count, OUTSIDE, np.int8), np.zeros(count, np.int64)


def align(
    estimates: Estimates,
    stretch: NDArray[np.int32],
    streams: Mapping[str, LabelStream],
    spec: ModelSpec,
    period_ns: float,
) -> tuple[Labels, dict[str, dict[str, int]]]:
    """Find what is true at each of n estimates.

    Args:
        estimates: what perception said.
        stretch: (n,) how often the stamps had stepped back before.
        streams: "force" (3 columns: N), "slip" (2: slipping, in contact), "pose" (3: m, m, rad),
            "pose_change" (4: seconds, m, m, rad), as far as there are labels.
        spec: the model; its bins are those of the motion.
        period_ns: of the frames.

    Returns:
        The labels, and for "force", "slip", "pose" how many valid estimates have no label, by
        reason; for the force the present one counts, not its change.
    """
    labels = _unknown_labels(len(estimates))
    unaligned = {kind: Counter() for kind in (FORCE, SLIP, POSE)}
    for number in np.unique(stretch):
        rows = np.flatnonzero(stretch == number)
        samples = {kind: stream.samples(number) for kind, stream in streams.items()}
        frames = _Frames.of(estimates, rows)
        if FORCE in samples:
            _align_force(frames, samples[FORCE], labels, unaligned[FORCE])
        if SLIP in samples:
            _align_slip(frames, samples[SLIP], period_ns / 2, labels, unaligned[SLIP])
        if POSE in samples:
            _align_pose(frames, samples[POSE].unwrapped(2), labels, unaligned[POSE])
        elif "pose_change" in samples:
            _align_change(frames, samples["pose_change"], period_ns / 2, labels, unaligned[POSE])
    _bin_motion(labels, spec)
    return labels, {kind: dict(sorted(counts.items())) for kind, counts in unaligned.items()}


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
    bins = np.full((count, 3), UNKNOWN, np.int8)
    return Labels(floats(), floats(), *flags, floats(), bins, floats())


def _align_force(frames: _Frames, samples: Samples, labels: Labels, why: Counter[str]) -> None:
    now, state, run = samples.at(frames.stamp_ns)
    change = _difference(frames, samples, now, state, run)[0]
    labels.force_n[frames.rows], labels.delta_force_n[frames.rows] = now, change
    frames.count(why, "before the first label or after the last", state == OUTSIDE)
    frames.count(why, "in a gap of the labels", state == IN_GAP)
    frames.count(why, "the label is unknown", state == NOT_KNOWN)


def _align_slip(
    frames: _Frames, samples: Samples, within_ns: float, labels: Labels, why: Counter[str]
) -> None:
    values, near = samples.nearest(frames.stamp_ns, within_ns)
    flags = np.where(near[:, None], values, UNKNOWN).astype(np.int8)
    labels.slipping[frames.rows], labels.in_contact[frames.rows] = flags.T
    frames.count(why, "no label within half a frame period", ~near)


def _align_pose(frames: _Frames, samples: Samples, labels: Labels, why: Counter[str]) -> None:
    now, state, run = samples.at(frames.stamp_ns)
    change, past_state, joined = _difference(frames, samples, now, state, run)
    labels.pose[frames.rows], labels.pose_change[frames.rows] = now, change
    either = [(state == bad) | (past_state == bad) for bad in (OUTSIDE, IN_GAP, NOT_KNOWN)]
    lost = (state == KNOWN) & (past_state == KNOWN) & ~joined
    frames.count(why, "the interval reaches beyond the labels", either[0])
    frames.count(why, "in a gap of the labels", ~either[0] & either[1])
    unknown = ~either[0] & ~either[1] & (either[2] | lost)
    frames.count(why, "no contact throughout the interval", unknown)


def _difference(
    frames: _Frames, samples: Samples, now: Floats, state: NDArray[np.int8], run: Times
) -> tuple[Floats, NDArray[np.int8], NDArray[np.bool_]]:
    """Change of labels over the intervals, their state at the beginning, and whether both ends
    lie in one run."""
    past, past_state, past_run = samples.at(frames.past_ns)
    joined = (state == KNOWN) & (past_state == KNOWN) & (run == past_run)
    return np.where((joined & frames.valid)[:, None], now - past, np.nan), past_state, joined


def _align_change(
    frames: _Frames, samples: Samples, within_ns: float, labels: Labels, why: Counter[str]
) -> None:
    values, near = samples.nearest(frames.stamp_ns, within_ns)
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


def in_bin_units(motion: NDArray[np.float32]) -> Floats:
    """Motions (n, 3) in m, m, rad as float64 in mm, mm, degrees."""
    return np.asarray(motion, np.float64) * (1e3, 1e3, 180 / np.pi)
