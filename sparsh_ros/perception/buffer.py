# SPDX-License-Identifier: Apache-2.0
"""The frames of one sensor until they are encoded: partners, background, timeout, counts."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.frames import IMAGE_SHAPE, Clip, Frame, FrameRing
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.images import shrink
from sparsh_ros.models.transforms import NEUTRAL
from sparsh_ros.perception.head_runner import EncodedFrame
from sparsh_ros.sensors.profiles import SensorProfile

# How long an estimate outlives its frame: at 60 frames/s 0.13 s, at 25 frames/s 0.32 s.
STALE_PERIODS = 8
LEAST_STALE_S = 0.1
# No clock of a robot is off by so much unless it is wrong, and no image is so long on its way.
STAMP_TOLERANCE_S = 10.0

_PERIODS_MEASURED = 8  # at most; half as many at least, or a gap would count as a slow camera
# Without background subtraction the encoder sees the plain image: image - 127 + 127.
_NO_BACKGROUND = np.full(IMAGE_SHAPE, NEUTRAL, np.uint8)
_NO_BACKGROUND.setflags(write=False)


@dataclass(frozen=True, slots=True)
class SensorCounters:
    """What became of the frames of one sensor.

    Attributes:
        received: Frames taken in.
        encoded: Frames that were encoded, with their partners.
        unpaired: Frames reported invalid: no background, no partner, or stale.
        replaced: Frames that a newer one replaced before they were looked at.
        duplicates: Frames ignored because their stamp was known.
        late: Frames that came after their successor; they serve as partners only.
        clock_steps: How often the stamps stepped back.
    """

    received: int = 0
    encoded: int = 0
    unpaired: int = 0
    replaced: int = 0
    duplicates: int = 0
    late: int = 0
    clock_steps: int = 0


def stamp_trouble(stamp_ns: int, now_ns: int) -> str:
    """What is wrong with a stamp at this moment of its clock, both in ns; empty if nothing is."""
    behind_s = (now_ns - stamp_ns) * 1e-9
    if abs(behind_s) <= STAMP_TOLERANCE_S:
        return ""
    side = "behind" if behind_s > 0 else "ahead of"
    return (
        f"stamp: wanted one within {STAMP_TOLERANCE_S:.0f} s of the clock here, found one "
        f"{abs(behind_s):.0f} s {side} it; set the clocks of both computers, or use_sim_time "
        "if a recording is played"
    )


class SensorBuffer:
    """The frames of one sensor on their way to the encoder.

    Attributes:
        background: No-contact reference in the size that the model wants, None while there is none.
        sensor_id: By which an encoder that is told the sensor knows it.
        pending: Whether the newest frame was not prepared yet.
        transform: From the canonical image to what the model wants of this type of sensor.
        output_transform: Back again, for what the heads say.
        last_images: What `prepare` gave last; None if that was invalid.
        last_frame: The newest frame at that moment; None before.
    """

    def __init__(self, name: str, profile: SensorProfile, spec: ModelSpec) -> None:
        """Start without frames, for images of this type of sensor and this model."""
        self._is_small = spec.streams
        subtracted = profile.subtract_background and spec.sees_background
        self._first_background = None if subtracted else _NO_BACKGROUND
        self.background: NDArray[np.uint8] | None = None
        self.set_background(None)
        self.sensor_id = spec.sensor_id(profile.name)
        self.pending = False
        self.transform = spec.input_transform(profile.name)
        self.output_transform = spec.output_transform(profile.name)
        self.last_images: list[NDArray[np.uint8]] | None = None
        self.last_frame: Frame | None = None
        self._small: dict[int, tuple[Frame, NDArray[np.uint8]]] = {}  # of what may be a partner
        self._name = name
        self._ring = FrameRing(spec.frame_offsets_s)
        self._nominal_s = 1 / profile.fps
        self._arrivals_s: deque[float] = deque(maxlen=_PERIODS_MEASURED + 1)
        self._stale_s = math.inf  # moment at which the newest frame goes stale
        self._timeout_reported = False
        self._counters = SensorCounters()

    def set_background(self, image: NDArray[np.uint8] | None) -> None:
        """Take this canonical image; None: the one of the start, which is none or a neutral one."""
        image = self._first_background if image is None else image.copy()
        self.background = shrink(image) if image is not None and self._is_small else image

    def add(self, frame: Frame, now_s: float) -> None:
        """Take in a frame that came at this moment of the monotonic clock."""
        self._ring.add(frame)
        is_newest = self._ring.newest is frame
        self._count(received=1, replaced=is_newest and self.pending)
        if is_newest:
            self.pending, self._timeout_reported = True, False
            self._arrivals_s.append(now_s)
            self._stale_s = now_s + max(LEAST_STALE_S, STALE_PERIODS * self._period_s())

    @property
    def timeout_at_s(self) -> float:
        """Moment at which the sensor counts as silent; infinite once that was reported."""
        return math.inf if self._timeout_reported else self._stale_s

    def is_ready(self, now_s: float) -> bool:
        """Whether there is a frame to prepare, or a timeout to report."""
        return self.pending or now_s >= self.timeout_at_s

    def prepare(
        self, now_s: float, stamp_now_ns: int | None = None
    ) -> tuple[EncodedFrame, list[NDArray[np.uint8]] | None]:
        """Prepare the newest frame and its partners for the encoder.

        Args:
            now_s: The moment, by the clock given to `add`.
            stamp_now_ns: The moment by the clock of the stamps; None trusts them.

        Returns:
            What will have been encoded, and the (H, W, 3) images that the encoder is to see, newest
            first and the background last; None in their place if the frame is invalid.
        """
        clip = self._ring.clip()
        newest = self._ring.newest
        reason = self._reason(now_s, stamp_now_ns)
        self._count(encoded=self.pending and not reason, unpaired=self.pending and bool(reason))
        self.pending, self.last_images, self.last_frame = False, None, newest
        if reason:
            return EncodedFrame(self._name, newest.stamp_ns, reason=reason), None
        images = [*self._images(clip), self.background]
        self.last_images = self.transform.apply(images)
        return EncodedFrame(self._name, newest.stamp_ns, clip.interval_s), self.last_images

    def _images(self, clip: Clip) -> list[NDArray[np.uint8]]:
        """The frames in the size that the model wants; each is made smaller once."""
        if not self._is_small:
            return [frame.image for frame in clip.frames]
        newest_ns, *_, oldest_ns = (frame.stamp_ns for frame in clip.frames)
        self._small = {
            key: held
            for key, held in self._small.items()
            if oldest_ns <= held[0].stamp_ns <= newest_ns
        }
        for frame in clip.frames:
            if id(frame) not in self._small:  # which is its own as long as it is held here
                self._small[id(frame)] = frame, shrink(frame.image)
        return [self._small[id(frame)][1] for frame in clip.frames]

    def counters(self) -> SensorCounters:
        """What became of the frames so far."""
        ring = self._ring
        return replace(
            self._counters,
            duplicates=ring.duplicates,
            late=ring.late,
            clock_steps=ring.clock_steps,
        )

    def _reason(self, now_s: float, stamp_now_ns: int | None) -> str:
        if now_s >= self._stale_s:
            self._timeout_reported = True
            return f"stale: no frame for {now_s - self._arrivals_s[-1]:.2f} s"
        if stamp_now_ns is not None and (
            reason := stamp_trouble(self._ring.newest.stamp_ns, stamp_now_ns)
        ):
            return reason
        if self.background is None:
            return "no background: capture one while nothing touches the gel"
        return self._ring.reason

    def _period_s(self) -> float:
        """That of this kind of camera, or the one measured lately where that is longer."""
        gaps_s = [later - former for former, later in pairwise(self._arrivals_s)]
        if len(gaps_s) < _PERIODS_MEASURED // 2:
            return self._nominal_s
        return max(self._nominal_s, statistics.median_low(gaps_s))

    def _count(self, **more: int) -> None:
        old = self._counters
        self._counters = replace(old, **{key: getattr(old, key) + more[key] for key in more})
