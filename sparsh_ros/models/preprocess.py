# SPDX-License-Identifier: Apache-2.0
"""From two camera images and a no-contact reference to the encoder's input, as Sparsh's weights
expect it: background taken away per frame, frames joined, values in [0, 1], nothing else.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NEUTRAL = 127  # what a pixel equal to its background becomes, and a background that changes nothing


class Preprocess(nn.Module):
    """Three batches of uint8 RGB images -> (B, 6, H', W') float32 in [0, 1], current frame first.

    Each frame becomes clip(frame - background + 127, 0, 255); a background filled with 127 leaves
    it as it is, for sensors whose background is not taken away.

    Args:
        source_size: Height and width of the images given.
        image_size: Height and width the encoder wants; resampled like PIL's bilinear filter
            (antialiased, horizontally then vertically, rounded to 8 bit each time) if they differ.
    """

    def __init__(self, source_size: tuple[int, int], image_size: tuple[int, int]) -> None:
        super().__init__()
        self.resample = source_size != image_size
        if self.resample:
            rows, columns = (
                torch.from_numpy(resample_weights(source, wanted))
                for source, wanted in zip(source_size, image_size, strict=True)
            )
            self.register_buffer("rows", rows, persistent=False)  # (H', H)
            self.register_buffer("columns", columns, persistent=False)  # (W', W)

    def forward(self, current: Tensor, previous: Tensor, background: Tensor) -> Tensor:
        """Prepare uint8 RGB images, (B, H, W, 3) each; ``previous`` is the older frame."""
        # Transposed while a pixel is one byte: the cheapest moment for it.
        frames = [image.permute(0, 3, 1, 2) for image in (current, previous)]
        reference = background.permute(0, 3, 1, 2).to(torch.int32) - NEUTRAL
        shifted = torch.cat([frame.to(torch.int32) - reference for frame in frames], dim=1)
        images = shifted.clamp(0, 255).to(torch.float32)
        if self.resample:
            images = _round(_round(images @ self.columns.T).transpose(2, 3) @ self.rows.T)
            images = images.transpose(2, 3)
        return images / 255.0


def _round(values: Tensor) -> Tensor:
    return (values + 0.5).floor().clamp(0, 255)


def resample_weights(source: int, wanted: int) -> NDArray[np.float32]:
    """Weights (wanted, source) of PIL's bilinear filter along one axis.

    A triangle around each wanted pixel's centre, stretched by the factor of reduction so that
    every source pixel counts; each row sums to one.
    """
    scale = source / wanted
    support = max(scale, 1.0)
    centres = (np.arange(wanted)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(source)[None, :] + 0.5 - centres) / support
    weights = np.clip(1.0 - distance, 0.0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
