# SPDX-License-Identifier: Apache-2.0
"""Patches as training reads them: cut once, kept as bytes, centred and scaled for the optimiser.

A canonical image has 20 x 15 patches of 16 x 16 pixels. A patch is a row of 768 bytes ordered
(channel, row, column), so that the current patch followed by the older one lies exactly as the
encoder's patch embedding expects its six channels.

A frame minus its background is the grey 127 nearly everywhere, and a touch moves it by some tens
of levels. Fed as it is, that constant drowns the gradient of the patch embedding. Training
therefore reads z = GAIN (p - 127 / 255) for pixels p in [0, 1], and `fold_scaling` afterwards
rewrites the embedding, W z + b = (GAIN W) p + (b - GAIN 127 / 255 sum W), so that the encoder that
is kept takes plain pixels like every Sparsh encoder.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.models.transforms import NEUTRAL
from sparsh_ros.models.vit import VisionTransformer

PATCH = 16
GRID = (20, 15)
PATCHES = GRID[0] * GRID[1]
PATCH_BYTES = 3 * PATCH * PATCH
GAIN = 16.0  # +-16 grey levels, a light touch, become +-1


def cut_patches(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(320, 240, 3) uint8 image -> (300, 768) uint8 patches, row-major over the grid."""
    rows, columns = GRID
    grid = image.reshape(rows, PATCH, columns, PATCH, 3)
    return grid.transpose(0, 2, 4, 1, 3).reshape(PATCHES, PATCH_BYTES)


def join_patches(patches: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `cut_patches`: (300, 768) -> (320, 240, 3)."""
    rows, columns = GRID
    grid = patches.reshape(rows, columns, 3, PATCH, PATCH)
    return grid.transpose(0, 3, 1, 4, 2).reshape(rows * PATCH, columns * PATCH, 3)


def subtract_background(
    image: NDArray[np.uint8], background: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """clip(image - background + 127, 0, 255), as the encoder's preprocessing does; None leaves
    the image as it is."""
    if background is None:
        return image
    shifted = image.astype(np.int16) - background + NEUTRAL
    return np.clip(shifted, 0, 255).astype(np.uint8)


def cut_clips(clips: Tensor, patch: int, tubelet: int | None = None) -> Tensor:
    """(B, T, H, W, 3) clips -> (B, N, P) patches as `VisionTransformer.forward_patches` wants them.

    Args:
        clips: Frames, newest first.
        patch: Side of a patch in pixels.
        tubelet: Frames of a patch; None joins all frames to channels.

    Returns:
        Patches ordered (time,) row, column; each of them (channel, (time,) row, column), with
        channels (frame, colour) where there is no tubelet.
    """
    batch, frames, height, width, _ = clips.shape
    time = tubelet or frames
    cut = clips.reshape(
        batch, frames // time, time, height // patch, patch, width // patch, patch, 3
    )
    # Axes: 0 batch, 1 t, 2 frame, 3 row, 4 y, 5 column, 6 x, 7 colour.
    order = (0, 1, 3, 5, 2, 7, 4, 6) if tubelet is None else (0, 1, 3, 5, 7, 2, 4, 6)
    return cut.permute(order).reshape(batch, -1, 3 * time * patch * patch)


def join_clips(patches: Tensor, shape: tuple[int, int, int], patch: int) -> Tensor:
    """The inverse of `cut_clips` without a tubelet, for ``shape`` (frames, height, width)."""
    frames, height, width = shape
    rows, columns = height // patch, width // patch
    cut = patches.reshape(len(patches), rows, columns, frames, 3, patch, patch)
    return cut.permute(0, 3, 1, 5, 2, 6, 4).reshape(len(patches), frames, height, width, 3)


def scale_patches(patches: Tensor) -> Tensor:
    """Bytes to the numbers that training reads: float32, zero where nothing touches."""
    return (patches.float() - NEUTRAL) * (GAIN / 255.0)


def unscale_patches(values: Tensor) -> Tensor:
    """The inverse of `scale_patches`, rounded and clipped to bytes."""
    return (values.float() * (255.0 / GAIN) + NEUTRAL).round().clamp(0, 255).to(torch.uint8)


@torch.no_grad()
def fold_scaling(encoder: VisionTransformer) -> None:
    """Rewrite, in place, an encoder trained on scaled patches into one that reads [0, 1] pixels."""
    projection = encoder.patch_embed.proj
    projection.weight.mul_(GAIN)
    projection.bias.sub_(projection.weight.flatten(1).sum(dim=1) * (NEUTRAL / 255.0))


@torch.no_grad()
def unfold_scaling(encoder: VisionTransformer) -> VisionTransformer:
    """A copy of an encoder that reads [0, 1] pixels, made to read scaled patches: the same
    function, but bfloat16 can carry its input, which near 0.5 resolves only half a grey level."""
    encoder = copy.deepcopy(encoder)
    projection = encoder.patch_embed.proj
    projection.bias.add_(projection.weight.flatten(1).sum(dim=1) * (NEUTRAL / 255.0))
    projection.weight.div_(GAIN)
    return encoder
