# SPDX-License-Identifier: Apache-2.0
"""Patches against the encoder's own way from pixels to tokens."""

from __future__ import annotations

import numpy as np
import torch

from sparsh_ros.models.preprocess import Preprocess
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training import patches as p


def _images(count):
    return np.random.default_rng(0).integers(0, 256, (count, 320, 240, 3), dtype=np.uint8)


def test_cut_and_join_are_inverse():
    image = _images(1)[0]
    np.testing.assert_array_equal(p.join_patches(p.cut_patches(image)), image)


def test_scaling_is_zero_for_the_background_and_invertible():
    values = torch.arange(256, dtype=torch.uint8)
    scaled = p.scale_patches(values)
    assert scaled[127] == 0.0
    assert torch.equal(p.unscale_patches(scaled), values)


@torch.no_grad()
def test_training_and_live_path_give_the_same_tokens():
    """Store's bytes, scaled, through the network in training = images through the folded one."""
    torch.manual_seed(0)
    current, previous, background = _images(3)
    pair = np.concatenate(
        [p.cut_patches(p.subtract_background(f, background)) for f in (current, previous)], axis=-1
    )
    encoder = VisionTransformer(embed_dim=32, depth=2, num_heads=2).eval()
    trained = encoder.forward_patches(p.scale_patches(torch.from_numpy(pair[None])))
    p.fold_scaling(encoder)
    images = [torch.from_numpy(image[None]) for image in (current, previous, background)]
    live = encoder(Preprocess((320, 240), (320, 240))(*images))
    torch.testing.assert_close(live, trained, atol=2e-4, rtol=0)
    unfolded = p.unfold_scaling(encoder)
    again = unfolded.forward_patches(p.scale_patches(torch.from_numpy(pair[None])))
    torch.testing.assert_close(again, trained, atol=2e-4, rtol=0)
