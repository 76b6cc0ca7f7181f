# SPDX-License-Identifier: Apache-2.0
"""Partners by time: jitter, drops, late frames, clock steps, duplicates, long runs."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.errors import FrameError
from sparsh_ros.frames import IMAGE_SHAPE, PAIR_INTERVAL_S, PAIR_OFFSETS_S, Frame, FrameRing

BLACK = np.zeros(IMAGE_SHAPE, np.uint8)
INTERVAL_NS = round(PAIR_INTERVAL_S * 1e9)
VIDEO_OFFSETS_S = (0.0, 2 / 60, 4 / 60, 6 / 60)
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


def closest_errors(pushed: np.ndarray, index: int, offsets_s: tuple) -> list[int] | None:
    """Reference: search the whole history instead of the ring; how far off each partner is."""
    wanted = pushed[index] - np.round(np.array(offsets_s[1:]) * 1e9).astype(np.int64)
    if not index:
        return None
    errors = np.abs(pushed[:index] - wanted[:, None]).min(axis=1)
    return errors.tolist() if (errors <= round(offsets_s[-1] * 1e9) // 2).all() else None


@pytest.mark.parametrize("offsets_s", [PAIR_OFFSETS_S, VIDEO_OFFSETS_S])
@pytest.mark.parametrize("rate_hz", [18, 25, 30, 60, 90])
@pytest.mark.parametrize("drop", [0.0, 0.1, 0.4])
def test_agrees_with_a_search_of_the_whole_history(
    rate_hz: float, drop: float, offsets_s: tuple[float, ...]
) -> None:
    ring = FrameRing(offsets_s)
    pushed = stamps(rate_hz, 400, jitter=0.6, drop=drop, seed=rate_hz)
    for index, stamp in enumerate(pushed):
        ring.add(frame(stamp))
        clip, wanted = ring.clip(), closest_errors(pushed, index, offsets_s)
        assert (clip is None) == (wanted is None) == (ring.reason != "")
        if clip is not None:
            current, *partners = clip.frames
            assert current.stamp_ns == stamp
            assert wanted == [
                abs(partner.stamp_ns - (stamp - round(offset * 1e9)))
                for partner, offset in zip(partners, offsets_s[1:], strict=True)
            ]


@pytest.mark.parametrize("offsets_s", [PAIR_OFFSETS_S, VIDEO_OFFSETS_S])
@pytest.mark.parametrize("rate_hz", [18, 25, 30, 60])
def test_every_frame_has_partners_once_the_ring_is_warm(
    rate_hz: float, offsets_s: tuple[float, ...]
) -> None:
    ring = FrameRing(offsets_s)
    clips = []
    for stamp in stamps(rate_hz, 200, jitter=0.1, drop=0.0, seed=1):
        ring.add(frame(stamp))
        clips.append(ring.clip())
    warm = int(np.ceil(rate_hz * offsets_s[-1])) + 1
    assert None not in clips[warm:]
    assert all(abs(c.interval_s - offsets_s[-1]) <= offsets_s[-1] / 2 for c in clips[warm:])


@pytest.mark.parametrize(
    ("offsets_s", "wanted"), [(PAIR_OFFSETS_S, [19, 14]), (VIDEO_OFFSETS_S, [19, 17, 15, 13])]
)
def test_picks_whole_frames_back_at_60_fps(offsets_s: tuple[float, ...], wanted: list[int]) -> None:
    ring = FrameRing(offsets_s)
    for index in range(20):
        ring.add(frame(START + index * 1e9 / 60, sequence=index))
    clip = ring.clip()
    assert [held.sequence for held in clip.frames] == wanted
    assert clip.interval_s == pytest.approx(offsets_s[-1], abs=1e-6)


def test_a_slow_camera_repeats_frames_within_a_clip_but_never_the_newest() -> None:
    ring = FrameRing(VIDEO_OFFSETS_S)
    for index in range(8):
        ring.add(frame(START + index * 1e9 / 18, sequence=index))
    assert [held.sequence for held in ring.clip().frames] == [7, 6, 6, 5]


def test_a_clip_needs_every_partner() -> None:
    ring = FrameRing(VIDEO_OFFSETS_S)
    for millisecond in (0, 98, 100):
        ring.add(frame(START + millisecond * MILLISECOND))
    assert ring.clip() is not None
    ring.add(frame(START + 185 * MILLISECOND))
    assert ring.clip() is None and "one 33 +- 50 ms" in ring.reason and "85 ms" in ring.reason


@pytest.mark.parametrize(("gap_ms", "valid"), [(42, True), (41, False), (124, True), (126, False)])
def test_half_an_interval_is_the_limit(gap_ms: int, valid: bool) -> None:
    ring = FrameRing()
    ring.add(frame(START))
    ring.add(frame(START + gap_ms * MILLISECOND))
    assert (ring.clip() is not None) is valid
    assert (ring.reason == "") is valid


def test_reason_names_wanted_and_found() -> None:
    ring = FrameRing()
    assert "no frame yet" in ring.reason
    ring.add(frame(START))
    assert "83 +- 42 ms" in ring.reason and "found none" in ring.reason
    ring.add(frame(START + 20 * MILLISECOND))
    assert "found 20 ms" in ring.reason


def test_late_frame_is_filed_in_its_place() -> None:
    ring = FrameRing()
    for millisecond in (0, 17, 50, 83, 100, 117):
        ring.add(frame(START + millisecond * MILLISECOND))
    ring.add(frame(START + 90 * MILLISECOND))
    assert ring.late == 1 and ring.clock_steps == 0
    assert ring.newest.stamp_ns == START + 117 * MILLISECOND
    ring.add(frame(START + 173 * MILLISECOND))
    assert ring.clip().frames[1].stamp_ns == START + 90 * MILLISECOND


def test_clock_step_back_starts_anew() -> None:
    ring = FrameRing()
    for index in range(10):
        ring.add(frame(START + index * 1e9 / 60))
    earlier = START - 3_600 * 10**9
    ring.add(frame(earlier))
    assert ring.clock_steps == 1 and len(ring) == 1 and ring.clip() is None
    for index in range(1, 6):
        ring.add(frame(earlier + index * 1e9 / 60))
    assert ring.clip().frames[1].stamp_ns == earlier


def test_clock_step_forward_leaves_no_partner_until_the_interval_has_passed() -> None:
    ring = FrameRing()
    for index in range(10):
        ring.add(frame(START + index * 1e9 / 60))
    later = START + 3_600 * 10**9
    ring.add(frame(later))
    assert ring.clip() is None and len(ring) == 1
    for index in range(1, 6):
        ring.add(frame(later + index * 1e9 / 60))
    assert ring.clip().frames[1].stamp_ns == later


def test_one_stamp_far_ahead_costs_no_more_than_one_interval() -> None:
    ring = FrameRing()
    times = [START + round(index * 1e9 / 60) for index in range(30)]
    for index, stamp in enumerate(times):
        ring.add(frame(stamp + 10**12 if index == 10 else stamp))
    assert ring.clock_steps == 1
    assert ring.clip().frames[0].stamp_ns == times[-1]


@pytest.mark.parametrize("rate_hz", [120, 240, 1000])
@pytest.mark.parametrize("offsets_s", [PAIR_OFFSETS_S, VIDEO_OFFSETS_S])
def test_fast_cameras_have_partners_too(rate_hz: int, offsets_s: tuple[float, ...]) -> None:
    ring = FrameRing(offsets_s)
    for index in range(rate_hz):
        ring.add(frame(START + index * 1e9 / rate_hz))
        if index <= offsets_s[-1] * rate_hz:
            continue
        newest, *partners = ring.clip().frames
        ages_s = [(newest.stamp_ns - held.stamp_ns) * 1e-9 for held in partners]
        np.testing.assert_allclose(ages_s, offsets_s[1:], atol=1 / min(rate_hz, 240))


def test_duplicates_are_ignored_and_counted() -> None:
    ring = FrameRing()
    for index in range(10):
        for _ in range(2):
            ring.add(frame(START + index * 1e9 / 60))
    assert ring.duplicates == 10
    assert len({held.stamp_ns for held in ring._frames}) == len(ring)


def test_never_grows() -> None:
    ring = FrameRing()
    rng = np.random.default_rng(7)
    largest = 0
    stamp = START
    for _ in range(20_000):
        stamp += int(rng.choice([16, 1, 55, 900, 0, -10, -5_000]) * MILLISECOND)
        ring.add(frame(stamp))
        largest = max(largest, len(ring))
    assert largest <= 32
    for step in range(1_000):
        ring.add(frame(stamp + step))
    assert len(ring) <= 32


@pytest.mark.parametrize(
    "offsets_s",
    [(0.0,), (), (0.0, 0.0), (0.0, -1.0), (0.1, 0.2), (0, 2, 1), (0.0, np.nan), (0.0, np.inf)],
)
def test_refuses_impossible_offsets(offsets_s: tuple[float, ...]) -> None:
    with pytest.raises(FrameError, match="ascending seconds"):
        FrameRing(offsets_s)


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
