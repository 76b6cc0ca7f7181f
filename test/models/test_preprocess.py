# SPDX-License-Identifier: Apache-2.0
"""Background, order of the frames, and resampling for encoders of another image size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference.preprocess import preprocess

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


def random_images(count: int, height: int, width: int) -> np.ndarray:
    shape = (count, 2, height, width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 4])
def test_frames_newest_first(frames: int, clip: bool) -> None:
    images = random_images(frames + 1, 32, 24)
    module = Preprocess((32, 24), (32, 24), clip)
    found = module(*(torch.from_numpy(image) for image in images)).numpy()
    wanted = np.stack([preprocess(*images[:, index], clip=clip) for index in range(2)])
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-7


def test_clips_are_resampled_frame_by_frame() -> None:
    images = [torch.from_numpy(image) for image in random_images(5, 32, 24)]
    joined = Preprocess((32, 24), (48, 16))(*images)
    clip = Preprocess((32, 24), (48, 16), clip=True)(*images)
    assert torch.equal(clip.transpose(1, 2).flatten(1, 2), joined)


def test_background_rule_for_every_pair_of_values() -> None:
    values = np.arange(256, dtype=np.uint8)
    frame, background = np.broadcast_arrays(values[:, None, None], values[None, :, None])
    frame, background = (np.repeat(image, 3, axis=2) for image in (frame, background))
    module = Preprocess((256, 256), (256, 256))
    found = module(*(torch.from_numpy(image)[None] for image in (frame, frame, background)))[0]
    assert np.abs(found.numpy() - preprocess(frame, frame, background)).max() < 1e-7
