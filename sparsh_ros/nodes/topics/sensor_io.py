# SPDX-License-Identifier: Apache-2.0
"""One sensor as the perception node sees it: its topics, its background and its counts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from sparsh_ros.errors import FrameError
from sparsh_ros.frames import Frame, check_image
from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD
from sparsh_ros.models.head_choice import HeadChoice
from sparsh_ros.nodes.messages import conversions, views
from sparsh_ros.nodes.runtime.diagnostics import (
    OK,
    WARN,
    LatencyMeter,
    RateMeter,
    Report,
    SendTimes,
)
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.estimates import EstimatePublisher
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.config import SensorConfig

_LOG_THROTTLE_S = 5.0


class SensorIO:
    """What belongs to one sensor. Frames come in on one thread, estimates go out on another.

    A sensor in this process hands its background over once, so that is kept from then on, whether
    or not anything is inferred at the time.
    """

    def __init__(self, node: Node, config: SensorConfig, prefix: str) -> None:
        """Nothing is heard or published yet; topics will be named below `prefix`."""
        self._node, self._config, self._prefix = node, config, prefix
        self._lock = threading.Lock()
        self._background: np.ndarray | None = None
        self._perception: Perception | None = None
        self._subscriptions: list[Subscription] = []
        self._missing = ""
        self._forget()

    def _forget(self) -> None:
        self._newest: Frame | None = None
        self._estimate: Estimate | None = None
        self._refused = self._published = 0
        self._refused_rate, self._refusal = RateMeter(), ""
        self._rate, self._field_rate, self._latency = RateMeter(), RateMeter(), LatencyMeter()
        self._sent = SendTimes(self._node)
        self._last_values: dict[str, object] = {}

    def create_publishers(self, heads: HeadChoice) -> None:
        """Make the topics of the estimates of these heads, and of the pictures."""
        node, prefix = self._node, self._prefix
        self._missing = "; ".join(heads.missing.values())
        self._estimates = EstimatePublisher(node, prefix, self._config.gel_frame, heads.wanted)
        self._field_topic: Publisher | None = None
        if FORCE_FIELD in heads.usable:
            self._field_topic = node.create_publisher(Image, f"{prefix}force_field", qos.LATEST)
        self._difference_topic = node.create_publisher(Image, f"{prefix}image_diff", qos.LATEST)
        self._overlay_topic = node.create_publisher(Image, f"{prefix}overlay", qos.LATEST)

    def start(self, perception: Perception, listen: bool) -> None:
        """Hand what comes to `perception`; `listen` to the topics if nobody calls `on_frame`."""
        perception.add_sensor(self._config.name, self._config.profile)
        with self._lock:
            self._forget()
            self._perception = perception
            if listen:  # the topic tells it anew; what was held may have changed meanwhile
                self._background = None
            self._hand_over_background()
        if listen:
            self._subscribe("background", self._on_background, qos.LATCHED)
            self._subscribe("image_raw", self._on_image, qos.FRAMES)

    def stop(self) -> None:
        """Let go of the `perception`; the counts stay as they are."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        with self._lock:
            if self._perception is not None:
                self._last_values = self._values()
            self._perception = None

    def on_frame(self, frame: Frame) -> None:
        """Take in a frame."""
        with self._lock:
            if self._perception is not None:
                self._newest = frame
                self._perception.push(self._config.name, frame)

    def use_background(self, background: np.ndarray | None) -> None:
        """Take this as the no-contact reference, (320, 240, 3) uint8 RGB; None: there is none."""
        with self._lock:
            self._background = background
            self._hand_over_background()

    def publish(self, estimate: Estimate) -> None:
        """Publish an estimate, and pictures of it while somebody looks."""
        self._estimates.publish(estimate)
        # A sensor that went silent is reported with the stamp of its last frame.
        if self._estimate is None or estimate.stamp_ns != self._estimate.stamp_ns:
            self._published += 1
            self._rate.count()
            self._latency.add(self._sent.of(estimate.stamp_ns))
        self._estimate = estimate
        with self._lock:
            frame, background = self._newest, self._background
        if background is not None and self._difference_topic.get_subscription_count():
            picture = views.difference(frame.image, background)
            self._difference_topic.publish(self._picture(picture, frame.stamp_ns))
        # With a force field the overlay shows that one, as often as there is one.
        if self._field_topic is None and self._overlay_topic.get_subscription_count():
            picture = views.overlay(frame.image, estimate)
            self._overlay_topic.publish(self._picture(picture, frame.stamp_ns))

    @property
    def wants_field(self) -> bool:
        """Whether somebody looks at the force field or at its picture."""
        topics = (self._field_topic, self._overlay_topic)
        return any(topic.get_subscription_count() for topic in topics)

    def publish_field(self, field: ForceField) -> None:
        """Publish a force field, and a picture of it, while somebody looks."""
        self._field_rate.count()
        stamp_ns = field.frame.stamp_ns
        if self._field_topic.get_subscription_count():
            message = conversions.field_to_msg(field.values, stamp_ns, self._config.gel_frame)
            self._field_topic.publish(message)
        if self._overlay_topic.get_subscription_count():
            self._overlay_topic.publish(self._picture(views.field_overlay(field), stamp_ns))

    def report(self) -> Report:
        """How the sensor's frames fare."""
        with self._lock:
            values = self._last_values if self._perception is None else self._values()
        return self._report_on_frames(values).with_more(
            Report(WARN if self._missing else OK, self._missing)
        )

    def _report_on_frames(self, values: dict[str, object]) -> Report:
        reason = "waiting for images" if self._estimate is None else self._estimate.reason
        sentences = list(filter(None, (reason, self._why_refused())))
        return Report(WARN if sentences else OK, "; ".join(sentences) or "running", values)

    def _why_refused(self) -> str:
        """Why images are refused at present; empty if none are."""
        refused_hz = self._refused_rate.rate_hz
        return f"{refused_hz:.1f} images/s are refused: {self._refusal}" if refused_hz else ""

    def _values(self) -> dict[str, object]:
        spec, engine = self._perception.spec, self._perception.engine
        counters = self._perception.counters(self._config.name)
        stamp_ns = math.nan if self._newest is None else self._newest.stamp_ns
        values = {
            "model": spec.name,
            "weights": spec.weights,
            "device": engine.description,
            "rate (Hz)": self._rate.rate_hz,
            "frame age (s)": (self._node.get_clock().now().nanoseconds - stamp_ns) * 1e-9,
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
        if self._field_topic is not None:
            values["force field rate (Hz)"] = self._field_rate.rate_hz
        return values

    def _hand_over_background(self) -> None:
        if self._config.profile.subtract_background and self._perception is not None:
            self._perception.set_background(self._config.name, self._background)

    def _subscribe(self, topic: str, callback: Callable[..., None], quality: QoSProfile) -> None:
        subscription = self._node.create_subscription(
            Image, f"{self._prefix}{topic}", callback, quality
        )
        self._subscriptions.append(subscription)

    def _on_image(self, message: Image, info: Mapping[str, int]) -> None:
        try:
            image = self._standard_image(message)
        except FrameError as error:
            self._refused += 1
            self._refused_rate.count()
            self._refusal = str(error)
            self._log_error("image_raw", error)
        else:
            stamp_ns = conversions.msg_to_stamp(message.header.stamp)
            self._sent.note(stamp_ns, info["source_timestamp"])
            self.on_frame(Frame(stamp_ns, image))

    def _on_background(self, message: Image) -> None:
        try:
            self.use_background(self._standard_image(message) if message.data else None)
        except FrameError as error:
            self._log_error("background", error)

    def _standard_image(self, message: Image) -> np.ndarray:
        """The canonical image in a message, which may also hold one as the camera delivers it."""
        profile = self._config.profile
        image = conversions.msg_to_image(message)
        if image.shape == (profile.height, profile.width, 3):
            return profile.to_canonical(image, "rgb")
        check_image(image)
        return image

    def _log_error(self, topic: str, error: FrameError) -> None:
        sentence = f"sensor {self._config.name}: {topic}: {error}"
        self._node.get_logger().error(sentence, throttle_duration_sec=_LOG_THROTTLE_S)

    def _picture(self, image: np.ndarray, stamp_ns: int) -> Image:
        return conversions.image_to_msg(image, stamp_ns, self._config.optical_frame)
