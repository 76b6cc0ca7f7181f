# SPDX-License-Identifier: Apache-2.0
"""When to call it slip, chosen on validation recordings alone: thresholds and how long to wait.

Events are counted as `evaluation.events` does, causally: an alarm up to 5/60 s after an onset finds
it; one that comes before is false, even if slip follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.events import accumulate_events, find_intervals
from sparsh_ros.perception.streaming.slip_alarm import SlipAlarm

RATE_HZ = 60.0
EARLY_FRAMES = 5
MOST_UNFOUNDED_PER_MIN = 2.0
LONGEST_DELAY_S = 0.034
"""Two frames, and what rounding makes of them."""
ON = np.round(np.arange(0.3, 0.981, 0.01), 2)
OFF_SHARES = (0.3, 0.5, 0.7, 0.9)
CONFIRM_FRAMES = (0, 1, 2)
"""Frames to wait; more than two, 33 ms, would be too late for a grip."""


@dataclass(frozen=True)
class EventScores:
    """Counts over recordings.

    Attributes:
        events: true onsets.
        found: those that an alarm found.
        false_alarms: alarms that begin out of slip.
        early_alarms: those of them after which slip begins within 5 frames.
        quiet_min: minutes without slip.
        delays_s: of the found ones.
    """

    events: int
    found: int
    false_alarms: int
    early_alarms: int
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
    def unfounded_per_min(self) -> float:
        """The same without those after which slip begins within 5 frames."""
        alarms = self.false_alarms - self.early_alarms
        return alarms / self.quiet_min if self.quiet_min else float("nan")

    @property
    def delay_s(self) -> float:
        """Median delay of what was found."""
        return float(np.median(self.delays_s)) if self.delays_s else float("nan")


@dataclass(frozen=True)
class AlarmRule:
    """Probabilities from which and until below which it is slip, and frames to wait before."""

    threshold: float
    release: float
    confirm_frames: int = 0


def alarm(probability: NDArray, rule: AlarmRule) -> NDArray[np.bool_]:
    """Whether there is an alarm at each frame (60 frames/s) of a recording."""
    own = SlipAlarm(rule.confirm_frames / RATE_HZ)
    values = enumerate(probability.tolist())
    limits = rule.threshold, rule.release
    return np.array([own.update(round(i * 1e9 / RATE_HZ), p, *limits) for i, p in values], bool)


def score_events(
    alarms: Sequence[NDArray[np.bool_]], slipping: Sequence[NDArray[np.bool_]]
) -> EventScores:
    """Count over recordings at 60 frames/s, (n,) bool each of the same length."""
    sums, delays, early = [], [], 0
    for alarmed, truth in zip(alarms, slipping, strict=True):
        stamps = np.round(np.arange(len(truth)) * 1e9 / RATE_HZ).astype(np.int64)
        counted, delays_ms = accumulate_events(stamps, alarmed, truth, [np.arange(len(truth))])
        sums.append(counted)
        delays.extend((delays_ms * 1e-3).tolist())
        begins = [first for first, _ in find_intervals(alarmed) if not truth[first]]
        early += sum(bool(truth[b : b + EARLY_FRAMES + 1].any()) for b in begins)
    total = {key: float(sum(part[key] for part in sums)) for key in sums[0]}
    events, missed = int(total["onsets"]), int(total["missed_onsets"])
    false_alarms, quiet = int(total["false_alarm_count"]), total["quiet_minutes"]
    return EventScores(events, events - missed, false_alarms, early, quiet, tuple(delays))


def choose_rule(
    probability: Sequence[NDArray], slipping: Sequence[NDArray[np.bool_]]
) -> tuple[AlarmRule, EventScores]:
    """The rule with the highest event F1 among those with few enough unfounded alarms (one that
    comes a moment too early costs F1, but harms no grip) and a median delay of two frames at most;
    where there is none, the highest of all. Probabilities and truth are (n,) for each recording."""
    tried = []
    for on, share, frames in product(ON, OFF_SHARES, CONFIRM_FRAMES):
        rule = AlarmRule(float(on), float(round(on * share, 3)), frames)
        scores = score_events([alarm(each, rule) for each in probability], slipping)
        is_rare = scores.unfounded_per_min <= MOST_UNFOUNDED_PER_MIN
        rank = (is_rare and scores.delay_s <= LONGEST_DELAY_S, scores.f1)
        tried.append((rank, rule, scores))
    _, rule, scores = max(tried, key=lambda entry: entry[0])
    return rule, scores
