# SPDX-License-Identifier: Apache-2.0
"""Resampling for encoders of another image size; the rest is in test_reference.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.models.preprocess import Preprocess, resample_weights


# Which axis comes first depends on Pillow's version; it moves some pixels by one level.
@pytest.mark.parametrize(
    ("size", "mean"),
    [((224, 240), 1e-3), ((320, 96), 1e-3), ((449, 240), 1e-3), ((224, 224), 0.3)],
)
def test_resampling_is_that_of_pillow(size: tuple[int, int], mean: float) -> None:
    image_module = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, (320, 240, 3), dtype=np.uint8)
    height, width = size
    picture = image_module.fromarray(image)
    wanted = np.asarray(picture.resize((width, height), image_module.Resampling.BILINEAR))
    given = torch.from_numpy(image)[None]
    neutral = torch.full_like(given, 127)
    found = Preprocess((320, 240), size)(given, given, neutral)[0, :3] * 255
    difference = np.abs(found.permute(1, 2, 0).numpy() - wanted)
    assert difference.max() <= 1.01  # Pillow's weights are fixed-point
    assert difference.mean() < mean


def test_weights_of_one_row_sum_to_one() -> None:
    assert np.allclose(resample_weights(320, 224).sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(resample_weights(240, 240), np.eye(240))


def test_a_frame_equal_to_its_background_becomes_neutral() -> None:
    image = torch.randint(0, 256, (1, 32, 24, 3), dtype=torch.uint8)
    found = Preprocess((32, 24), (32, 24))(image, image, image)
    assert torch.equal(found, torch.full((1, 6, 32, 24), 127 / 255))
