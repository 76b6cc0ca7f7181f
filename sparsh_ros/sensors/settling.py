# SPDX-License-Identifier: Apache-2.0
"""The first frames of a camera, while its exposure settles.

A GelSight Mini gives one to three frames that are up to 27 grey levels too dark. Against a
background taken before, such a frame looks like a touch of the whole gel.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

SETTLED_LEVELS = 1.5  # gels in motion change by less, 1.0 in recordings of a DIGIT
WINDOW_S = 0.1
LONGEST_S = 1.0

_LEAST_FRAMES = 3
_SAMPLE_STEP = 8  # px


class Settling:
    """Follows the mean level of the images of a camera that was just opened."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with the first image that `is_over` is told of."""
        self._monotonic = monotonic
        self._began_s: float | None = None
        self._levels: deque[tuple[float, float]] = deque()
        self._over = False

    def is_over(self, image: np.ndarray) -> bool:
        """Whether this image, (height, width, 3) uint8, can be used.

        It can when the mean level changed by 1.5 of 255 at most over the last 0.1 s, in three
        images or more; after 1 s in any case, and from then on always.
        """
        if not self._over:
            self._over = self._has_settled(image, self._monotonic())
        return self._over

    def _has_settled(self, image: np.ndarray, now_s: float) -> bool:
        if self._began_s is None:
            self._began_s = now_s
        self._levels.append((now_s, float(image[::_SAMPLE_STEP, ::_SAMPLE_STEP].mean())))
        # One frame from before the window stays, so that the window is covered in full.
        while len(self._levels) > _LEAST_FRAMES and self._levels[1][0] <= now_s - WINDOW_S:
            self._levels.popleft()
        levels = [level for _, level in self._levels]
        covered = len(levels) >= _LEAST_FRAMES and self._levels[0][0] <= now_s - WINDOW_S
        steady = covered and max(levels) - min(levels) <= SETTLED_LEVELS
        return steady or now_s - self._began_s >= LONGEST_S
