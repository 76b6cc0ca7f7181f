# SPDX-License-Identifier: Apache-2.0
"""The watchdog on a clock of its own: what it refuses, and when it gives a camera up."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.waiting import Clock

from sparsh_ros.sensors.health.watchdog import (
    EMPTY,
    FROZEN,
    GREEN,
    HANG,
    TORN,
    WRONG_SIZE,
    BrokenFrameError,
    BrokenStreamError,
    Watchdog,
)

UNFILLED = (0, 154, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def watchdog(clock: Clock) -> Watchdog:
    return Watchdog("D1", timeout_s=0.5, monotonic=clock)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(90, 140, (240, 320, 3), np.uint8)


def test_live_camera_is_left_alone(watchdog: Watchdog, clock: Clock) -> None:
    for seed in range(200):
        watchdog.check(noise(seed))
        clock.now_s += 0.4
        watchdog.wait_in_vain()


def test_silence_is_borne_for_half_a_second(watchdog: Watchdog, clock: Clock) -> None:
    watchdog.check(noise())
    clock.now_s += 0.49
    watchdog.wait_in_vain()
    clock.now_s += 0.02
    with pytest.raises(BrokenStreamError, match=r"D1: no good frame for 0.5 s \(hang\)") as caught:
        watchdog.wait_in_vain()
    assert caught.value.fault == HANG


def test_camera_that_starts_is_given_time(watchdog: Watchdog, clock: Clock) -> None:
    clock.now_s += 2.9
    watchdog.wait_in_vain()
    clock.now_s += 0.2
    with pytest.raises(BrokenStreamError, match="no good frame for 3 s"):
        watchdog.wait_in_vain()
    watchdog.restart()
    watchdog.wait_in_vain()


def test_broken_frames_do_not_count_as_good_ones(watchdog: Watchdog, clock: Clock) -> None:
    watchdog.check(noise())
    clock.now_s += 0.3
    with pytest.raises(BrokenFrameError):
        watchdog.check(noise()[:100])
    clock.now_s += 0.3
    with pytest.raises(BrokenStreamError) as caught:
        watchdog.wait_in_vain(EMPTY)
    assert caught.value.fault == EMPTY


@pytest.mark.parametrize("level", [135, 154])
def test_frame_never_filled(watchdog: Watchdog, level: int) -> None:
    with pytest.raises(BrokenFrameError) as caught:
        watchdog.check(np.full((240, 320, 3), (0, level, 0), np.uint8))
    assert caught.value.fault == GREEN


def test_frame_filled_in_part(watchdog: Watchdog) -> None:
    image = noise()
    image[200:] = UNFILLED
    with pytest.raises(BrokenFrameError, match="not filled to its end") as caught:
        watchdog.check(image)
    assert caught.value.fault == TORN


def test_green_light_is_no_fault(watchdog: Watchdog) -> None:
    image = noise()
    image[..., (0, 2)] = 0
    watchdog.check(image)


def test_other_size_than_before(watchdog: Watchdog) -> None:
    watchdog.check(noise())
    with pytest.raises(BrokenFrameError, match="D1: wanted 320x240, found 320x100") as caught:
        watchdog.check(noise()[:100])
    assert caught.value.fault == WRONG_SIZE
    watchdog.restart()
    watchdog.check(noise()[:100])


def test_same_image_is_refused_at_once_and_borne_for_half_a_second(
    watchdog: Watchdog, clock: Clock
) -> None:
    watchdog.check(noise())
    for _ in range(4):
        clock.now_s += 0.1
        with pytest.raises(BrokenFrameError, match="D1: the same image as before") as caught:
            watchdog.check(noise())
        assert caught.value.fault == FROZEN
        watchdog.wait_in_vain(FROZEN)
    clock.now_s += 0.11
    with pytest.raises(BrokenStreamError, match=r"no good frame for 0.5 s \(frozen\)") as caught:
        watchdog.wait_in_vain(FROZEN)
    assert caught.value.fault == FROZEN


def test_one_pixel_that_changes_shows_that_the_camera_lives(
    watchdog: Watchdog, clock: Clock
) -> None:
    image = noise()
    for level in range(100):
        image[81, 83, 0] = level
        watchdog.check(image.copy())
        clock.now_s += 0.4


def test_gel_in_the_dark_is_not_frozen(watchdog: Watchdog, clock: Clock) -> None:
    for _ in range(20):
        watchdog.check(np.zeros((240, 320, 3), np.uint8))
        clock.now_s += 0.4
