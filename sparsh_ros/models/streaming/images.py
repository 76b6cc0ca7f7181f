# SPDX-License-Identifier: Apache-2.0
"""What the streaming encoder sees of an image, without torch."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.streaming.layout import SMALL_SHAPE


def shrink(image: NDArray[np.uint8], detail: int = 1) -> NDArray[np.uint8]:
    """Means of 4 x 4 pixels, rounded to whole grey levels: (80, 60, 3) uint8 RGB.

    Args:
        image: (320, 240, 3) uint8 RGB, or one that is small already.
        detail: how many times finer than 80 x 60 it may stay.
    """
    height, width = detail * SMALL_SHAPE[0], detail * SMALL_SHAPE[1]
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
