# SPDX-License-Identifier: Apache-2.0
"""Labels as samples in time: collected, interpolated, looked up."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

GAP_PERIODS = 3.0
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

    def add(self, stamp_ns: int, values: NDArray[np.float64], stretch_of_frames: int) -> None:
        """Add a label; NaN where it says that nothing is known.

        A new stretch is numbered as that of the frames, so that labels which began later, or were
        silent meanwhile, do not meet frames of a stretch before.
        """
        if not self._stamps:
            stretch = stretch_of_frames
        elif self._stamps[-1] - stamp_ns > self._step_back_ns:
            stretch = max(self._stretches[-1] + 1, stretch_of_frames)
        else:
            stretch = self._stretches[-1]
        self._stamps.append(stamp_ns)
        self._stretches.append(stretch)
        self._values.extend(values)

    def samples(self, stretch: int, shortest_gap_ns: int) -> Samples:
        """The labels of one stretch, by stamp; of two with one stamp, the first."""
        # Copies: while a view exists the array cannot grow.
        chosen = np.array(self._stretches) == stretch
        stamps, first = np.unique(np.array(self._stamps)[chosen], return_index=True)
        values = np.array(self._values).reshape(-1, self._columns)[chosen][first]
        return Samples.of(stamps.astype(np.int64), values, shortest_gap_ns)


@dataclass(frozen=True, eq=False)
class Samples:
    """Labels by ascending stamp.

    Attributes:
        stamp_ns: (n,) int64.
        values: (n, k) float64; NaN where nothing is known.
        period_ns: median time between them; 0 of fewer than two.
        piece: (n,) int64; there is no gap within a piece.
        run: (n,) int64; there is no gap, and nothing unknown, within a run.
    """

    stamp_ns: Times
    values: Floats
    period_ns: float
    piece: Times
    run: Times

    @classmethod
    def of(cls, stamp_ns: Times, values: Floats, shortest_gap_ns: int) -> Samples:
        """Find the pieces and the runs; what is no longer than `shortest_gap_ns` is no gap."""
        steps = np.diff(stamp_ns)
        period_ns = float(np.median(steps)) if len(steps) else 0.0
        gap = steps > max(GAP_PERIODS * period_ns, shortest_gap_ns)
        unknown = np.isnan(values).any(axis=1)
        apart = gap | unknown[1:] | unknown[:-1]
        piece, run = (np.cumsum(np.append(0, breaks)) for breaks in (gap, apart))
        return cls(stamp_ns, values, period_ns, piece[: len(stamp_ns)], run[: len(stamp_ns)])

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
