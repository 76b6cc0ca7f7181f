# SPDX-License-Identifier: Apache-2.0
"""From camera images to the tokens of AnyTouch: what an engine runs and what is exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH
from sparsh_ros.models.anytouch.encoder import AnyTouch
from sparsh_ros.models.preprocess import resample_weights, round_to_bytes

_OFFSET = 130  # of 255, see `encoder.BACKGROUND_OFFSET`


class AnyTouchGraph(nn.Module):
    """uint8 RGB frames (B, 320, 240, 3), newest first, background, sensor ids (B,) -> tokens.

    Images are squashed to the encoder's size by a triangle filter: for AnyTouch rounded to 8 bit as
    Pillow does, for AnyTouch 2 not, and after their background was taken away, as their loaders do.
    """

    def __init__(self, encoder: AnyTouch) -> None:
        super().__init__()
        self.encoder = encoder
        self.subtracts = encoder.config.tubelet is not None
        sizes = zip((IMAGE_HEIGHT, IMAGE_WIDTH), encoder.config.image_size, strict=True)
        rows, columns = (torch.from_numpy(resample_weights(*size)) for size in sizes)
        self.register_buffer("rows", rows, persistent=False)  # (H', H)
        self.register_buffer("columns", columns, persistent=False)  # (W', W)

    def forward(self, *inputs: Tensor) -> Tensor:
        *frames, background, sensor = inputs
        images = [self._prepare(frame, background) for frame in reversed(frames)]
        return self.encoder(torch.stack(images, dim=1), sensor)

    def _prepare(self, frame: Tensor, background: Tensor) -> Tensor:
        pixels = frame.permute(0, 3, 1, 2).to(torch.int32)
        if self.subtracts:
            pixels = (pixels - background.permute(0, 3, 1, 2).to(torch.int32) + _OFFSET).clamp(
                0, 255
            )
        wide = pixels.to(torch.float32) @ self.columns.T
        if self.subtracts:
            return (self.rows @ wide) / 255.0
        return round_to_bytes(self.rows @ round_to_bytes(wide)) / 255.0
