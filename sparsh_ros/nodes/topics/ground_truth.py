# SPDX-License-Identifier: Apache-2.0
"""What really happens in a simulated sensor, as topics beside the estimates."""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from rclpy.node import Node

from sparsh_ros import names
from sparsh_ros.msg import Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.simulation.simulation import MotionSinceContact, TouchSample

_EXACT = np.zeros((3, 3))


class GroundTruthPublisher:
    """Publishes `ground_truth/force`, `ground_truth/slip` and `ground_truth/pose`.

    In `ground_truth/slip`, `slipping` says that the contact slides over the gel (from 1.0 mm/s on
    until below 0.5); `slip_share`, the share of its area that slides, rises before. `probability`
    is 1 or 0. `ground_truth/pose` is, like `pose`, the motion since contact began.
    """

    def __init__(self, node: Node, prefix: str, frame_id: str) -> None:
        """Make the topics, named below `prefix`, of a sensor with this gel frame."""
        self._frame_id = frame_id
        self._force = create_publisher(
            node, WrenchStamped, f"{prefix}{names.GROUND_TRUTH}/force", qos.ESTIMATE
        )
        self._slip = create_publisher(
            node, Slip, f"{prefix}{names.GROUND_TRUTH}/slip", qos.ESTIMATE
        )
        self._pose = create_publisher(
            node, PoseWithCovarianceStamped, f"{prefix}{names.GROUND_TRUTH}/pose", qos.ESTIMATE
        )
        self._motion = MotionSinceContact()

    def publish(self, stamp_ns: int, truth: TouchSample) -> None:
        """Publish what is true of the frame with this stamp."""
        where = (stamp_ns, self._frame_id)
        self._force.publish(conversions.force_to_msg(truth.force_n, *where))
        self._slip.publish(self._slip_message(stamp_ns, truth))
        moved = self._motion.update(truth)
        self._pose.publish(conversions.pose_to_msg(moved, _EXACT, *where))

    def _slip_message(self, stamp_ns: int, truth: TouchSample) -> Slip:
        return Slip(
            header=conversions.header(stamp_ns, self._frame_id),
            valid=True,
            contact_known=True,
            in_contact=truth.in_contact,
            slipping=truth.slipping,
            probability=float(truth.slipping),
            threshold=math.nan,
            slide_speed=truth.slide_speed_m_s,
            slip_share=truth.slip_share,
            friction_margin=truth.friction_margin,
            delta_force=conversions.vector_to_msg(np.full(3, math.nan)),
            delta_force_covariance=np.full(9, math.nan),
        )
