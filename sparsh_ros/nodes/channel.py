# SPDX-License-Identifier: Apache-2.0
"""One sensor as the perception node sees it: its topics, its background and its counts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from sparsh_ros.background import StillFrames
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import Frame
from sparsh_ros.nodes import conversions, qos, views
from sparsh_ros.nodes.diagnostics import LatencyMeter, RateMeter
from sparsh_ros.nodes.estimates import EstimatePublisher
from sparsh_ros.perception import Touch
from sparsh_ros.sensors import SensorProfile


class Channel:
    """What belongs to one sensor. Frames come in on one thread, touches go out on another."""

    def __init__(
        self, node: Node, name: str, prefix: str, profile: SensorProfile, heads: Sequence[str]
    ) -> None:
        """Make the topics of the sensor `name`, named below `prefix`."""
        self.name = name
        self.background: np.ndarray | None = None
        self.refused = self.published = 0
        self.reason = ""
        self.rate = RateMeter()
        self.latency = LatencyMeter()
        self._profile = profile
        self._still = StillFrames()
        self._lock = threading.Lock()
        self._newest: Frame | None = None
        self._last_stamp_ns = -1
        self._optical_frame = conversions.optical_frame(name)
        self._estimates = EstimatePublisher(node, prefix, name, heads)
        self._background = node.create_publisher(Image, f"{prefix}background", qos.LATCHED)
        self._difference = node.create_publisher(Image, f"{prefix}image_diff", qos.LATEST)
        self._overlay = node.create_publisher(Image, f"{prefix}overlay", qos.LATEST)

    def frame_from(self, message: Image) -> Frame:
        """The standard image in a message, which may also hold one as the camera delivers it.

        Raises:
            FrameError: wrong encoding or size; the image is counted as refused.
        """
        try:
            image = conversions.msg_to_image(message)
            if image.shape == (self._profile.height, self._profile.width, 3):
                image = self._profile.standardise(image, "rgb")
            self._profile.check(image)
        except FrameError as error:
            self.refused += 1
            raise FrameError(f"sensor {self.name}: {error}") from error
        return Frame(conversions.msg_to_stamp(message.header.stamp), image)

    def take(self, frame: Frame) -> np.ndarray | None:
        """Note a frame; the background, if this frame makes it known for the first time."""
        with self._lock:
            self._newest = frame
            self._still.push(frame.image)
        if self.background is not None or not self._profile.subtract_background:
            return None
        try:
            return self.capture_background()
        except FrameError:
            return None

    def capture_background(self) -> np.ndarray:
        """The mean of the newest frames.

        Raises:
            FrameError: there are too few, or something moves.
        """
        with self._lock:
            return self._still.background()

    def use_background(self, background: np.ndarray, stamp_ns: int) -> None:
        """Remember the reference in use and publish it, so that a bag explains itself."""
        self.background = background
        self._background.publish(self._message(background, stamp_ns))

    def publish(self, touch: Touch) -> None:
        """Publish a touch, and pictures of it while somebody looks."""
        self._estimates.publish(touch)
        self._count(touch)
        with self._lock:
            frame = self._newest
        if self._difference.get_subscription_count() and self.background is not None:
            picture = views.difference(frame.image, self.background)
            self._difference.publish(self._message(picture, frame.stamp_ns))
        if self._overlay.get_subscription_count():
            picture = views.overlay(frame.image, touch)
            self._overlay.publish(self._message(picture, frame.stamp_ns))

    def _count(self, touch: Touch) -> None:
        self.reason = touch.reason
        # A sensor that went silent is reported with the stamp of its last frame.
        if touch.stamp_ns != self._last_stamp_ns:
            self._last_stamp_ns = touch.stamp_ns
            self.published += 1
            self.rate.count()
            self.latency.add(touch.stamp_ns)

    def age_s(self) -> float:
        """Seconds since the newest frame was grabbed; NaN before the first."""
        with self._lock:
            newest = self._newest
        return math.nan if newest is None else time.time() - newest.stamp_ns * 1e-9

    def flush(self) -> None:
        """Wait until everybody who listens has all estimates."""
        self._estimates.flush()

    def _message(self, image: np.ndarray, stamp_ns: int) -> Image:
        return conversions.image_to_msg(image, stamp_ns, self._optical_frame)
