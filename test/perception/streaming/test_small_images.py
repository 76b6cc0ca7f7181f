# SPDX-License-Identifier: Apache-2.0
"""A streaming model sees small images, and no frame is made small twice."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.perception import buffer as buffers
from sparsh_ros.sensors.profiles import load_profile

PERIOD_NS = round(1e9 / 60)


def means(image: np.ndarray) -> np.ndarray:
    return np.round(image.reshape(80, 4, 60, 4, 3).mean((1, 3))).astype(np.uint8)


@pytest.fixture
def shrunk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts, by the length of the list, the images that were made small."""
    done, shrink = [], buffers.shrink
    monkeypatch.setattr(buffers, "shrink", lambda image: done.append(0) or shrink(image))
    return done


def frames(seed: int, count: int) -> list[Frame]:
    images = np.random.default_rng(seed).integers(0, 256, (count, *IMAGE_SHAPE), dtype=np.uint8)
    return [Frame(10**9 + k * PERIOD_NS, image) for k, image in enumerate(images)]


def test_pairs_are_small_and_each_frame_is_shrunk_once(shrunk: list[int]) -> None:
    buffer = buffers.SensorBuffer("gel", load_profile("digit"), load_model_spec(STREAM_MODEL))
    background, *taken = frames(0, 13)
    buffer.set_background(background.image)
    for index, frame in enumerate(taken):
        buffer.add(frame, index / 60)
        _, images = buffer.prepare(index / 60)
        if index >= 5:
            wanted = (frame, taken[index - 5], background)
            for found, original in zip(images, wanted, strict=True):
                np.testing.assert_array_equal(found, means(original.image))
    # The first frames found no partner: some were shrunk when they became one.
    assert len(shrunk) == len(taken) + 1


def test_frames_of_a_clock_that_was_set_back_are_not_mixed_up(shrunk: list[int]) -> None:
    buffer = buffers.SensorBuffer("gel", load_profile("digit"), load_model_spec(STREAM_MODEL))
    buffer.set_background(frames(0, 1)[0].image)
    for taken in (frames(1, 12), frames(2, 12)):  # of the same stamps
        for index, frame in enumerate(taken):
            buffer.add(frame, index / 60)
            _, images = buffer.prepare(index / 60)
        np.testing.assert_array_equal(images[0], means(taken[-1].image))
        np.testing.assert_array_equal(images[1], means(taken[-6].image))
