# SPDX-License-Identifier: Apache-2.0
"""When a gel counts as still, and its mean image."""

from __future__ import annotations

import numpy as np
import pytest
from background.clips import RATE_HZ, frames

from sparsh_ros.background import StillFrames
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.simulation.simulation import TouchSimulation


def still_frames(images: list[np.ndarray], rate_hz: float = RATE_HZ) -> StillFrames:
    still = StillFrames()
    for frame in frames(images, rate_hz=rate_hz):
        still.add(frame)
    return still


def test_half_a_second_of_a_still_gel_gives_the_mean_of_its_frames(gel: dict) -> None:
    background = still_frames(gel["free"]).background()
    assert background.shape == IMAGE_SHAPE and background.dtype == np.uint8
    mean = np.mean(gel["free"][-31:], axis=0)
    assert np.abs(background - mean).max() <= 0.51


@pytest.mark.parametrize("kind", ["digit", "gelsight_mini", "gelsight_2017"])
def test_noise_of_a_free_gel_is_stillness(kind: str) -> None:
    for seed in range(4):
        simulation = TouchSimulation(kind, seed=seed)
        still_frames([simulation.background() for _ in range(5)], rate_hz=8).background()


@pytest.mark.parametrize("kind", ["digit", "gelsight_mini"])
def test_a_beginning_touch_is_refused(kind: str) -> None:
    simulation = TouchSimulation(kind, seed=1, touch="protocol", kinds=["sphere"], rest_s=0.5)
    images, sample = [], simulation.step()
    while sample.force_n[2] < 0.5:
        sample = simulation.step()
        images.append(sample.image)
    with pytest.raises(FrameError, match=r"vary by \d+\.\d of 255 .* free of contact"):
        still_frames(images).background()


def test_too_little_is_refused(gel: dict) -> None:
    with pytest.raises(FrameError, match=r"found 0 over 0\.00 s"):
        StillFrames().background()
    with pytest.raises(FrameError, match=r"found 30 over 0\.48 s"):
        still_frames(gel["free"][:30]).background()
    with pytest.raises(FrameError, match=r"wanted 5 frames over 0\.5 s, found 4 over 0\.75 s"):
        still_frames(gel["free"][:4], rate_hz=4).background()
    still_frames(gel["free"][:5], rate_hz=4).background()


@pytest.mark.parametrize("step_s", [-3.0, 0.6])
def test_a_gap_and_a_clock_set_back_begin_anew(gel: dict, step_s: float) -> None:
    still = still_frames(gel["free"][:31])
    still.add(Frame(round((0.5 + step_s) * 1e9), gel["free"][0]))
    with pytest.raises(FrameError, match="found 1 over"):
        still.background()
