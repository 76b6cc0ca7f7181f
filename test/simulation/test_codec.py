# SPDX-License-Identifier: Apache-2.0
"""Compression of simulated frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sparsh_ros.simulation.optics.codec import BlockJpeg, Jpeg, VideoCodec


def scene(shift: float = 0.0) -> np.ndarray:
    """(320, 240, 3) float32 BGR: smooth colours with a bright spot and fine grain."""
    row, column = np.mgrid[0:320, 0:240].astype(np.float32)
    spot = 60 * np.exp(-((row - 150 - shift) ** 2 + (column - 100) ** 2) / 400)
    grain = np.random.default_rng(0).normal(0, 2, row.shape)
    planes = [90 + 0.1 * row + grain, 100 + spot + grain, 120 - 0.1 * column + 0.5 * spot]
    return np.stack(planes, axis=2).astype(np.float32)


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    size = image.shape[1] // factor, image.shape[0] // factor
    return cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def error(image: np.ndarray, frame: np.ndarray) -> float:
    return float(np.abs(image.astype(float) - frame[..., ::-1]).mean())


@pytest.mark.parametrize("downscale", [2, 4])
@pytest.mark.parametrize("quality", [30, 60, 90])
def test_small_jpeg_loses_what_the_full_one_loses_there(downscale: int, quality: int) -> None:
    small = shrink(scene(), downscale)
    wanted = shrink(Jpeg(quality).pass_through(scene()), downscale)
    found = BlockJpeg(quality, downscale).pass_through(small).astype(float)
    lost = np.abs(wanted - small[..., ::-1]).mean()
    assert np.abs(found - wanted).mean() < 0.6 + 0.6 * lost


@pytest.mark.parametrize("downscale", [1, 2, 4])
def test_finer_steps_lose_less(downscale: int) -> None:
    frame = shrink(scene(), downscale) if downscale > 1 else scene()
    errors = [error(VideoCodec(s, 30, downscale).pass_through(frame), frame) for s in (4, 16, 48)]
    assert errors[0] < errors[1] < errors[2]
    assert errors[0] < 2.5 and errors[2] > 1.2


def test_faint_changes_come_late_or_with_the_next_keyframe() -> None:
    frame = scene()
    brighter = frame + np.float32(1.5)
    told = []
    for step in (2.0, 40.0):
        codec = VideoCodec(step, keyframe=3)
        first, *later = (codec.pass_through(f) for f in (frame, brighter, brighter, brighter))
        told.append([float(np.mean(image.astype(float) - first)) for image in later])
    assert told[0] == pytest.approx([1.5, 1.5, 1.5], abs=0.3)
    assert told[1][0] < 0.9 and told[1][1] == pytest.approx(told[1][0], abs=0.1)
    assert abs(told[1][2] - 1.5) < abs(told[1][1] - 1.5)


def test_strong_changes_come_at_once() -> None:
    codec = VideoCodec(step=16.0, keyframe=100)
    codec.pass_through(scene())
    moved = scene(shift=20.0)
    assert error(codec.pass_through(moved), moved) < 3.0


def test_a_fresh_codec_knows_no_earlier_frame() -> None:
    codec = VideoCodec(step=40.0, keyframe=100)
    first = codec.pass_through(scene())
    codec.pass_through(scene(shift=60.0))
    np.testing.assert_array_equal(codec.fresh().pass_through(scene()), first)
