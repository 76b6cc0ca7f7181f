# SPDX-License-Identifier: Apache-2.0
"""Whether a background can be one of the sensor whose images it is to be taken from."""

from __future__ import annotations

import numpy as np

from sparsh_ros.background.still import block_means
from sparsh_ros.errors import FrameError

# Mean of a whole image. Untouched gels, real and simulated: 64 to 137.
_DARK_LEVELS = 8.0
# Standard deviation over the blocks. The same gels: 12 to 50, as no gel is lit evenly.
_FLAT_LEVELS = 4.0
# Median over the blocks of image minus background. In contact: up to 4 simulated, up to 37 where
# the grasp of a real Mini covers the gel. Other units of its kind: 7 to 46, so most pass; what does
# not is another kind, another orientation or no gel at all.
_OTHER_LEVELS = 40.0


def check_fit(background: np.ndarray, image: np.ndarray) -> None:
    """Refuse a background that shows no gel, or not the gel in an image.

    Args:
        background: (320, 240, 3) uint8 RGB.
        image: What the sensor sees now, touched or not, of the same shape and type.

    Raises:
        FrameError: It is dark, of one colour, or differs from the image nearly everywhere.
    """
    blocks, seen = block_means(background), block_means(image)
    if blocks.mean() < _DARK_LEVELS:
        raise FrameError(
            f"background: wanted a lit gel, found a mean of {blocks.mean():.1f} of 255 levels"
        )
    if _spread(blocks) < _FLAT_LEVELS <= _spread(seen):
        raise FrameError(
            f"background: wanted an image of a gel, found one colour (a spread of "
            f"{_spread(blocks):.1f} of 255 levels; that of the image is {_spread(seen):.1f})"
        )
    apart = float(np.median(np.abs(seen - blocks)))
    if apart > _OTHER_LEVELS:
        raise FrameError(
            f"background: wanted one of this gel, found one that differs from the image by "
            f"{apart:.0f} of 255 levels nearly everywhere; capture another with capture_background"
        )


def _spread(blocks: np.ndarray) -> float:
    """How much the blocks of an image differ from each other, in its most uneven channel."""
    return float(blocks.std(axis=(0, 1)).max())
