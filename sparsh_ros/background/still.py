# SPDX-License-Identifier: Apache-2.0
"""Whether a gel is still, and its mean image while it is."""

from __future__ import annotations

from collections import deque
from functools import cached_property

import cv2
import numpy as np

from sparsh_ros.errors import FrameError
from sparsh_ros.frames import IMAGE_SHAPE, Frame

WINDOW_S = 0.5
MINIMUM_FRAMES = 5

_WINDOW_NS = round(WINDOW_S * 1e9)
_BLOCKS = (15, 20)
# Standard deviation of the worst block. Untouched gels: 0.9 to 1.5 (20 recordings of GelSight
# Minis), at most 2.1 (48 simulated sensors). A touch that begins passes this at 0.1 to 0.5 N; one
# that does not yet (48 simulated onsets) spoils the mean by at most 2.8 grey levels.
_STILL_LEVELS = 3.0


def block_means(image: np.ndarray) -> np.ndarray:
    """Means over blocks of 16x16 pixels of a canonical image, float32 (20, 15, 3) grey levels."""
    return cv2.resize(image.astype(np.float32), _BLOCKS, interpolation=cv2.INTER_AREA)


class _Held:
    """A frame, with its block means once somebody asks: most frames are never looked at."""

    def __init__(self, frame: Frame) -> None:
        self.image, self.stamp_ns = frame.image, frame.stamp_ns

    @cached_property
    def blocks(self) -> np.ndarray:
        return block_means(self.image)


class StillFrames:
    """The frames of the last half second of one sensor, and their mean if nothing moved.

    At least five frames, so a slow camera takes longer; a gap of more than half a second or a
    clock that was set back begins anew. Whether an object rests on the gel cannot be told from
    this.
    """

    def __init__(self) -> None:
        """Start with no frames."""
        self._frames: deque[_Held] = deque()

    def add(self, frame: Frame) -> None:
        """Take in the newest frame."""
        if self._frames and not 0 < frame.stamp_ns - self.stamp_ns <= _WINDOW_NS:
            self._frames.clear()
        self._frames.append(_Held(frame))
        while len(self._frames) > MINIMUM_FRAMES and self._span_ns(1) >= _WINDOW_NS:
            self._frames.popleft()

    @property
    def stamp_ns(self) -> int:
        """Stamp of the newest frame, which must exist."""
        return self._frames[-1].stamp_ns

    @property
    def newest_blocks(self) -> np.ndarray:
        """`block_means` of the newest frame, (rows, columns, 3); it must exist."""
        return self._frames[-1].blocks

    def blocks(self) -> np.ndarray:
        """Mean of the blocks of all frames of a still gel, float32 (20, 15, 3).

        Raises:
            FrameError: There are too few frames yet, or they differ.
        """
        if len(self._frames) < MINIMUM_FRAMES or self._span_ns(0) < _WINDOW_NS:
            span_s = self._span_ns(0) * 1e-9 if self._frames else 0.0
            raise FrameError(
                f"background: wanted {MINIMUM_FRAMES} frames over {WINDOW_S} s, found "
                f"{len(self._frames)} over {span_s:.2f} s; check that the sensor delivers images"
            )
        blocks = np.stack([held.blocks for held in self._frames])
        change = blocks.std(axis=0).max()
        if change > _STILL_LEVELS:
            raise FrameError(
                f"background: wanted {WINDOW_S} s of a still image, found it to vary by "
                f"{change:.1f} of 255 grey levels (above {_STILL_LEVELS}); keep the gel free of "
                "contact and try again"
            )
        return blocks.mean(axis=0)

    def background(self) -> np.ndarray:
        """Mean image of a still gel, (320, 240, 3) uint8 RGB.

        Raises:
            FrameError: As `blocks`.
        """
        self.blocks()
        total = np.zeros(IMAGE_SHAPE, np.float32)
        for held in self._frames:
            cv2.accumulate(held.image, total)
        return (total / len(self._frames)).round().astype(np.uint8)

    def _span_ns(self, first: int) -> int:
        """From the frame at index `first` to the newest one."""
        return self.stamp_ns - self._frames[first].stamp_ns
