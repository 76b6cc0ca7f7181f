# SPDX-License-Identifier: Apache-2.0
"""What an estimate becomes in ROS: the topics of the estimates of one sensor.

`slip`, `force`, `pose_change`, `pose`, and `grasp` and `textile`, which tell a class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, Vector3, WrenchStamped
from rclpy.node import Node

from sparsh_ros.models.spec import GRASPS, TEXTILES
from sparsh_ros.msg import Classification, PoseChange, Slip
from sparsh_ros.nodes.topics import conversions, qos
from sparsh_ros.perception.pipeline import Estimate

_CLASSES = {"grasp": GRASPS, "textile": TEXTILES}


class EstimatePublisher:
    """Publishes the estimates of one sensor, only the topics of the heads that were asked for.

    Every message carries the stamp of the newest frame it comes from. Where an estimate is not
    valid the messages say so: `valid` is false, and numbers are NaN.
    """

    def __init__(self, node: Node, prefix: str, frame_id: str, heads: Sequence[str]) -> None:
        """Make the topics, named below `prefix`, of a sensor with this gel frame."""
        self._frame_id = frame_id
        publishers = {}
        if "slip" in heads:
            publishers[self._slip] = node.create_publisher(Slip, f"{prefix}slip", qos.ESTIMATE)
        if "force" in heads:
            publishers[self._force] = node.create_publisher(
                WrenchStamped, f"{prefix}force", qos.ESTIMATE
            )
        if "pose" in heads:
            publishers[self._pose_change] = node.create_publisher(
                PoseChange, f"{prefix}pose_change", qos.ESTIMATE
            )
            publishers[self._pose] = node.create_publisher(
                PoseWithCovarianceStamped, f"{prefix}pose", qos.ESTIMATE
            )
        for head, names in _CLASSES.items():
            if head in heads:
                publishers[partial(self._classification, head, names)] = node.create_publisher(
                    Classification, f"{prefix}{head}", qos.ESTIMATE
                )
        self._publishers_by_message = publishers

    def publish(self, estimate: Estimate) -> None:
        """Publish one estimate; slip goes first, because somebody may have to act on it."""
        for make, publisher in self._publishers_by_message.items():
            publisher.publish(make(estimate))

    def _slip(self, estimate: Estimate) -> Slip:
        return Slip(
            header=conversions.header(estimate.stamp_ns, self._frame_id),
            valid=bool(estimate.valid and np.isfinite(estimate.slip_probability)),
            in_contact=estimate.slipping if estimate.in_contact is None else estimate.in_contact,
            slipping=bool(estimate.slipping),
            probability=float(estimate.slip_probability),
            threshold=float(estimate.slip_threshold),
            delta_force=_vector(estimate.delta_force_n),
            interval=conversions.interval_to_msg(estimate.interval_s),
        )

    def _force(self, estimate: Estimate) -> WrenchStamped:
        return conversions.force_to_msg(estimate.force_n, estimate.stamp_ns, self._frame_id)

    def _pose_change(self, estimate: Estimate) -> PoseChange:
        dx, dy, dtheta = (float(value) for value in estimate.pose_change)
        return PoseChange(
            header=conversions.header(estimate.stamp_ns, self._frame_id),
            valid=bool(estimate.valid and np.isfinite(estimate.pose_change).all()),
            dx=dx,
            dy=dy,
            dtheta=dtheta,
            interval=conversions.interval_to_msg(estimate.interval_s),
            covariance=estimate.pose_change_covariance.ravel(),
        )

    def _pose(self, estimate: Estimate) -> PoseWithCovarianceStamped:
        return conversions.pose_to_msg(
            estimate.pose, estimate.pose_covariance, estimate.stamp_ns, self._frame_id
        )

    def _classification(
        self, head: str, names: Sequence[str], estimate: Estimate
    ) -> Classification:
        probabilities = getattr(estimate, head)
        message = Classification(
            header=conversions.header(estimate.stamp_ns, self._frame_id),
            valid=bool(estimate.valid and np.isfinite(probabilities).all()),
            class_id=-1,
            probability=math.nan,
            class_names=names,
            probabilities=probabilities,
            interval=conversions.interval_to_msg(estimate.interval_s),
        )
        if message.valid:
            best = int(probabilities.argmax())
            message.class_id, message.class_name = best, names[best]
            message.probability = float(probabilities[best])
        return message


def _vector(values: np.ndarray) -> Vector3:
    x, y, z = (float(value) for value in values)
    return Vector3(x=x, y=y, z=z)
