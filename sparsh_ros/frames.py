# SPDX-License-Identifier: Apache-2.0
"""Frames and their pairing by time.

The Sparsh image encoders read two frames, the current one and the one 5/60 s older. Cameras run at
18 to 60 fps, drop frames and deliver late, so the older frame is chosen by its stamp and never by
its position in a queue.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from sparsh_ros.errors import FrameError

IMAGE_HEIGHT = 320
IMAGE_WIDTH = 240
IMAGE_SHAPE = (IMAGE_HEIGHT, IMAGE_WIDTH, 3)
PAIR_INTERVAL_S = 5 / 60

# Twice the fastest sensor: bursts after a hiccup still fit, memory stays below 5 MB per sensor.
_MAX_RATE_HZ = 120.0


def check_image(image: np.ndarray) -> None:
    """Raise FrameError unless `image` is a standard image: uint8 RGB, (320, 240, 3), portrait."""
    if not isinstance(image, np.ndarray):
        raise FrameError(f"standard image: wanted a NumPy array, found {type(image).__name__}")
    if image.shape != IMAGE_SHAPE or image.dtype != np.uint8:
        raise FrameError(
            f"standard image: wanted shape {IMAGE_SHAPE} uint8 RGB, found shape {image.shape} "
            f"{image.dtype}; turn raw camera frames with SensorProfile.standardise first"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One standard image of a gel.

    Attributes:
        stamp_ns: the moment of the grab, nanoseconds.
        image: (320, 240, 3) uint8 RGB, portrait. Not to be written to.
        sequence: running number given by the sensor, 1 for its first frame; 0 where unknown.

    Raises:
        FrameError: `image` has another shape or type.
    """

    stamp_ns: int
    image: np.ndarray
    sequence: int = 0

    def __post_init__(self) -> None:
        check_image(self.image)


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """The newest frame and its partner, about 5/60 s older."""

    current: Frame
    previous: Frame

    @property
    def interval_s(self) -> float:
        """Seconds from the previous frame to the current one, by their stamps."""
        return (self.current.stamp_ns - self.previous.stamp_ns) * 1e-9


class FrameRing:
    """The last few frames of one sensor, and the pair they make.

    The partner of the newest frame at time t is the frame whose stamp is closest to t - interval;
    it counts only if it is at most half an interval off. At 18 fps the worst such error is 28 ms,
    so every rate from 18 fps up gives a pair for each frame.

    A frame that comes after its successor, by at most half an interval, is filed in its place. A
    stamp further back means that the clock was set back: what was held is then on another time
    scale and is forgotten. After a step forward the old frames simply are too old.

    Attributes:
        duplicates: frames ignored because their stamp was held already.
        late: frames that came after their successor.
        clock_steps: how often the clock stepped back.
    """

    def __init__(self, interval_s: float = PAIR_INTERVAL_S) -> None:
        """Make an empty ring whose pairs are `interval_s` seconds apart."""
        if not (math.isfinite(interval_s) and interval_s > 0):
            raise FrameError(f"pair interval: wanted a number above 0 s, found {interval_s}")
        self._interval_ns = round(interval_s * 1e9)
        self._tolerance_ns = self._interval_ns // 2
        self._reach_ns = self._interval_ns + self._tolerance_ns
        capacity = math.ceil(1.5 * interval_s * _MAX_RATE_HZ) + 2
        self._frames: deque[Frame] = deque(maxlen=capacity)
        self.duplicates = 0
        self.late = 0
        self.clock_steps = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def newest(self) -> Frame | None:
        """The frame with the largest stamp, None while empty."""
        return self._frames[-1] if self._frames else None

    def push(self, frame: Frame) -> None:
        """Take a frame in; forget what can no longer be a partner."""
        behind_ns = self._frames[-1].stamp_ns - frame.stamp_ns if self._frames else -1
        if any(held.stamp_ns == frame.stamp_ns for held in self._frames):
            self.duplicates += 1
            return
        if behind_ns < 0:
            self._frames.append(frame)
        elif behind_ns <= self._tolerance_ns:
            self.late += 1
            self._insert(frame)
        else:
            self.clock_steps += 1
            self._frames.clear()
            self._frames.append(frame)
        while self._frames[-1].stamp_ns - self._frames[0].stamp_ns > self._reach_ns:
            self._frames.popleft()

    def _insert(self, frame: Frame) -> None:
        if len(self._frames) == self._frames.maxlen:
            self._frames.popleft()
        place = sum(held.stamp_ns < frame.stamp_ns for held in self._frames)
        self._frames.insert(place, frame)

    def pair(self) -> FramePair | None:
        """The newest frame with its partner, or None (then `reason` says why)."""
        partner, error_ns = self._closest()
        if partner is None or error_ns > self._tolerance_ns:
            return None
        return FramePair(current=self._frames[-1], previous=partner)

    @property
    def reason(self) -> str:
        """Why there is no pair, in one sentence; empty when there is one."""
        if not self._frames:
            return "no frame yet"
        partner, error_ns = self._closest()
        wanted = f"one {self._interval_ns * 1e-6:.0f} +- {self._tolerance_ns * 1e-6:.0f} ms"
        if partner is None:
            return f"no partner frame: wanted {wanted} before the newest, found none"
        if error_ns > self._tolerance_ns:
            found_ms = (self._frames[-1].stamp_ns - partner.stamp_ns) * 1e-6
            return f"no partner frame: wanted {wanted} before the newest, found {found_ms:.0f} ms"
        return ""

    def _closest(self) -> tuple[Frame | None, int]:
        if len(self._frames) < 2:
            return None, 0
        wanted_ns = self._frames[-1].stamp_ns - self._interval_ns
        candidates = list(self._frames)[:-1]
        partner = min(candidates, key=lambda held: abs(held.stamp_ns - wanted_ns))
        return partner, abs(partner.stamp_ns - wanted_ns)
