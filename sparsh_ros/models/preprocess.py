# SPDX-License-Identifier: Apache-2.0
"""From camera images and a no-contact reference to the encoder's input, as Sparsh's weights expect
it: background taken away per frame, frames joined, values in [0, 1], nothing else.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.models.transforms import NEUTRAL


class Preprocess(nn.Module):
    """Batches of uint8 RGB images -> float32 in [0, 1], newest frame first.

    F frames become (B, 3 F, H', W') for an image encoder, (B, 3, F, H', W') for a video encoder.
    Each frame becomes clip(frame - background + 127, 0, 255); a background filled with 127 leaves
    it as it is, for sensors whose background is not taken away.

    Args:
        source_size: Height and width of the images given.
        image_size: Height and width the encoder wants; resampled like PIL's bilinear filter
            (antialiased, horizontally then vertically, rounded to 8 bit each time) if they differ.
        clip: Whether the encoder wants the frames along an axis of their own.
    """

    def __init__(
        self, source_size: tuple[int, int], image_size: tuple[int, int], clip: bool = False
    ) -> None:
        super().__init__()
        self.clip = clip
        self.resample = source_size != image_size
        if self.resample:
            rows, columns = (
                torch.from_numpy(resample_weights(source, wanted))
                for source, wanted in zip(source_size, image_size, strict=True)
            )
            self.register_buffer("rows", rows, persistent=False)  # (H', H)
            self.register_buffer("columns", columns, persistent=False)  # (W', W)

    def forward(self, *images: Tensor) -> Tensor:
        """Prepare uint8 RGB images, (B, H, W, 3) each: frames, newest first, then background."""
        # Transposed while a pixel is one byte: the cheapest moment for it.
        *frames, background = (image.permute(0, 3, 1, 2) for image in images)
        reference = background.to(torch.int32) - NEUTRAL
        shifted = [frame.to(torch.int32) - reference for frame in frames]
        joined = torch.stack(shifted, dim=2) if self.clip else torch.cat(shifted, dim=1)
        pixels = joined.clamp(0, 255).to(torch.float32)
        if self.resample:
            wide = round_to_bytes(pixels @ self.columns.T).transpose(-2, -1)
            pixels = round_to_bytes(wide @ self.rows.T)
            pixels = pixels.transpose(-2, -1)
        return pixels / 255.0


def round_to_bytes(values: Tensor) -> Tensor:
    """Round half up to whole numbers of 0 to 255, as Pillow's filters do."""
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
