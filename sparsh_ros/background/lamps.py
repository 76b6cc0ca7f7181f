# SPDX-License-Identifier: Apache-2.0
"""Whether an image of the untouched gel is turned: the coloured lamps tell where its sides are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

# Cosine between where the lights come from and where they should. Without turn, each of 7 real
# DIGITs against the mean of the others: 0.51, and 0.92 or more for six of them; 22 recordings of
# real Minis: 0.95 or more. Turned by half, the same with a minus; by a quarter, 0.16 at most.
_LIKE = 0.7
# Length of the six numbers below: 0.08 to 0.22 in those images, 0 where the light is even.
_UNEVEN = 0.04
_LEVELS = 12.0  # keeps the shares of dark pixels from being noise
_GRID = (24, 32)


def light_directions(image: np.ndarray) -> np.ndarray:
    """Where the red, the green and the blue light come from.

    The slope of each colour's share of the light over the image: shares, as the lens darkens the
    corners in all colours alike.

    Args:
        image: (320, 240, 3) uint8 RGB, canonical.

    Returns:
        (6,) float64: x (right) and y (up) of red, of green, of blue; per half width and height.
    """
    small = cv2.resize(image, _GRID, interpolation=cv2.INTER_AREA).astype(np.float64)
    share = small / (small.sum(axis=2, keepdims=True) + _LEVELS)
    share -= share.mean(axis=(0, 1))
    up, right = np.mgrid[1 : -1 : _GRID[1] * 1j, -1 : 1 : _GRID[0] * 1j]
    slopes = [
        (share[..., colour] * axis).mean() / (axis**2).mean()
        for colour in range(3)
        for axis in (right, up)
    ]
    return np.array(slopes)


def turn_warning(image: np.ndarray, lamps: Sequence[float]) -> str:
    """A sentence if an image's colours lie as if it were turned; else empty.

    Mirrored images and those with red and blue exchanged look much the same.

    Args:
        image: Of the untouched gel, (320, 240, 3) uint8 RGB, canonical.
        lamps: See SensorProfile; empty: nobody knows.
    """
    found = light_directions(image)
    size = float(np.linalg.norm(found))
    if not len(lamps) or size < _UNEVEN:
        return ""
    wanted = np.asarray(lamps) / np.linalg.norm(lamps)
    likeness = {turn: float(_turned(found, turn) @ wanted) / size for turn in (0, 90, 180, 270)}
    turn = max(likeness, key=likeness.get)
    if not turn or likeness[turn] < _LIKE:
        return ""
    remedy = "turn:=180" if turn == 180 else "`turn` and `crop`"
    return (
        f"images: the colours of the lamps lie as if the image were turned by {turn} degrees, and "
        f"forces would point the wrong way; see {remedy}, or `flip` if it is mirrored, or whether "
        "red and blue are exchanged"
    )


def _turned(directions: np.ndarray, degrees: int) -> np.ndarray:
    """The directions after a turn of the image, clockwise."""
    pairs = directions.reshape(3, 2)
    for _ in range(degrees // 90):
        pairs = np.stack([pairs[:, 1], -pairs[:, 0]], axis=1)
    return pairs.ravel()
