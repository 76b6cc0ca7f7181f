# SPDX-License-Identifier: Apache-2.0
"""Metrics of what goes on in time: events that begin, false alarms, poses that drift.

A segment is an unbroken sequence of frames of which estimate and truth are known, without a gap
of more than three frame periods. Within a segment, of slip as of contact:

* an event is an interval in which it is true, and its onset the first frame of it; one that a
  segment begins with has no onset. An alarm is an interval in which the estimate says so.
* an onset is found if an alarm begins at it or within 5/60 s after it: delay = stamp of the
  alarm's first frame - stamp of the onset. Else it is missed. An alarm that goes on already at an
  onset does not find it, so whoever always says "slipping" finds nothing.
* an alarm is false if it begins while nothing slips, also if it lasts into a slip: until the onset
  it is wrong. One that begins later in a slip is neither found nor false.
* F1 = 2 found / (2 found + missed + false). Rate = false alarms / quiet time, the time in which
  nothing slips; and the share of the quiet time during which there is an alarm.
* the three-frame decision is "slipping" if the probability of this frame and of the two before is
  above the threshold (the protocol of Sparsh, Higuera et al., 2024: above 0.4).
* drift = sum over segments |error of the pose at the end - error at the beginning| / sum of their
  durations, over segments of half a second or more in which estimated and true contact last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsh_ros.evaluation.metrics import Floats, Sums, Values, ratio

PUBLISHED_THRESHOLD = 0.4
PUBLISHED_FRAMES = 3
LONGEST_GAP_PERIODS = 3.0
MATCH_NS = 84_000_000  # 5/60 s, and what rounding makes of it
_LEAST_DRIFT_S = 0.5
_MINUTE_NS = 60e9

Segment = NDArray[np.int64]


def find_segments(
    stamp_ns: NDArray[np.int64], known: NDArray[np.bool_], period_ns: float
) -> list[Segment]:
    """Rows of each segment: known, ascending, and without a gap of more than three periods.

    Args:
        stamp_ns: (n,) stamps.
        known: (n,) whether anything is known at them.
        period_ns: Usual time from one stamp to the next.
    """
    rows = np.flatnonzero(known)
    if not len(rows):
        return []
    steps = np.diff(stamp_ns[rows])
    apart = (np.diff(rows) > 1) | (steps <= 0) | (steps > LONGEST_GAP_PERIODS * period_ns)
    return np.split(rows, np.flatnonzero(apart) + 1)


@dataclass(frozen=True)
class Onset:
    """The beginning of an event: its row, and the delay of its alarm in ms; NaN if missed."""

    row: int
    delay_ms: float


def find_onsets(
    stamp_ns: NDArray[np.int64], estimate: ArrayLike, truth: ArrayLike, segments: list[Segment]
) -> list[Onset]:
    """The onsets in some segments of n frames; arguments as of `accumulate_events`."""
    estimate, truth = np.asarray(estimate, bool), np.asarray(truth, bool)
    found = []
    for segment in segments:
        stamps = stamp_ns[segment]
        alarms = stamps[[first for first, _ in find_intervals(estimate[segment])]]
        for first, last in find_intervals(truth[segment]):
            if not first:
                continue
            after_ns = alarms - stamps[first]
            near_ns = after_ns[
                (after_ns >= 0) & (after_ns <= MATCH_NS) & (alarms <= stamps[last - 1])
            ]
            delay_ms = near_ns[0] * 1e-6 if len(near_ns) else np.nan
            found.append(Onset(int(segment[first]), float(delay_ms)))
    return found


def accumulate_events(
    stamp_ns: NDArray[np.int64], estimate: ArrayLike, truth: ArrayLike, segments: list[Segment]
) -> tuple[Sums, Floats]:
    """Onsets and alarms in some segments of n frames.

    Args:
        stamp_ns: (n,) stamps.
        estimate: (n,) whether the estimate says so.
        truth: (n,) whether it is so.
        segments: From `find_segments`.

    Returns:
        Sums onsets, missed_onsets, delay_ms, false_alarm_count, alarmed_minutes (of the quiet
        time), quiet_minutes, each (), and the delays in ms (k,) of the onsets that were found.
    """
    estimate, truth = np.asarray(estimate, bool), np.asarray(truth, bool)
    delays = np.array([o.delay_ms for o in find_onsets(stamp_ns, estimate, truth, segments)], float)
    delays_ms = delays[np.isfinite(delays)]
    false_alarms, quiet_ns, alarmed_ns = 0, 0.0, 0.0
    for segment in segments:
        said, true = estimate[segment], truth[segment]
        steps_ns = np.diff(stamp_ns[segment])
        quiet_ns += float(steps_ns[~true[:-1]].sum())
        alarmed_ns += float(steps_ns[~true[:-1] & said[:-1]].sum())
        false_alarms += sum(not true[first] for first, _ in find_intervals(said))
    sums = {
        "onsets": len(delays),
        "missed_onsets": len(delays) - len(delays_ms),
        "delay_ms": delays_ms.sum(),
        "false_alarm_count": false_alarms,
        "alarmed_minutes": alarmed_ns / _MINUTE_NS,
        "quiet_minutes": quiet_ns / _MINUTE_NS,
    }
    return {key: np.array(value, float) for key, value in sums.items()}, delays_ms


def compute_events(sums: Sums) -> Values:
    """Onsets, missed_onsets, event_f1, delay_mean_ms, false_alarms_per_minute and quiet_alarmed
    from such sums."""
    found = sums["onsets"] - sums["missed_onsets"]
    wrong = sums["missed_onsets"] + sums["false_alarm_count"]
    return {
        "onsets": sums["onsets"],
        "missed_onsets": sums["missed_onsets"],
        "event_f1": ratio(2 * found, 2 * found + wrong),
        "delay_mean_ms": ratio(sums["delay_ms"], found),
        "false_alarms_per_minute": ratio(sums["false_alarm_count"], sums["quiet_minutes"]),
        "quiet_alarmed": ratio(sums["alarmed_minutes"], sums["quiet_minutes"]),
    }


def three_frame_slip(probability: ArrayLike, segments: list[Segment]) -> NDArray[np.bool_]:
    """The published protocol's decision (n,); never "slipping" in a segment's first two frames."""
    above = np.asarray(probability) > PUBLISHED_THRESHOLD
    decision = np.zeros(len(above), bool)
    for segment in segments:
        if len(segment) >= PUBLISHED_FRAMES:
            windows = np.lib.stride_tricks.sliding_window_view(above[segment], PUBLISHED_FRAMES)
            decision[segment[PUBLISHED_FRAMES - 1 :]] = windows.all(axis=1)
    return decision


def accumulate_drift(
    stamp_ns: NDArray[np.int64], estimate: Floats, truth: Floats, period_ns: float
) -> Sums:
    """Sums behind the drift of the integrated pose.

    Args:
        stamp_ns: (n,) stamps.
        estimate: (n, 3) pose since the estimated contact began: mm, mm, degrees; NaN without.
        truth: (n, 3) true pose in the same units, from any origin; NaN without contact.
        period_ns: of the frames.

    Returns:
        drift_mm, drift_mm_s, drift_deg, drift_deg_s, each (): drifts and durations added up.
    """
    error = np.asarray(estimate, np.float64) - np.asarray(truth, np.float64)
    sums = {}
    for name, columns in (("drift_mm", [0, 1]), ("drift_deg", [2])):
        total, total_s = 0.0, 0.0
        for segment in find_segments(
            stamp_ns, np.isfinite(error[:, columns]).all(axis=1), period_ns
        ):
            lasted_s = (stamp_ns[segment[-1]] - stamp_ns[segment[0]]) * 1e-9
            if lasted_s >= _LEAST_DRIFT_S:
                moved = error[segment[-1]][columns] - error[segment[0]][columns]
                total, total_s = total + float(np.linalg.norm(moved)), total_s + lasted_s
        sums |= {name: np.array(total), f"{name}_s": np.array(total_s)}
    return sums


def compute_drift(sums: Sums) -> Values:
    """drift_mm_per_s and drift_deg_per_s from such sums."""
    names = ("drift_mm", "drift_deg")
    return {f"{name}_per_s": ratio(sums[name], sums[f"{name}_s"]) for name in names}


def find_intervals(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last index of each interval of True in (n,) flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
