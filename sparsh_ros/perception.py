# SPDX-License-Identifier: Apache-2.0
"""Frames in, touches out: clips, encoding and the heads for any number of sensors.

`Perception` does it all. Its two halves can also live in different processes: `Perception.encode`
gives tokens, and a `sparsh_ros.decoder.TouchDecoder` elsewhere makes touches of them.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.decoder import CONTACT_THRESHOLD_N, Encoded, Encoding, TouchDecoder
from sparsh_ros.engines import create_engine
from sparsh_ros.errors import ModelError, ParameterError
from sparsh_ros.frames import IMAGE_SHAPE, Frame, FrameRing, check_image
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.sensors.profiles import SensorProfile
from sparsh_ros.touch import HEADS, Touch

# How long an estimate outlives its frame: at 60 frames/s 0.13 s, at 25 frames/s 0.32 s.
STALE_PERIODS = 8
LEAST_STALE_S = 0.1

_PERIODS_MEASURED = 8  # at most; half as many at least, or a gap would count as a slow camera
# Without background subtraction the encoder sees the plain image: image - 127 + 127.
_NO_BACKGROUND = np.full(IMAGE_SHAPE, 127, np.uint8)
_NO_BACKGROUND.setflags(write=False)


@dataclass(frozen=True, slots=True)
class SensorCounters:
    """What became of the frames of one sensor.

    Attributes:
        received: frames pushed.
        encoded: frames that were encoded, with their partners.
        unpaired: frames reported invalid: no background, no partner, or stale.
        replaced: frames that a newer one replaced before they were looked at.
        duplicates: frames ignored because their stamp was known.
        late: frames that came after their successor; they serve as partners only.
        clock_steps: how often the stamps stepped back.
    """

    received: int = 0
    encoded: int = 0
    unpaired: int = 0
    replaced: int = 0
    duplicates: int = 0
    late: int = 0
    clock_steps: int = 0


class Perception:
    """Estimates force, slip and motion from the frames of any number of sensors.

    Push frames from any thread; call `infer`, or `encode` and `interpret`, from one.

    Attributes:
        spec: the model in use.
        engine: what runs it.
        missing_heads: heads that were asked for and that the model's weights lack.
    """

    def __init__(
        self,
        model: str | Path = "sparsh-sim-micro",
        heads: Sequence[str] = HEADS,
        device: str = "auto",
        threads: int | None = None,
        contact_threshold_n: float = CONTACT_THRESHOLD_N,
        slip_threshold: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the model and warm it up.

        Args:
            model: name of a model, or path of its description.
            heads: what to estimate, of "force", "slip", "pose". Contact is known by force alone.
            device: "auto", "cpu" or "cuda".
            threads: CPU threads of the encoder; None takes one per core.
            contact_threshold_n: normal force at which contact begins, N.
            slip_threshold: slip probability that counts as slipping; None takes the model's.
            monotonic: clock in seconds, by which frames go stale.

        Raises:
            ModelError: model, head or device is unknown.
            WeightsError: the weights are missing or cannot be used.
            ParameterError: a threshold is out of its range.
        """
        if unknown := [head for head in heads if head not in HEADS]:
            raise ModelError(f"heads: wanted some of {', '.join(HEADS)}, found {unknown}")
        self.spec = load_model_spec(model)
        self.missing_heads = tuple(head for head in heads if head not in self.spec.heads)
        present = tuple(head for head in heads if head in self.spec.heads)
        self.engine = create_engine(self.spec, device, present, threads=threads)
        self._decoder = TouchDecoder(self.spec, self.engine, contact_threshold_n, slip_threshold)
        self._monotonic = monotonic
        self._slots: dict[str, _Slot] = {}
        self._arrived = threading.Condition()
        self.engine.warm_up()

    def add_sensor(self, name: str, profile: SensorProfile) -> None:
        """Make a sensor known, by its own name and its kind; starts it anew if it is."""
        with self._arrived:
            self._slots[name] = _Slot(name, profile, self.spec.frame_offsets_s)
        self._decoder.add_sensor(name, profile)

    def set_background(self, name: str, image: NDArray[np.uint8] | None) -> None:
        """Set a sensor's no-contact reference, a standard image; None forgets the one it had.

        Raises:
            FrameError: the image is no standard image.
            ParameterError: the sensor is unknown.
        """
        if image is not None:
            check_image(image)
        with self._arrived:
            slot = self._slot(name)
            slot.background = slot.first_background if image is None else image.copy()

    def push(self, name: str, frame: Frame) -> None:
        """Take a frame in; never waits for the encoder.

        Raises:
            ParameterError: the sensor is unknown.
        """
        with self._arrived:
            self._slot(name).push(frame, self._monotonic())
            self._arrived.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for news; whether there is any.

        News is a frame that was not looked at, or a sensor that went silent.
        """
        with self._arrived:
            until_s = self._monotonic() + timeout
            while not self._has_news():
                silent_s = min((slot.silent_s for slot in self._slots.values()), default=math.inf)
                left_s = min(until_s, silent_s) - self._monotonic()
                if left_s <= 0:
                    break
                self._arrived.wait(left_s)
            return self._has_news()

    def _has_news(self) -> bool:
        now_s = self._monotonic()
        return any(slot.has_news(now_s) for slot in self._slots.values())

    def counters(self, name: str) -> SensorCounters:
        """What became of a sensor's frames so far.

        Raises:
            ParameterError: the sensor is unknown.
        """
        with self._arrived:
            return self._slot(name).counters()

    def infer(self) -> list[Touch]:
        """Make touches of all frames that are new, in one batched call of the encoder.

        Returns:
            One touch per sensor with a new frame, and one, invalid, for each that went silent.
            A frame is looked at once; where several came since, the newest.
        """
        return self.interpret(self.encode())

    def encode(self) -> Encoded:
        """The first half of `infer`: encode whatever is new, with its partners."""
        with self._arrived:
            now_s = self._monotonic()
            looks = [slot.look(now_s) for slot in self._slots.values() if slot.has_news(now_s)]
        seen = [images for _, images in looks if images is not None]
        tokens = None
        if seen:
            tokens = self.engine.encode(*(np.stack(batch) for batch in zip(*seen, strict=True)))
        return Encoded(tuple(encoding for encoding, _ in looks), tokens)

    def interpret(self, encoded: Encoded) -> list[Touch]:
        """The second half of `infer`: run the heads and read their outputs."""
        return self._decoder.decode(encoded)

    def _slot(self, name: str) -> _Slot:
        if name not in self._slots:
            known = ", ".join(self._slots) or "none"
            raise ParameterError(f"sensor {name!r}: unknown to perception, which knows {known}")
        return self._slots[name]


class _Slot:
    """The frames of one sensor on their way to the encoder."""

    def __init__(self, name: str, profile: SensorProfile, offsets_s: Sequence[float]) -> None:
        self.first_background = None if profile.subtract_background else _NO_BACKGROUND
        self.background = self.first_background
        self.pending = False
        self._name = name
        self._ring = FrameRing(offsets_s)
        self._nominal_s = 1 / profile.fps
        self._arrivals_s: deque[float] = deque(maxlen=_PERIODS_MEASURED + 1)
        self._stale_s = math.inf  # moment at which the newest frame goes stale
        self._told_silent = False
        self._counters = SensorCounters()

    def push(self, frame: Frame, now_s: float) -> None:
        self._ring.push(frame)
        is_newest = self._ring.newest is frame
        self._count(received=1, replaced=is_newest and self.pending)
        if is_newest:
            self.pending, self._told_silent = True, False
            self._arrivals_s.append(now_s)
            self._stale_s = now_s + max(LEAST_STALE_S, STALE_PERIODS * self._period_s())

    @property
    def silent_s(self) -> float:
        """Moment from which it is to be reported silent; infinite once that was done."""
        return math.inf if self._told_silent else self._stale_s

    def has_news(self, now_s: float) -> bool:
        return self.pending or now_s >= self.silent_s

    def look(self, now_s: float) -> tuple[Encoding, list[NDArray[np.uint8]] | None]:
        """The newest frame's encoding to be; its images, newest first, and the background, unless
        it is invalid."""
        clip = self._ring.clip()
        stamp_ns = self._ring.newest.stamp_ns
        reason = self._reason(now_s)
        self._count(encoded=self.pending and not reason, unpaired=self.pending and bool(reason))
        self.pending = False
        if reason:
            return Encoding(self._name, stamp_ns, reason=reason), None
        images = [frame.image for frame in clip.frames]
        return Encoding(self._name, stamp_ns, clip.interval_s), [*images, self.background]

    def counters(self) -> SensorCounters:
        ring = self._ring
        return replace(
            self._counters,
            duplicates=ring.duplicates,
            late=ring.late,
            clock_steps=ring.clock_steps,
        )

    def _reason(self, now_s: float) -> str:
        if now_s >= self._stale_s:
            self._told_silent = True
            return f"stale: no frame for {now_s - self._arrivals_s[-1]:.2f} s"
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
