# SPDX-License-Identifier: Apache-2.0
"""The no-contact reference: only from a still gel, or from a readable image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.background import StillFrames, read_background
from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.gel.simulation import TouchSimulation
from sparsh_ros.sensors import load_profile


def still_frames(images: list[np.ndarray]) -> StillFrames:
    frames = StillFrames()
    for image in images:
        frames.push(image)
    return frames


def test_a_still_gel_gives_the_mean_of_its_frames() -> None:
    simulation = TouchSimulation("digit", seed=1)
    background = still_frames([simulation.background() for _ in range(8)]).background()
    assert background.shape == (320, 240, 3) and background.dtype == np.uint8
    change = background.astype(int) - simulation.background()
    assert np.abs(change).mean() < 3.0


def test_a_beginning_touch_is_refused() -> None:
    simulation = TouchSimulation("digit", seed=1, touch="protocol")
    samples = [simulation.step() for _ in range(60)]
    first = next(i for i, sample in enumerate(samples) if sample.force_n[2] > 0.5)
    images = [sample.image for sample in samples[first - 3 : first + 2]]
    with pytest.raises(FrameError, match="free of contact"):
        still_frames(images).background()


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(FrameError, match="found 2"):
        still_frames([np.zeros((320, 240, 3), np.uint8)] * 2).background()


def test_an_image_file_is_turned_upright(tmp_path: Path) -> None:
    raw = np.zeros((240, 320, 3), np.uint8)
    raw[:, 200:] = (255, 0, 0)  # BGR: blue at the right of the landscape frame
    path = tmp_path / "background.png"
    cv2.imwrite(str(path), raw)
    image = read_background(path, load_profile("digit"))
    assert image.shape == (320, 240, 3)
    assert image[0, 120].tolist() == [0, 0, 255]  # turned counter-clockwise: at the top, RGB
    assert image[-1, 120].tolist() == [0, 0, 0]


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere.png"):
        read_background(tmp_path / "nowhere.png", load_profile("digit"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(FrameError, match="broken.png"):
        read_background(broken, load_profile("digit"))
