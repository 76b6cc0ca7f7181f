# SPDX-License-Identifier: Apache-2.0
"""When the first frames of a camera can be used, by a clock of its own and in real recordings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.waiting import Clock

from sparsh_ros.sensors.health.watchdog import EXPOSURE_TIMEOUT_S, SETTLED_LEVELS, ExposureCheck


def plain(levels: Iterable[int]) -> list[np.ndarray]:
    """Images of one level each."""
    return [np.full((240, 320, 3), level, np.uint8) for level in levels]


def passed_over(images: list[np.ndarray], rate_hz: float) -> int:
    """How many images come before the first that can be used."""
    clock = Clock(100.0)
    settling = ExposureCheck(clock)
    for number, image in enumerate(images):
        if settling.is_settled(image):
            return number
        clock.now_s += 1 / rate_hz
    return len(images)


@pytest.mark.parametrize(("rate_hz", "wanted"), [(60.0, 6), (25.0, 3), (10.0, 2), (3.0, 2)])
def test_steady_camera_is_watched_for_a_tenth_of_a_second(rate_hz: float, wanted: int) -> None:
    assert passed_over(plain([90] * 100), rate_hz) == wanted


def test_dark_frames_are_passed_over() -> None:
    assert passed_over(plain([64, 88, 90, 90, 90, 90, 90, 90]), 25.0) == 5


def test_slow_exposure_is_borne_for_a_second() -> None:
    number = passed_over(plain(range(60, 180)), 60.0)
    assert number / 60 == pytest.approx(EXPOSURE_TIMEOUT_S, abs=0.02)


def test_once_over_is_settled() -> None:
    clock = Clock(100.0)
    settling = ExposureCheck(clock)
    for image in plain([90] * 10 + [20, 200]):
        over = settling.is_settled(image)
        clock.now_s += 0.04
    assert over


def test_first_frames_of_real_gelsights(tactile_data: Path) -> None:
    paths = sorted((tactile_data / "gelsight_mini_slip").glob("*.avi"))
    too_dark = 0
    for path in paths:
        capture = cv2.VideoCapture(str(path))
        images = [capture.read()[1] for _ in range(26)]
        capture.release()
        levels = [image.mean() for image in images]
        too_dark += levels[0] < levels[-1] - 2 * SETTLED_LEVELS
        first = passed_over(images, 25.0)
        assert first <= 8, path.name
        assert levels[first] == pytest.approx(levels[-1], abs=2 * SETTLED_LEVELS), path.name
    assert too_dark >= 3
