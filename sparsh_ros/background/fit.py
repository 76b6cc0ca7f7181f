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
# The tenth part of the blocks that changed least. Where a touch leaves them free: up to 2, real and
# simulated. Other units of their kind: 8 to 45 real, 5 to 35 simulated; but up to 30 under a grasp
# that covers a real Mini, so this is no reason to refuse.
_BEST_PART, _DOUBTFUL_LEVELS = 10, 6.0


def check_fit(background: np.ndarray, image: np.ndarray) -> str:
    """Refuse a background that shows no gel, or not the gel in an image.

    What remains undecided is another unit of the same kind, or a touch all over the gel.

    Args:
        background: (320, 240, 3) uint8 RGB.
        image: What the sensor sees now, touched or not, of the same shape and type.

    Returns:
        Why it may be that of another unit, in one sentence; empty where nothing speaks for that.

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
    change = np.abs(seen - blocks)
    apart = float(np.median(change))
    if apart > _OTHER_LEVELS:
        raise FrameError(
            f"background: wanted one of this gel, found one that differs from the image by "
            f"{apart:.0f} of 255 levels nearly everywhere; capture another with capture_background"
        )
    least = float(np.percentile(change.max(axis=2), _BEST_PART))
    if least <= _DOUBTFUL_LEVELS:
        return ""
    return (
        f"background: differs from the image by {least:.0f} of 255 levels or more nearly "
        "everywhere: the gel is touched all over, or this is the background of another one; free "
        "the gel and call capture_background"
    )


def _spread(blocks: np.ndarray) -> float:
    """How much the blocks of an image differ from each other, in its most uneven channel."""
    return float(blocks.std(axis=(0, 1)).max())
