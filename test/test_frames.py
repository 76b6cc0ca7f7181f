# SPDX-License-Identifier: Apache-2.0
"""Pairing by time: jitter, drops, late frames, clock steps, duplicates, long runs."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.errors import FrameError
from sparsh_ros.frames import IMAGE_SHAPE, PAIR_INTERVAL_S, Frame, FrameRing

BLACK = np.zeros(IMAGE_SHAPE, np.uint8)
INTERVAL_NS = round(PAIR_INTERVAL_S * 1e9)
MILLISECOND = 1_000_000
START = 1_700_000_000_000_000_000


def frame(stamp_ns: int, sequence: int = 0) -> Frame:
    return Frame(stamp_ns=int(stamp_ns), image=BLACK, sequence=sequence)


def stamps(rate_hz: float, count: int, jitter: float, drop: float, seed: int) -> np.ndarray:
    """Stamps of a camera: `jitter` is the largest error as a share of the period."""
    rng = np.random.default_rng(seed)
    period = 1e9 / rate_hz
    times = START + (np.arange(count) + rng.uniform(-jitter, jitter, count) / 2) * period
    return times[rng.random(count) >= drop].astype(np.int64)


def closest_partner(pushed: np.ndarray, index: int) -> int | None:
    """Reference: search the whole history instead of the ring."""
    wanted = pushed[index] - INTERVAL_NS
    older = pushed[:index]
    if not len(older):
        return None
    best = int(older[np.argmin(np.abs(older - wanted))])
    return best if abs(best - wanted) <= INTERVAL_NS // 2 else None


@pytest.mark.parametrize("rate_hz", [18, 25, 30, 60, 90])
@pytest.mark.parametrize("drop", [0.0, 0.1, 0.4])
def test_agrees_with_a_search_of_the_whole_history(rate_hz: float, drop: float) -> None:
    ring = FrameRing()
    pushed = stamps(rate_hz, 400, jitter=0.6, drop=drop, seed=rate_hz)
    for index, stamp in enumerate(pushed):
        ring.push(frame(stamp))
        pair, wanted = ring.pair(), closest_partner(pushed, index)
        assert (pair is None) == (wanted is None) == (ring.reason != "")
        if pair is not None:
            assert pair.current.stamp_ns == stamp
            error = abs(pair.previous.stamp_ns - (stamp - INTERVAL_NS))
            assert error == abs(wanted - (stamp - INTERVAL_NS))


@pytest.mark.parametrize("rate_hz", [18, 25, 30, 60])
def test_every_frame_has_a_partner_once_the_ring_is_warm(rate_hz: float) -> None:
    ring = FrameRing()
    pairs = []
    for stamp in stamps(rate_hz, 200, jitter=0.1, drop=0.0, seed=1):
        ring.push(frame(stamp))
        pairs.append(ring.pair())
    warm = int(np.ceil(rate_hz * PAIR_INTERVAL_S)) + 1
    assert None not in pairs[warm:]
    assert all(abs(p.interval_s - PAIR_INTERVAL_S) <= PAIR_INTERVAL_S / 2 for p in pairs[warm:])


def test_picks_the_frame_five_back_at_60_fps() -> None:
    ring = FrameRing()
    for index in range(20):
        ring.push(frame(START + index * 1e9 / 60, sequence=index))
    pair = ring.pair()
    assert (pair.current.sequence, pair.previous.sequence) == (19, 14)
    assert pair.interval_s == pytest.approx(5 / 60, abs=1e-6)


@pytest.mark.parametrize(("gap_ms", "valid"), [(42, True), (41, False), (124, True), (126, False)])
def test_half_an_interval_is_the_limit(gap_ms: int, valid: bool) -> None:
    ring = FrameRing()
    ring.push(frame(START))
    ring.push(frame(START + gap_ms * MILLISECOND))
    assert (ring.pair() is not None) is valid
    assert (ring.reason == "") is valid


def test_reason_names_wanted_and_found() -> None:
    ring = FrameRing()
    assert "no frame yet" in ring.reason
    ring.push(frame(START))
    assert "83 +- 42 ms" in ring.reason and "found none" in ring.reason
    ring.push(frame(START + 20 * MILLISECOND))
    assert "found 20 ms" in ring.reason


def test_late_frame_is_filed_in_its_place() -> None:
    ring = FrameRing()
    for millisecond in (0, 17, 50, 83, 100, 117):
        ring.push(frame(START + millisecond * MILLISECOND))
    ring.push(frame(START + 90 * MILLISECOND))
    assert ring.late == 1 and ring.clock_steps == 0
    assert ring.newest.stamp_ns == START + 117 * MILLISECOND
    ring.push(frame(START + 173 * MILLISECOND))
    assert ring.pair().previous.stamp_ns == START + 90 * MILLISECOND


def test_clock_step_back_starts_anew() -> None:
    ring = FrameRing()
    for index in range(10):
        ring.push(frame(START + index * 1e9 / 60))
    earlier = START - 3_600 * 10**9
    ring.push(frame(earlier))
    assert ring.clock_steps == 1 and len(ring) == 1 and ring.pair() is None
    for index in range(1, 6):
        ring.push(frame(earlier + index * 1e9 / 60))
    assert ring.pair().previous.stamp_ns == earlier


def test_clock_step_forward_leaves_no_partner_until_the_interval_has_passed() -> None:
    ring = FrameRing()
    for index in range(10):
        ring.push(frame(START + index * 1e9 / 60))
    later = START + 3_600 * 10**9
    ring.push(frame(later))
    assert ring.pair() is None and len(ring) == 1
    for index in range(1, 6):
        ring.push(frame(later + index * 1e9 / 60))
    assert ring.pair().previous.stamp_ns == later


def test_one_stamp_far_ahead_costs_no_more_than_one_interval() -> None:
    ring = FrameRing()
    times = [START + round(index * 1e9 / 60) for index in range(30)]
    for index, stamp in enumerate(times):
        ring.push(frame(stamp + 10**12 if index == 10 else stamp))
    assert ring.clock_steps == 1
    assert ring.pair().current.stamp_ns == times[-1]


def test_duplicates_are_ignored_and_counted() -> None:
    ring = FrameRing()
    for index in range(10):
        for _ in range(2):
            ring.push(frame(START + index * 1e9 / 60))
    assert ring.duplicates == 10
    assert len({held.stamp_ns for held in ring._frames}) == len(ring)


def test_never_grows() -> None:
    ring = FrameRing()
    rng = np.random.default_rng(7)
    largest = 0
    stamp = START
    for _ in range(20_000):
        stamp += int(rng.choice([16, 1, 55, 900, 0, -10, -5_000]) * MILLISECOND)
        ring.push(frame(stamp))
        largest = max(largest, len(ring))
    assert largest <= 17
    for step in range(1_000):
        ring.push(frame(stamp + step))
    assert len(ring) <= 17


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_an_impossible_interval(interval: float) -> None:
    with pytest.raises(FrameError, match="above 0"):
        FrameRing(interval)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((240, 320, 3), np.uint8),
        np.zeros((320, 240), np.uint8),
        np.zeros(IMAGE_SHAPE, np.float32),
        [[0]],
    ],
)
def test_frame_refuses_what_is_not_a_standard_image(image: object) -> None:
    with pytest.raises(FrameError, match="wanted"):
        Frame(stamp_ns=0, image=image)
