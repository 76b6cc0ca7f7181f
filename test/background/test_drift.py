# SPDX-License-Identifier: Apache-2.0
"""Slow change of the light is told; a touch is none."""

from __future__ import annotations

import cv2
from background.clips import frames

from sparsh_ros.background import BackgroundKeeper
from sparsh_ros.sensors import load_profile

DIGIT = load_profile("digit")


def test_drift_of_the_light_is_told_after_10_s_and_taken_back(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    dim = [cv2.convertScaleAbs(image, alpha=0.9) for image in gel["free"][:6]]
    for frame in frames(gel["free"][:6], rate_hz=10):
        keeper.update(frame)
    for second in range(1, 12):
        for frame in frames(dim * 2, start_s=second, rate_hz=12):
            keeper.update(frame)
        assert ("drift" in keeper.warnings) == (second == 11)
    assert "grey levels darker" in keeper.warnings["drift"]
    for frame in frames(gel["free"][:6], start_s=12, rate_hz=10):
        keeper.update(frame)
    assert keeper.warnings == {}


def test_a_touch_held_for_long_is_no_drift(gel: dict) -> None:
    keeper = BackgroundKeeper(DIGIT)
    for frame in frames(gel["free"][:6] + gel["pressed"] * 3, rate_hz=10):
        keeper.update(frame)
    assert keeper.stamp_ns == 500_000_000 and keeper.warnings == {}
