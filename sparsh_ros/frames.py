# SPDX-License-Identifier: Apache-2.0
"""Frames, and those that an encoder sees at once, chosen by time.

The Sparsh image encoders read two frames, the current one and the one 5/60 s older; the video
encoder reads four, 2/60 s apart. Cameras run at 18 to 60 fps, drop frames and deliver late, so the
older frames are chosen by their stamps and never by their position in a queue.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsh_ros.errors import FrameError
from sparsh_ros.names import MAX_RATE_HZ

IMAGE_HEIGHT = 320
IMAGE_WIDTH = 240
IMAGE_SHAPE = (IMAGE_HEIGHT, IMAGE_WIDTH, 3)
PAIR_INTERVAL_S = 5 / 60
PAIR_OFFSETS_S = (0.0, PAIR_INTERVAL_S)


def check_image(image: np.ndarray) -> None:
    """Raise FrameError unless `image` is a canonical image: uint8 RGB, (320, 240, 3), portrait."""
    if not isinstance(image, np.ndarray):
        raise FrameError(f"canonical image: wanted a NumPy array, found {type(image).__name__}")
    if image.shape != IMAGE_SHAPE or image.dtype != np.uint8:
        raise FrameError(
            f"canonical image: wanted shape {IMAGE_SHAPE} uint8 RGB, found shape {image.shape} "
            f"{image.dtype}; turn raw camera frames with SensorProfile.to_canonical first"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One canonical image of a gel.

    Attributes:
        stamp_ns: The moment of the grab, nanoseconds.
        image: (320, 240, 3) uint8 RGB, portrait. Not to be written to.
        sequence: Running number given by the sensor, 1 for its first frame; 0 where unknown.

    Raises:
        FrameError: `image` has another shape or type.
    """

    stamp_ns: int
    image: np.ndarray
    sequence: int = 0

    def __post_init__(self) -> None:
        check_image(self.image)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The newest frame and its partners, newest first: a pair, or as many as a model sees."""

    frames: tuple[Frame, ...]

    @property
    def interval_s(self) -> float:
        """Seconds from the oldest frame to the newest one, by their stamps."""
        return (self.frames[0].stamp_ns - self.frames[-1].stamp_ns) * 1e-9


class FrameRing:
    """The last few frames of one sensor, and the clip they make.

    For each of the model's offsets, the partner of the newest frame at time t is the older frame
    whose stamp is closest to t - offset; it counts only if it is at most half the largest offset
    off. At 18 fps the worst such error is 28 ms, so every rate from 18 fps up gives a clip for each
    frame; where frames are rarer than offsets, neighbouring offsets share one.

    A frame that comes after its successor, by at most half the largest offset, is filed in its
    place. A stamp further back means that the clock was set back: what was held is then on another
    time scale and is forgotten. After a step forward the old frames simply are too old. Where
    frames come faster than 240 Hz, some between the newest and its partners are left out.

    Attributes:
        duplicates: Frames ignored because their stamp was held already.
        late: Frames that came after their successor.
        clock_steps: How often the clock stepped back.
    """

    def __init__(self, offsets_s: Sequence[float] = PAIR_OFFSETS_S) -> None:
        """Make an empty ring.

        Args:
            offsets_s: How much older than the newest frame each frame of a clip is to be, seconds:
                0 for the newest itself, then ascending.

        Raises:
            FrameError: The offsets are not such.
        """
        _check_offsets(offsets_s)
        self._offsets_ns = [round(offset * 1e9) for offset in offsets_s[1:]]
        self._tolerance_ns = self._offsets_ns[-1] // 2
        self._reach_ns = self._offsets_ns[-1] + self._tolerance_ns
        # Every frame up to that rate; memory stays below 8 MB per sensor.
        self._capacity = math.ceil(1.5 * offsets_s[-1] * MAX_RATE_HZ) + 2
        self._frames: deque[Frame] = deque()
        self.duplicates = 0
        self.late = 0
        self.clock_steps = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def newest(self) -> Frame | None:
        """The frame with the largest stamp, None while empty."""
        return self._frames[-1] if self._frames else None

    def add(self, frame: Frame) -> None:
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
        if len(self._frames) > self._capacity:
            self._thin_out()

    def _insert(self, frame: Frame) -> None:
        place = sum(held.stamp_ns < frame.stamp_ns for held in self._frames)
        self._frames.insert(place, frame)

    def _thin_out(self) -> None:
        """Drop the frame that is missed least: the one whose neighbours are closest together."""
        stamps = [held.stamp_ns for held in self._frames]
        spans = [later - former for former, later in zip(stamps, stamps[2:], strict=False)]
        del self._frames[1 + spans.index(min(spans))]

    def clip(self) -> Clip | None:
        """The newest frame with its partners, or None (then `reason` says why)."""
        if not self._frames or self.reason:
            return None
        partners = (self._closest(offset_ns) for offset_ns in self._offsets_ns)
        return Clip((self._frames[-1], *partners))

    @property
    def reason(self) -> str:
        """Why there is no clip, in one sentence; empty when there is one."""
        if not self._frames:
            return "no frame yet"
        return next(filter(None, map(self._objection, self._offsets_ns)), "")

    def _objection(self, offset_ns: int) -> str:
        """Why no held frame is that much older than the newest; empty when one is."""
        partner = self._closest(offset_ns)
        wanted = f"one {offset_ns * 1e-6:.0f} +- {self._tolerance_ns * 1e-6:.0f} ms"
        if partner is None:
            return f"no partner frame: wanted {wanted} before the newest, found none"
        age_ns = self._frames[-1].stamp_ns - partner.stamp_ns
        if abs(age_ns - offset_ns) > self._tolerance_ns:
            found = f"{age_ns * 1e-6:.0f} ms"
            return f"no partner frame: wanted {wanted} before the newest, found {found}"
        return ""

    def _closest(self, offset_ns: int) -> Frame | None:
        """The older frame closest to that age; None while there is none."""
        older = list(self._frames)[:-1]
        wanted_ns = self._frames[-1].stamp_ns - offset_ns
        return min(older, key=lambda held: abs(held.stamp_ns - wanted_ns), default=None)


def _check_offsets(offsets_s: Sequence[float]) -> None:
    ascending = sorted(set(offsets_s)) == list(offsets_s) and all(map(math.isfinite, offsets_s))
    if not ascending or len(offsets_s) < 2 or offsets_s[0] != 0:
        raise FrameError(
            f"frame offsets: wanted 0, then ascending seconds, found {list(offsets_s)}"
        )
