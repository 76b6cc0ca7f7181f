# SPDX-License-Identifier: Apache-2.0
"""Both fingertips of a simulated maze through the real model, without ROS and without waiting."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.frames import IMAGE_HEIGHT, Frame
from sparsh_ros.models.streaming.images import shrink
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.policies.touch import SIDES, Touch, from_estimate, from_truth
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.simulation import TouchSample

FIRST_NS = 1_000_000_000
"""Stamp of time 0: to ROS, 0 means that there is no time yet."""


class TouchReader:
    """Perception on a clock that stands still between frames."""

    def __init__(self, model: str = STREAM_MODEL) -> None:
        """Load the model for one CPU thread."""
        self._now_s = 0.0
        self._backgrounds = self._before = ()
        self._perception = Perception(
            model,
            ("force", "slip", "pose"),
            "cpu",
            threads=1,
            monotonic=lambda: self._now_s,
        )

    def begin(self, backgrounds: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
        """Forget whatever was touched, and take images, as in `read`, of the untouched gels."""
        self._backgrounds = tuple(map(shrink, backgrounds))
        self._before = ()
        profile = load_profile("digit")
        for side, background in zip(SIDES, backgrounds, strict=True):
            self._perception.add_sensor(side, profile)
            self._perception.set_background(side, enlarge(background))

    def read(
        self, time_s: float, images: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    ) -> tuple[Touch, Touch]:
        """What left and right fingertip feel in the images of a moment: (320, 240, 3) uint8 RGB, or
        both dimensions divided by the same number."""
        stamp_ns = FIRST_NS + round(time_s * 1e9)
        self._now_s = stamp_ns * 1e-9
        for side, image in zip(SIDES, images, strict=True):
            self._perception.push(side, Frame(stamp_ns, enlarge(image)))
        features = self._perception.encode()
        rows = iter(() if features.tokens is None else features.tokens)
        tokens = [next(rows) if encoded.valid else None for encoded in features.frames]
        estimates = self._perception.run_heads(features)
        now = tuple(map(shrink, images))
        shown = zip(now, self._before or now, self._backgrounds, strict=True)
        self._before = now
        left, right = (
            replace(from_estimate(estimate.sensor, estimate, own), images=np.stack(seen))
            for estimate, own, seen in zip(estimates, tokens, shown, strict=True)
        )
        return left, right


class TruthReader:
    """The same, but what is felt is true."""

    def __init__(self) -> None:
        """Start without contact."""
        self._origins: list[NDArray | None] = [None, None]

    def read(self, time_s: float, samples: tuple[TouchSample, TouchSample]) -> tuple[Touch, Touch]:
        """What is true of both fingertips."""
        stamp_ns = FIRST_NS + round(time_s * 1e9)
        touches = []
        for index, (side, sample) in enumerate(zip(SIDES, samples, strict=True)):
            if not sample.in_contact:
                self._origins[index] = None
            elif self._origins[index] is None:
                self._origins[index] = sample.pose
            touches.append(from_truth(side, stamp_ns, sample, self._origins[index]))
        return touches[0], touches[1]


def enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A canonical image of one that is smaller: the default model shrinks it to the same again."""
    factor = IMAGE_HEIGHT // image.shape[0]
    if factor == 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
