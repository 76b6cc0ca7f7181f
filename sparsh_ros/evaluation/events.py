# SPDX-License-Identifier: Apache-2.0
"""Metrics of what goes on in time: slips that begin, false alarms, poses that drift.

A segment is an unbroken sequence of frames of which estimate and truth are known, without a gap
of more than three frame periods. Within a segment:

* an onset is a frame that truly slips after one that does not; that slip lasts until the truth
  says otherwise or the segment ends. Delay = stamp of the first frame of that slip at which the
  estimate says "slipping" - stamp of the onset; 0 where it says so already. If it never does, the
  slip was missed, and has no delay. A segment that begins with slip has no onset there.
* an alarm is an interval of estimates "slipping"; it is false if no frame of it truly slips. Rate =
  false alarms / time in which nothing slips. So an alarm that begins after a short slip has ended
  is false, and that slip missed.
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
_LEAST_DRIFT_S = 0.5
_MINUTE_NS = 60e9

Segment = NDArray[np.int64]


def find_segments(
    stamp_ns: NDArray[np.int64], known: NDArray[np.bool_], period_ns: float
) -> list[Segment]:
    """Rows of each segment: known, ascending, and without a gap of more than three periods."""
    rows = np.flatnonzero(known)
    if not len(rows):
        return []
    steps = np.diff(stamp_ns[rows])
    apart = (np.diff(rows) > 1) | (steps <= 0) | (steps > LONGEST_GAP_PERIODS * period_ns)
    return np.split(rows, np.flatnonzero(apart) + 1)


@dataclass(frozen=True)
class Onset:
    """A slip that begins: its row, and the delay of the estimate in ms; NaN if it was missed."""

    row: int
    delay_ms: float


def find_onsets(
    stamp_ns: NDArray[np.int64], estimate: ArrayLike, slipping: ArrayLike, segments: list[Segment]
) -> list[Onset]:
    """The onsets in some segments of n frames; arguments as of `accumulate_slip_events`."""
    estimate, slipping = np.asarray(estimate, bool), np.asarray(slipping, bool)
    found = []
    for segment in segments:
        said, stamps = estimate[segment], stamp_ns[segment]
        for first, last in find_intervals(slipping[segment]):
            detected = np.flatnonzero(said[first:last])
            delay_ms = (
                (stamps[first + detected[0]] - stamps[first]) * 1e-6 if len(detected) else np.nan
            )
            if first:
                found.append(Onset(int(segment[first]), float(delay_ms)))
    return found


def accumulate_slip_events(
    stamp_ns: NDArray[np.int64], estimate: ArrayLike, slipping: ArrayLike, segments: list[Segment]
) -> tuple[Sums, Floats]:
    """Onsets and alarms in some segments of n frames.

    Args:
        stamp_ns: (n,) stamps.
        estimate: (n,) whether the estimate says "slipping".
        slipping: (n,) whether it truly slips.
        segments: from `find_segments`.

    Returns:
        Sums onsets, missed_onsets, delay_ms, false_alarm_count, quiet_minutes, each (), and the
        delays in ms (k,) of the slips that were not missed.
    """
    estimate, slipping = np.asarray(estimate, bool), np.asarray(slipping, bool)
    delays = np.array(
        [o.delay_ms for o in find_onsets(stamp_ns, estimate, slipping, segments)], float
    )
    delays_ms = delays[np.isfinite(delays)]
    false_alarms, quiet_ns = 0, 0.0
    for segment in segments:
        said, true, stamps = estimate[segment], slipping[segment], stamp_ns[segment]
        quiet_ns += float(np.diff(stamps)[~true[:-1]].sum())
        false_alarms += sum(not true[first:last].any() for first, last in find_intervals(said))
    sums = {
        "onsets": len(delays),
        "missed_onsets": len(delays) - len(delays_ms),
        "delay_ms": delays_ms.sum(),
        "false_alarm_count": false_alarms,
        "quiet_minutes": quiet_ns / _MINUTE_NS,
    }
    return {key: np.array(value, float) for key, value in sums.items()}, delays_ms


def compute_slip_events(sums: Sums) -> Values:
    """Onsets, missed_onsets, delay_mean_ms and false_alarms_per_minute from such sums."""
    detected = sums["onsets"] - sums["missed_onsets"]
    return {
        "onsets": sums["onsets"],
        "missed_onsets": sums["missed_onsets"],
        "delay_mean_ms": ratio(sums["delay_ms"], detected),
        "false_alarms_per_minute": ratio(sums["false_alarm_count"], sums["quiet_minutes"]),
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
    """First and one past the last index of each interval of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
