# SPDX-License-Identifier: Apache-2.0
"""The background of one sensor in ROS: published for whoever needs it, captured on request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from sparsh_ros.background import BackgroundKeeper, BackgroundStore
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import Frame
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN, Report
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.sensors.config import SensorConfig

_SILENT_S = 1.0
_COUNT_PERIOD_S = 0.5


class BackgroundTopic:
    """Publishes `background`, latched, whenever it changes, and serves `capture_background`.

    An empty image, 0 x 0, means that none holds. It comes first unless there is a background at
    once: whoever listens may know one of an earlier process, perhaps of another sensor. Where
    others publish on the topic too, it is sent again whenever one of them comes or goes.
    Frames come in on one thread, requests on another.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        config: SensorConfig,
        sensor_serial: Callable[[], str],
        on_change: Callable[[np.ndarray | None], None] | None = None,
    ) -> None:
        """Make topic and service, named below `prefix`; nothing is published before a frame comes.

        Args:
            node: that owns them.
            prefix: of their names, such as "left/".
            config: the sensor.
            sensor_serial: gives its serial number now, "" while unknown or where it has none.
            on_change: Takes each new background within this process, (320, 240, 3) uint8 RGB, or
                None when none holds.

        Raises:
            SparshError: the image file that the config names cannot be read.
        """
        self._node, self._config, self._on_change = node, config, on_change
        self._sensor_serial = sensor_serial
        self._lock = threading.Lock()
        self._keeper = BackgroundKeeper(
            config.camera_profile,
            store=BackgroundStore(),
            file=config.background,
            is_real=config.driver.name != "simulated",
        )
        self._reported: set[str] = set()
        self._is_announced = False
        self._listeners = 0
        self._publishers, self._counted_s = 1, time.monotonic()
        self._newest_s = time.monotonic()
        self._topic = create_publisher(node, Image, f"{prefix}background", qos.LATCHED)
        node.create_service(Trigger, f"{prefix}capture_background", self._capture)

    def on_frame(self, frame: Frame) -> None:
        """Take in the newest frame; publish what is new, log once what is wrong."""
        with self._lock:
            self._newest_s = time.monotonic()
            self._check_serial(self._sensor_serial())
            is_wanted = self._has_listener_joined() or self._has_publisher_changed()
            if self._keeper.update(frame):
                self._announce()
            elif not self._is_announced:
                self._publish(None)
            elif is_wanted and self._keeper.image is not None:
                self._publish(self._keeper.image)
            self._warn()

    def report(self) -> Report:
        """Where the background comes from, and what is wrong with it."""
        with self._lock:
            keeper = self._keeper
            values = {"background": keeper.origin or "none"}
            sentences = {"start": keeper.reason, "others": self._objection()} | keeper.warnings
        trouble = "; ".join(filter(None, sentences.values()))
        is_needed = self._config.profile.subtract_background
        return Report(WARN if trouble and is_needed else OK, trouble or "running", values)

    def _check_serial(self, serial: str) -> None:
        """Drop the background if this is another sensor than the one it was taken of."""
        if self._keeper.check_serial(serial):
            self._publish(None)
            self._node.get_logger().warning(
                f"{self._config.name}: another sensor, {serial}: the background of the one before "
                "is dropped"
            )

    def _has_listener_joined(self) -> bool:
        # The middleware brings a latched image to whoever comes late, but may take seconds for it.
        before, self._listeners = self._listeners, self._topic.get_subscription_count()
        return self._listeners > before

    def _has_publisher_changed(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._counted_s < _COUNT_PERIOD_S:
            return False
        before, self._counted_s = self._publishers, now_s
        self._publishers = self._node.count_publishers(self._topic.topic_name)
        return self._publishers != before

    def _objection(self) -> str:
        if self._publishers <= 1:
            return ""
        return (
            f"background: wanted to be the only publisher on {self._topic.topic_name}, found "
            f"{self._publishers}; stop the other"
        )

    def _announce(self) -> None:
        self._publish(self._keeper.image)
        self._node.get_logger().info(f"{self._config.name}: background {self._keeper.origin}")

    def _publish(self, image: np.ndarray | None) -> None:
        self._is_announced = True
        if self._on_change is not None:
            self._on_change(image)
        where = (self._keeper.stamp_ns, self._config.optical_frame)
        if image is None:
            self._topic.publish(Image(header=conversions.header(*where)))
        else:
            self._topic.publish(conversions.image_to_msg(image, *where))

    def _warn(self) -> None:
        warnings = self._keeper.warnings
        if self._config.profile.subtract_background:
            for topic in warnings.keys() - self._reported:
                self._node.get_logger().warning(f"{self._config.name}: {warnings[topic]}")
        self._reported = set(warnings)

    def _capture(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        name = self._config.name
        with self._lock:
            try:
                self._refuse_silence()
                self._keeper.capture()
            except FrameError as error:
                response.message = f"{name}: {error}"
                return response
        response.success = True
        response.message = f"{name}: background captured"
        return response

    def _refuse_silence(self) -> None:
        silent_s = time.monotonic() - self._newest_s
        if silent_s > _SILENT_S:
            raise FrameError(
                f"background: wanted images now, found none for {silent_s:.1f} s; see /diagnostics"
            )
