# SPDX-License-Identifier: Apache-2.0
"""Metrics of what goes on in time: slips that begin, false alarms, poses that drift.

A run is a stretch of frames of which estimate and truth are known, without a gap of more than
three frame periods. Within a run:

* an onset is a frame that truly slips after one that does not; that slip lasts until the truth
  says otherwise or the run ends. Delay = stamp of the first frame of that slip at which the
  estimate says "slipping" - stamp of the onset; 0 where it says so already. If it never does, the
  slip was missed, and has no delay. A run that begins with slip has no onset there.
* an alarm is a stretch of estimates "slipping"; it is false if no frame of it truly slips. Rate =
  false alarms / time in which nothing slips. So an alarm that begins after a short slip has ended
  is false, and that slip missed.
* the three-frame answer is "slipping" if the probability of this frame and of the two before is
  above the threshold (the protocol of Sparsh, Higuera et al., 2024: above 0.4).
* drift = sum over runs |error of the pose at the end - error at the beginning| / sum of their
  durations, over runs of half a second or more in which estimated and true contact last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsh_ros.evaluation.metrics import Floats, Sums, Values, share

PUBLISHED_THRESHOLD = 0.4
PUBLISHED_FRAMES = 3
LONGEST_GAP_PERIODS = 3.0
_LEAST_DRIFT_S = 0.5
_MINUTE_NS = 60e9

Run = NDArray[np.int64]


def find_runs(stamp_ns: NDArray[np.int64], known: NDArray[np.bool_], period_ns: float) -> list[Run]:
    """Rows of each run: known, ascending, and without a gap of more than three periods."""
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
    stamp_ns: NDArray[np.int64], estimate: ArrayLike, slipping: ArrayLike, runs: list[Run]
) -> list[Onset]:
    """The onsets in some runs of n frames, in their order; arguments as of `slip_events`."""
    estimate, slipping = np.asarray(estimate, bool), np.asarray(slipping, bool)
    found = []
    for run in runs:
        said, stamps = estimate[run], stamp_ns[run]
        for first, last in stretches(slipping[run]):
            heard = np.flatnonzero(said[first:last])
            delay_ms = (stamps[first + heard[0]] - stamps[first]) * 1e-6 if len(heard) else np.nan
            if first:
                found.append(Onset(int(run[first]), float(delay_ms)))
    return found


def slip_events(
    stamp_ns: NDArray[np.int64], estimate: ArrayLike, slipping: ArrayLike, runs: list[Run]
) -> tuple[Sums, Floats]:
    """Onsets and alarms in some runs of n frames.

    Args:
        stamp_ns: (n,) stamps.
        estimate: (n,) whether the estimate says "slipping".
        slipping: (n,) whether it truly slips.
        runs: from `find_runs`.

    Returns:
        Sums onsets, missed_onsets, delay_ms, false_alarm_count, quiet_minutes, each (), and the
        delays in ms (k,) of the slips that were not missed.
    """
    estimate, slipping = np.asarray(estimate, bool), np.asarray(slipping, bool)
    delays = np.array([o.delay_ms for o in find_onsets(stamp_ns, estimate, slipping, runs)], float)
    delays_ms = delays[np.isfinite(delays)]
    false_alarms, quiet_ns = 0, 0.0
    for run in runs:
        said, true, stamps = estimate[run], slipping[run], stamp_ns[run]
        quiet_ns += float(np.diff(stamps)[~true[:-1]].sum())
        false_alarms += sum(not true[first:last].any() for first, last in stretches(said))
    sums = {
        "onsets": len(delays),
        "missed_onsets": len(delays) - len(delays_ms),
        "delay_ms": delays_ms.sum(),
        "false_alarm_count": false_alarms,
        "quiet_minutes": quiet_ns / _MINUTE_NS,
    }
    return {key: np.array(value, float) for key, value in sums.items()}, delays_ms


def slip_events_of_sums(sums: Sums) -> Values:
    """Onsets, missed_onsets, delay_mean_ms and false_alarms_per_minute from such sums."""
    heard = sums["onsets"] - sums["missed_onsets"]
    return {
        "onsets": sums["onsets"],
        "missed_onsets": sums["missed_onsets"],
        "delay_mean_ms": share(sums["delay_ms"], heard),
        "false_alarms_per_minute": share(sums["false_alarm_count"], sums["quiet_minutes"]),
    }


def three_frame_slip(probability: ArrayLike, runs: list[Run]) -> NDArray[np.bool_]:
    """The published protocol's answer (n,); the first two frames of a run are never "slipping"."""
    above = np.asarray(probability) > PUBLISHED_THRESHOLD
    answer = np.zeros(len(above), bool)
    for run in runs:
        if len(run) >= PUBLISHED_FRAMES:
            windows = np.lib.stride_tricks.sliding_window_view(above[run], PUBLISHED_FRAMES)
            answer[run[PUBLISHED_FRAMES - 1 :]] = windows.all(axis=1)
    return answer


def drift_sums(
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
        for run in find_runs(stamp_ns, np.isfinite(error[:, columns]).all(axis=1), period_ns):
            lasted_s = (stamp_ns[run[-1]] - stamp_ns[run[0]]) * 1e-9
            if lasted_s >= _LEAST_DRIFT_S:
                moved = error[run[-1]][columns] - error[run[0]][columns]
                total, total_s = total + float(np.linalg.norm(moved)), total_s + lasted_s
        sums |= {name: np.array(total), f"{name}_s": np.array(total_s)}
    return sums


def drift_of_sums(sums: Sums) -> Values:
    """drift_mm_per_s and drift_deg_per_s from such sums."""
    names = ("drift_mm", "drift_deg")
    return {f"{name}_per_s": share(sums[name], sums[f"{name}_s"]) for name in names}


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last index of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
