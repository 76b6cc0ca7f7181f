# SPDX-License-Identifier: Apache-2.0
"""From bytes to the encoder's input, with the published rule for the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.layers import Array


def preprocess(*images: NDArray[np.uint8], clip: bool = False) -> Array:
    """Frames (H, W, 3), newest first, then background -> (3 F, H, W), or (3, F, H, W) of a clip."""
    *frames, background = (image.astype(int) for image in images)
    prepared = []
    for frame in frames:
        share = (frame - background) / 255 + 0.5
        prepared.append((np.trunc(255 * np.clip(share, 0, 1)) / 255).transpose(2, 0, 1))
    return np.stack(prepared, axis=1) if clip else np.concatenate(prepared)
