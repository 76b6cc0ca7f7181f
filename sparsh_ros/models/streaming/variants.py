# SPDX-License-Identifier: Apache-2.0
"""Encoders that `StreamingEncoder` is measured against; none of them ships or runs live."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.streaming.network import CHANGE, StreamingEncoder, convolve, look


class FinerEncoder(StreamingEncoder):
    """Takes images `detail` times as fine: convolutions of stride 2 bring what they show to 80 x 60
    pixels, beside the images shrunk to that, on which everything else works as it did."""

    def __init__(self, detail: int) -> None:
        """Draw weights for images 2 or 4 times as fine."""
        super().__init__(more=16)
        self.detail = detail
        widths = {2: (9, 16), 4: (9, 12, 16)}[detail]
        steps = zip(widths, widths[1:], strict=False)
        self.finer = nn.Sequential(*(convolve(first, second, 2) for first, second in steps))

    def encode(self, current: Tensor, previous: Tensor, background: Tensor) -> Tensor:
        """Encode images (B, 3, 80 detail, 60 detail), grey levels as float."""
        images = (current, previous, background)
        finer = self.finer(look(*images).to(memory_format=torch.channels_last))
        return super().encode(*(F.avg_pool2d(image, self.detail) for image in images), finer)


class KeyFrameEncoder(StreamingEncoder):
    """Sees an older frame of the same contact besides, half a second back or the contact's first
    that has a partner: what moved since shows how far the skin is dragged along."""

    def __init__(self) -> None:
        """Draw weights."""
        super().__init__(more=3)

    def encode(self, current: Tensor, previous: Tensor, background: Tensor, key: Tensor) -> Tensor:
        """Encode images (B, 3, 80, 60), grey levels as float."""
        return super().encode(current, previous, background, (current - key) * CHANGE)
