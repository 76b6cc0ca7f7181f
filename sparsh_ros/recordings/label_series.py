# SPDX-License-Identifier: Apache-2.0
"""Labels as series in time: collected, interpolated, looked up."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

GAP_PERIODS = 3.0
KNOWN, OUTSIDE, IN_GAP, NOT_KNOWN = range(4)

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


class LabelLog:
    """Labels of one type as they come, in compact arrays: 12 bytes and 8 for each number."""

    def __init__(self, width: int, step_back_ns: int) -> None:
        """Take `width` numbers per label; a larger step back of the stamps begins a segment."""
        self._width = width
        self._step_back_ns = step_back_ns
        self._stamps, self._segments, self._values = array("q"), array("i"), array("d")

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def span_ns(self) -> tuple[int, int]:
        """The lowest and the highest stamp of all."""
        return min(self._stamps), max(self._stamps)

    def add(self, stamp_ns: int, values: NDArray[np.float64], segment_of_frames: int) -> None:
        """Add a label, (width,) numbers; NaN where nothing is known.

        A new segment is numbered as that of the frames, so that labels which began later, or were
        silent meanwhile, do not meet frames of a segment before.
        """
        if not self._stamps:
            segment = segment_of_frames
        elif self._stamps[-1] - stamp_ns > self._step_back_ns:
            segment = max(self._segments[-1] + 1, segment_of_frames)
        else:
            segment = self._segments[-1]
        self._stamps.append(stamp_ns)
        self._segments.append(segment)
        self._values.extend(values)

    def series(self, segment: int, shortest_gap_ns: int) -> LabelSeries:
        """The labels of one segment, by stamp; of two with one stamp, the first."""
        # Copies: while a view exists the array cannot grow.
        chosen = np.array(self._segments) == segment
        stamps, first = np.unique(np.array(self._stamps)[chosen], return_index=True)
        values = np.array(self._values).reshape(-1, self._width)[chosen][first]
        return LabelSeries.of(stamps.astype(np.int64), values, shortest_gap_ns)


@dataclass(frozen=True, eq=False)
class LabelSeries:
    """Labels by ascending stamp.

    Attributes:
        stamp_ns: (n,) int64.
        values: (n, k) float64; NaN where nothing is known.
        period_ns: median time between them; 0 of fewer than two.
        segment: (n,) int64; there is no gap within a segment.
        known_segment: (n,) int64; there is no gap, and nothing unknown, within a known_segment.
    """

    stamp_ns: Times
    values: Floats
    period_ns: float
    segment: Times
    known_segment: Times

    @classmethod
    def of(cls, stamp_ns: Times, values: Floats, shortest_gap_ns: int) -> LabelSeries:
        """Find the segments; what is no longer than `shortest_gap_ns` is no gap."""
        steps = np.diff(stamp_ns)
        period_ns = float(np.median(steps)) if len(steps) else 0.0
        gap = steps > max(GAP_PERIODS * period_ns, shortest_gap_ns)
        unknown = np.isnan(values).any(axis=1)
        apart = gap | unknown[1:] | unknown[:-1]
        segment, known_segment = (np.cumsum(np.append(0, breaks)) for breaks in (gap, apart))
        return cls(
            stamp_ns, values, period_ns, segment[: len(stamp_ns)], known_segment[: len(stamp_ns)]
        )

    def unwrapped(self, column: int) -> LabelSeries:
        """The same with an angle (rad) that goes on beyond +-pi within each known_segment."""
        values = self.values.copy()
        starts = np.flatnonzero(np.diff(self.known_segment)) + 1
        for part in np.split(values[:, column], starts):
            part[:] = np.unwrap(part)
        return replace(self, values=values)

    def at(self, times_ns: Times) -> tuple[Floats, NDArray[np.int8], Times]:
        """Labels at some times, interpolated.

        Returns:
            values (m, k), NaN where nothing is known; (m,) `KNOWN`, `OUTSIDE`, `IN_GAP` or
            `NOT_KNOWN`; and the known_segment (m,) that each time lies in, where it is known.
        """
        if not len(self.stamp_ns):
            return self._nothing(len(times_ns))
        after = np.searchsorted(self.stamp_ns, times_ns)
        high = np.minimum(after, len(self.stamp_ns) - 1)
        exact = self.stamp_ns[high] == times_ns
        low = np.where(exact, high, np.maximum(after - 1, 0))
        inside = exact | ((after > 0) & (after < len(self.stamp_ns)))
        joined = inside & (self.segment[low] == self.segment[high])
        span = np.maximum(self.stamp_ns[high] - self.stamp_ns[low], 1)
        share = ((times_ns - self.stamp_ns[low]) / span)[:, None]
        between = self.values[low] + share * (self.values[high] - self.values[low])
        values = np.where(joined[:, None], between, np.nan)
        states = [~inside, ~joined, np.isnan(values).any(axis=1)]
        state = np.select(states, [OUTSIDE, IN_GAP, NOT_KNOWN], KNOWN).astype(np.int8)
        return values, state, self.known_segment[low]

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
