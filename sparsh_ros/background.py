# SPDX-License-Identifier: Apache-2.0
"""The no-contact reference of a gel: from the frames seen last, or from an image file."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError
from sparsh_ros.sensors.images import read_image
from sparsh_ros.sensors.profiles import SensorProfile

_FRAMES = 5
# Means of blocks of 16x16 pixels: over five frames, noise and JPEG artefacts change the worst
# block of a still gel by 2 to 4 grey levels; a touch that begins changes some by more than 7.
_BLOCKS = (15, 20)
_STILL_LEVELS = 6


class StillFrames:
    """Watches the newest frames of one sensor and averages them if nothing moved.

    Whether something touches the gel cannot be told from images alone: who asks for a background
    has to see to that.
    """

    def __init__(self) -> None:
        """Start with no frames."""
        self._images: deque[np.ndarray] = deque(maxlen=_FRAMES)
        self._blocks: deque[np.ndarray] = deque(maxlen=_FRAMES)

    def push(self, image: np.ndarray) -> None:
        """Take in the newest frame, a standard image."""
        self._images.append(image)
        self._blocks.append(cv2.resize(image, _BLOCKS, interpolation=cv2.INTER_AREA))

    def background(self) -> np.ndarray:
        """Mean of the newest frames, (320, 240, 3) uint8 RGB.

        Raises:
            FrameError: there are too few frames yet, or they differ.
        """
        if len(self._images) < _FRAMES:
            raise FrameError(
                f"background: wanted {_FRAMES} frames, found {len(self._images)}; "
                "check that the sensor delivers images"
            )
        change = np.ptp(np.stack(self._blocks), axis=0).max()
        if change > _STILL_LEVELS:
            raise FrameError(
                f"background: wanted {_FRAMES} still frames, found a change of {change} of 255 "
                "grey levels; keep the gel free of contact and try again"
            )
        return np.mean(np.stack(self._images), axis=0).round().astype(np.uint8)


def read_background(path: str | Path, profile: SensorProfile) -> np.ndarray:
    """Read a no-contact image as the camera delivers it, (320, 240, 3) uint8 RGB.

    Raises:
        RecordingError: the file is missing.
        FrameError: it is no image.
    """
    return profile.standardise(read_image(path), "bgr")
