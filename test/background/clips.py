# SPDX-License-Identifier: Apache-2.0
"""Images as frames at a steady rate."""

from __future__ import annotations

import numpy as np

from sparsh_ros.background import BackgroundKeeper
from sparsh_ros.frames import Frame

RATE_HZ = 60


def frames(images: list[np.ndarray], start_s: float = 0.0, rate_hz: float = RATE_HZ) -> list[Frame]:
    """Frames stamped at `rate_hz` from `start_s` on."""
    return [
        Frame(round((start_s + index / rate_hz) * 1e9), image) for index, image in enumerate(images)
    ]


def push(keeper: BackgroundKeeper, images: list[np.ndarray], start_s: float = 0.0) -> list[int]:
    """Indices of the images that brought a new background."""
    return [index for index, frame in enumerate(frames(images, start_s)) if keeper.update(frame)]
