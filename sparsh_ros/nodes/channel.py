# SPDX-License-Identifier: Apache-2.0
"""One sensor as the perception node sees it: its topics, its background and its counts."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from sparsh_ros.background import StillFrames
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import Frame
from sparsh_ros.nodes import conversions, qos, views
from sparsh_ros.nodes.diagnostics import OK, WARN, LatencyMeter, RateMeter, Report
from sparsh_ros.nodes.estimates import EstimatePublisher
from sparsh_ros.perception import Perception
from sparsh_ros.sensors.rig import SensorEntry
from sparsh_ros.touch import Touch

_QUIET_S = 5.0


class Channel:
    """What belongs to one sensor. Frames come in on one thread, touches go out on another."""

    def __init__(self, node: Node, perception: Perception, entry: SensorEntry, prefix: str) -> None:
        """Make the sensor known to `perception`, and its topics, named below `prefix`."""
        self._node, self._perception = node, perception
        self._entry, self._prefix = entry, prefix
        self._name, self._profile = entry.name, entry.profile
        self._still = StillFrames()
        self._lock = threading.Lock()
        self._newest: Frame | None = None
        self._background: np.ndarray | None = None
        self._refused = self._published = 0
        self._touch: Touch | None = None
        self._rate, self._latency = RateMeter(), LatencyMeter()
        perception.add_sensor(entry.name, entry.profile)
        self._estimates = EstimatePublisher(node, prefix, entry.gel_frame, perception.engine.heads)
        self._background_topic = node.create_publisher(Image, f"{prefix}background", qos.LATCHED)
        self._difference_topic = node.create_publisher(Image, f"{prefix}image_diff", qos.LATEST)
        self._overlay_topic = node.create_publisher(Image, f"{prefix}overlay", qos.LATEST)

    def serve(self) -> None:
        """Offer the service `capture_background`."""
        self._node.create_service(
            Trigger, f"{self._prefix}capture_background", self._capture_background
        )

    def listen(self) -> None:
        """Take the frames from the topic `image_raw`."""
        self._node.create_subscription(
            Image, f"{self._prefix}image_raw", self._take_message, qos.FRAMES
        )

    def take(self, frame: Frame) -> None:
        """Take in a frame; the first still ones become the background if there is none."""
        with self._lock:
            self._newest = frame
            self._still.push(frame)
        if self._background is None and self._profile.subtract_background:
            self._try_first_background(frame.stamp_ns)
        self._perception.push(self._name, frame)

    def use_background(self, background: np.ndarray, stamp_ns: int) -> None:
        """Take this as the no-contact reference, and publish it so that a bag explains itself."""
        self._background = background
        if self._profile.subtract_background:
            self._perception.set_background(self._name, background)
        self._background_topic.publish(self._message(background, stamp_ns))

    def publish(self, touch: Touch) -> None:
        """Publish a touch, and pictures of it while somebody looks."""
        self._estimates.publish(touch)
        # A sensor that went silent is reported with the stamp of its last frame.
        if self._touch is None or touch.stamp_ns != self._touch.stamp_ns:
            self._published += 1
            self._rate.count()
            self._latency.add(touch.stamp_ns)
        self._touch = touch
        with self._lock:
            frame = self._newest
        if self._background is not None and self._difference_topic.get_subscription_count():
            picture = views.difference(frame.image, self._background)
            self._difference_topic.publish(self._message(picture, frame.stamp_ns))
        if self._overlay_topic.get_subscription_count():
            picture = views.overlay(frame.image, touch)
            self._overlay_topic.publish(self._message(picture, frame.stamp_ns))

    def report(self) -> Report:
        """How the sensor's frames fare."""
        counters = self._perception.counters(self._name)
        with self._lock:
            stamp_ns = math.nan if self._newest is None else self._newest.stamp_ns
        values = {
            "model": self._perception.spec.name,
            "weights": self._perception.spec.weights,
            "device": self._perception.engine.description,
            "rate (Hz)": self._rate.rate_hz,
            "frame age (s)": (time.time_ns() - stamp_ns) * 1e-9,
            "latency p50 (ms)": self._latency.percentile_ms(50),
            "latency p99 (ms)": self._latency.percentile_ms(99),
            "images received": counters.received + self._refused,
            "images refused": self._refused,
            "frames replaced": counters.replaced,
            "frames without a pair": counters.unpaired,
            "duplicate stamps": counters.duplicates,
            "clock steps": counters.clock_steps,
            "estimates published": self._published,
        }
        if self._touch is None:
            return Report(WARN, "waiting for images", values)
        return Report(OK if self._touch.valid else WARN, self._touch.reason or "running", values)

    def _take_message(self, message: Image) -> None:
        try:
            frame = self._frame_from(message)
        except FrameError as error:
            self._refused += 1
            sentence = f"sensor {self._name}: {error}"
            self._node.get_logger().error(sentence, throttle_duration_sec=_QUIET_S)
        else:
            self.take(frame)

    def _frame_from(self, message: Image) -> Frame:
        """The standard image in a message, which may also hold one as the camera delivers it."""
        image = conversions.msg_to_image(message)
        if image.shape == (self._profile.height, self._profile.width, 3):
            image = self._profile.standardise(image, "rgb")
        return Frame(conversions.msg_to_stamp(message.header.stamp), image)

    def _try_first_background(self, stamp_ns: int) -> None:
        try:
            with self._lock:
                background = self._still.background()
        except FrameError:
            return
        self.use_background(background, stamp_ns)
        self._node.get_logger().info(f"{self._name}: background from the first still frames")

    def _capture_background(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            with self._lock:
                background = self._still.background()
        except FrameError as error:
            response.message = f"{self._name}: {error}"
            return response
        self.use_background(background, self._node.get_clock().now().nanoseconds)
        response.success = True
        response.message = f"{self._name}: background captured"
        return response

    def _message(self, image: np.ndarray, stamp_ns: int) -> Image:
        return conversions.image_to_msg(image, stamp_ns, self._entry.optical_frame)
