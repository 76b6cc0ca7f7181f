# SPDX-License-Identifier: Apache-2.0
"""Slip as events: alarms with hysteresis, matched to true onsets, and the best thresholds.

An alarm that begins within 5/60 s of an onset, either side, finds it. One that begins anywhere else
out of slip is false; one that begins while slip already lasts longer is neither. Thresholds are
chosen here, from validation recordings alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_FRAMES = 5
RATE_HZ = 60.0
MOST_FALSE_PER_MIN = 2.0
ON = np.round(np.arange(0.3, 0.96, 0.05), 2)
OFF_SHARES = (0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class EventScores:
    """Counts over recordings.

    Attributes:
        events: true onsets.
        found: those that an alarm found.
        false_alarms: alarms that begin out of slip and away from an onset.
        quiet_min: minutes without slip.
        delays_s: of the found ones, negative where the alarm came first.
    """

    events: int
    found: int
    false_alarms: int
    quiet_min: float
    delays_s: tuple[float, ...]

    @property
    def f1(self) -> float:
        """Of events; 0 without any."""
        total = self.events + self.found + self.false_alarms
        return 2 * self.found / total if total else 0.0

    @property
    def false_per_min(self) -> float:
        """False alarms per minute of quiet time."""
        return self.false_alarms / self.quiet_min if self.quiet_min else float("nan")

    @property
    def delay_s(self) -> float:
        """Median delay of what was found."""
        return float(np.median(self.delays_s)) if self.delays_s else float("nan")


def alarm(probability: NDArray, on: float, off: float) -> NDArray[np.bool_]:
    """Alarm from `on` or more until below `off`; NaN ends it."""
    found, state = np.zeros(len(probability), bool), False
    for index, value in enumerate(probability):
        state = bool(value >= (off if state else on))
        found[index] = state
    return found


def score_events(
    alarms: Sequence[NDArray[np.bool_]], slipping: Sequence[NDArray[np.bool_]]
) -> EventScores:
    """Count over recordings at 60 frames/s."""
    events = found = false_alarms = quiet = 0
    delays: list[float] = []
    for alarmed, truth in zip(alarms, slipping, strict=True):
        begins, onsets = _begins(alarmed), _begins(truth)
        used: set[int] = set()
        for onset in onsets:
            near = [b for b in begins if abs(b - onset) <= WINDOW_FRAMES and b not in used]
            if near:
                used.add(near[0])
                delays.append((near[0] - onset) / RATE_HZ)
        events += len(onsets)
        found += len(used)
        false_alarms += sum(b not in used and not truth[b] for b in begins)
        quiet += int((~truth).sum())
    return EventScores(events, found, false_alarms, quiet / RATE_HZ / 60, tuple(delays))


def choose_thresholds(
    probability: Sequence[NDArray], slipping: Sequence[NDArray[np.bool_]]
) -> tuple[float, float, EventScores]:
    """Thresholds on and off with the highest event F1 among those with few enough false alarms; the
    fewest false alarms where none has."""
    tried = []
    for on in ON:
        for share in OFF_SHARES:
            alarms = [alarm(p, on, on * share) for p in probability]
            scores = score_events(alarms, slipping)
            fits = scores.false_per_min <= MOST_FALSE_PER_MIN
            rank = (fits, scores.f1 if fits else -scores.false_per_min)
            tried.append((rank, float(on), float(round(on * share, 3)), scores))
    _, on, off, scores = max(tried, key=lambda entry: entry[0])
    return on, off, scores


def _begins(values: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(values & ~np.r_[False, values[:-1]]).tolist()
