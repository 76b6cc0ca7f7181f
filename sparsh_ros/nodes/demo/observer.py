# SPDX-License-Identifier: Apache-2.0
"""A node that listens to a running graph like any user's would, and keeps what it hears."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from sparsh_ros import names
from sparsh_ros.msg import Slip
from sparsh_ros.names import DIAGNOSTICS, TOO_SLOW
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime.spin import spinning
from sparsh_ros.nodes.topics import qos
from sparsh_ros.reports.graph_log import Record, Series

_IMAGE_EVERY_S = 0.5
_READY_POLL_S = 0.1
# Messages that are acknowledged but not yet handed to the callbacks.
_LAST_MESSAGES_S = 0.5
# Deep enough for what comes while this process is held up: what it misses would look like a loss.
_DEEP = QoSProfile(depth=300, reliability=ReliabilityPolicy.RELIABLE)


class Observer(Node):
    """Subscribes to the estimates, to the truth where there is one, and to the diagnostics.

    Only once these are connected it asks for the images, too: a sensor that waits for this
    listener then begins when nothing can be missed any more.
    """

    def __init__(self, namespace: str, with_truth: bool, sensor: str = "") -> None:
        """Listen to one sensor of a graph.

        Args:
            namespace: Of the graph.
            with_truth: The sensor knows the truth.
            sensor: Its name, where there are several.
        """
        super().__init__("observer", namespace=f"{namespace}/{sensor}".rstrip("/"))
        self._sensor = sensor
        self._last_image_s = -math.inf
        self.record = record = Record()
        for topic, message_type, series, values in (
            ("force", WrenchStamped, record.force, _force_values),
            (f"{names.GROUND_TRUTH}/force", WrenchStamped, record.truth_force, _force_values),
            ("slip", Slip, record.slip, _slip_values),
            (f"{names.GROUND_TRUTH}/slip", Slip, record.truth_slip, _slip_values),
            ("pose", PoseWithCovarianceStamped, record.pose, _pose_values),
            (
                f"{names.GROUND_TRUTH}/pose",
                PoseWithCovarianceStamped,
                record.truth_pose,
                _pose_values,
            ),
        ):
            self.create_subscription(message_type, topic, _keep(series, values), _DEEP)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._take_diagnostics, _DEEP)
        self._awaited = [f"{names.GROUND_TRUTH}/pose"] if with_truth else []
        self._readiness = self.create_timer(_READY_POLL_S, self._ask_for_images)

    def _ask_for_images(self) -> None:
        estimates = any(self.count_publishers(topic) for topic in ("force", "slip", "pose"))
        if estimates and all(self.count_publishers(topic) for topic in self._awaited):
            self._readiness.cancel()
            # As bytes: to make a message of each would cost more than all the estimates.
            self.create_subscription(Image, "image_raw", self._take_image, qos.LATEST, raw=True)

    def _take_image(self, data: bytes) -> None:
        now_s = time.monotonic()
        if now_s - self._last_image_s >= _IMAGE_EVERY_S:
            self._last_image_s = now_s
            message = deserialize_message(data, Image)
            stamp_ns = conversions.msg_to_stamp(message.header.stamp)
            self.record.images.append((stamp_ns, decode_image(message)))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if self._sensor not in ("", status.name.rpartition(": ")[2]):
                continue
            values = {item.key: item.value for item in status.values}
            self.record.counters[status.name] = values
            _, found, rest = status.message.partition(TOO_SLOW)
            self.record.overload_now[status.name] = f"{found}{rest}"
            if found:
                self.record.overload[status.name] = f"{found}{rest}"


def _cheap_executor() -> Executor:
    """One that does not build a wait set for each of the 360 messages a second, where there is."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:  # ROS 2 before Kilted
        return SingleThreadedExecutor()
    return EventsExecutor()


def _keep(series: Series, values: Callable[[object], tuple[float, ...]]) -> Callable:
    def take(message: object) -> None:
        received_ns = time.time_ns()
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        # A sensor that went silent is reported once more with the stamp of its last frame.
        if stamp_ns != series.last_stamp_ns:
            series.append(stamp_ns, received_ns, *values(message))

    return take


def _force_values(message: WrenchStamped) -> tuple[float, ...]:
    force = message.wrench.force
    return force.x, force.y, force.z


def _slip_values(message: Slip) -> tuple[float, ...]:
    return (
        float(message.valid),
        float(message.in_contact) if message.contact_known else math.nan,
        float(message.slipping),
        message.probability,
        message.threshold,
    )


def _pose_values(message: PoseWithCovarianceStamped) -> tuple[float, ...]:
    pose = message.pose.pose
    return pose.position.x, pose.position.y, conversions.quaternion_to_yaw(pose.orientation)


@contextmanager
def listening(
    namespace: str, with_truth: bool, sensors: Sequence[str] = ("",)
) -> Iterator[list[Record]]:
    """The records of observers, one for each sensor, that listen on a thread of their own."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    observers = [Observer(namespace, with_truth, sensor) for sensor in sensors]
    executor = _cheap_executor()
    for observer in observers:
        executor.add_node(observer)
    try:
        with spinning(executor, "observer"):
            try:
                yield [observer.record for observer in observers]
            finally:
                time.sleep(_LAST_MESSAGES_S)
    finally:
        for observer in observers:
            observer.destroy_node()
        rclpy.try_shutdown()
