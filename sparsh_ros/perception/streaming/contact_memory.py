# SPDX-License-Identifier: Apache-2.0
"""What is remembered of one sensor's contact, by the stamps of its frames.

The friction observer steps from a frame to the one 5/60 s later, as far as the motion is known. At
60 frames/s five such chains run interleaved: the memory of a frame is kept until the frame that
steps on from it has come. The partner itself may never have been estimated (a slow computer leaves
frames out); the closest one that was serves as well, and the step then counts by its own duration.

The heads step from every frame to the next, so that they hear all five chains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.perception.streaming.friction_observer import State

_TOLERANCE = 0.5  # of an interval; further off, the stream is broken
_KEPT = 2.5  # intervals
_JITTER = 0.1  # of an interval


class Remembered(NamedTuple):
    """Memory of one frame.

    Attributes:
        stamp_ns: of that frame.
        state: of the friction observer, batch of 1.
        hidden: (HIDDEN,) of the heads.
        shows_turn: whether the print showed how the object is turned.
    """

    stamp_ns: int
    state: State
    hidden: NDArray[np.float32]
    shows_turn: bool


class ContactMemory:
    """Memory of the last frames in contact of one sensor."""

    def __init__(self) -> None:
        """Start without contact."""
        self._frames: dict[int, Remembered] = {}
        self._began_ns = 0

    def recall(self, stamp_ns: int, interval_s: float) -> Remembered | None:
        """What the observer steps on from to the frame of that stamp; None where the partner of
        that frame shows no contact yet, or the stream is broken."""
        interval_ns = interval_s * 1e9
        wanted = stamp_ns - interval_ns
        if wanted < self._began_ns - _JITTER * interval_ns:
            return None
        older = [frame for frame in self._frames.values() if frame.stamp_ns < stamp_ns]
        closest = min(older, key=lambda frame: abs(frame.stamp_ns - wanted), default=None)
        if closest is None or abs(closest.stamp_ns - wanted) > _TOLERANCE * interval_ns:
            return None
        return closest

    def latest(self, stamp_ns: int) -> Remembered | None:
        """What the heads step on from: the newest from before that stamp; None where contact is
        new."""
        older = [frame for stamp, frame in self._frames.items() if stamp < stamp_ns]
        return max(older, key=lambda frame: frame.stamp_ns, default=None)

    def keep(self, remembered: Remembered, interval_s: float) -> None:
        """Remember a frame in contact; drop what no later frame can step on from."""
        now, oldest = remembered.stamp_ns, remembered.stamp_ns - _KEPT * interval_s * 1e9
        if not self._frames or now < self._began_ns:
            self._began_ns = now
        self._frames = {s: frame for s, frame in self._frames.items() if oldest <= s < now}
        self._frames[now] = remembered

    def forget(self) -> None:
        """The contact ended, or the stream broke."""
        self._frames.clear()
