# SPDX-License-Identifier: Apache-2.0
"""A node that listens to a running graph like any user's would, and keeps what it hears."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import Image

from sparsh_ros.evaluation.record import Record, Series
from sparsh_ros.msg import Slip
from sparsh_ros.nodes import conversions, qos

_IMAGE_EVERY_NS = 500_000_000
_DIAGNOSTICS_DEPTH = 50


class Observer(Node):
    """Subscribes to the estimates, to the truth where there is one, and to the diagnostics."""

    def __init__(self, namespace: str) -> None:
        """Listen to the topics of a graph with one sensor in this namespace."""
        super().__init__("observer", namespace=namespace)
        self.record = record = Record()
        for topic, kind, series, values in (
            ("force", WrenchStamped, record.force, _force_values),
            ("truth/force", WrenchStamped, record.truth_force, _force_values),
            ("slip", Slip, record.slip, _slip_values),
            ("truth/slip", Slip, record.truth_slip, _slip_values),
            ("pose", PoseWithCovarianceStamped, record.pose, _pose_values),
            ("truth/pose", PoseWithCovarianceStamped, record.truth_pose, _pose_values),
        ):
            self.create_subscription(kind, topic, _keep(series, values), qos.ESTIMATE)
        self.create_subscription(Image, "image_raw", self._take_image, qos.LATEST)
        self.create_subscription(
            DiagnosticArray, "/diagnostics", self._take_diagnostics, _DIAGNOSTICS_DEPTH
        )

    def _take_image(self, message: Image) -> None:
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        images = self.record.images
        if not images or stamp_ns - images[-1][0] >= _IMAGE_EVERY_NS:
            images.append((stamp_ns, conversions.msg_to_image(message)))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self.record.counters[status.name] = values | {"status": status.message}


def _keep(series: Series, values: Callable[[object], tuple[float, ...]]) -> Callable:
    def take(message: object) -> None:
        received_ns = time.time_ns()
        series.append(conversions.msg_to_stamp(message.header.stamp), received_ns, *values(message))

    return take


def _force_values(message: WrenchStamped) -> tuple[float, ...]:
    force = message.wrench.force
    return force.x, force.y, force.z


def _slip_values(message: Slip) -> tuple[float, ...]:
    return (
        float(message.valid),
        float(message.in_contact),
        float(message.slipping),
        message.probability,
        message.threshold,
    )


def _pose_values(message: PoseWithCovarianceStamped) -> tuple[float, ...]:
    pose = message.pose.pose
    return pose.position.x, pose.position.y, conversions.quaternion_to_yaw(pose.orientation)
