# SPDX-License-Identifier: Apache-2.0
"""What the streaming encoder sees of an image, without torch."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.streaming.layout import SMALL_SHAPE


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means of 4 x 4 pixels, rounded to whole grey levels: (80, 60, 3) uint8 RGB.

    Args:
        image: (320, 240, 3) uint8 RGB, or one that is small already.
    """
    if image.shape == SMALL_SHAPE:
        return image
    return cv2.resize(image, SMALL_SHAPE[1::-1], interpolation=cv2.INTER_AREA)
