# SPDX-License-Identifier: Apache-2.0
"""What a fingertip feels, from the topics of a perception node with `publish_features`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node

from sparsh_ros.errors import FrameError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.msg import Features, ForceWithCovariance, Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import Input
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.features import msg_to_features
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.policies.touch import Touch, from_estimate

_TYPES = {
    "slip": (Slip, qos.RELIABLE),
    "force_with_covariance": (ForceWithCovariance, qos.RELIABLE),
    "pose": (PoseWithCovarianceStamped, qos.RELIABLE),
    "features": (Features, qos.LARGE),
}
_KEPT = 8


class FingertipInput:
    """Puts the messages of one image together, by their stamps, and hands on what they say."""

    def __init__(
        self,
        node: Node,
        side: str,
        prefix: str,
        spec: ModelSpec,
        take: Callable[[str, Touch], None],
    ) -> None:
        """Listen.

        Args:
            node: Listens.
            side: "left" or "right".
            prefix: Of the fingertip's topics, such as "left/".
            spec: The model whose features come.
            take: Takes the side and what is felt there.
        """
        self._side, self._spec, self._take = side, spec, take
        self._parts: dict[int, dict[str, object]] = {}
        self._inputs = [
            Input(node, message_type, f"{prefix}{name}", profile, partial(self._add, name))
            for name, (message_type, profile) in _TYPES.items()
        ]

    def _add(self, name: str, message: object, *_: object) -> None:
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        parts = self._parts.setdefault(stamp_ns, {})
        parts[name] = message
        if len(parts) == len(_TYPES):
            self._take(self._side, self._touch(stamp_ns, **self._parts.pop(stamp_ns)))
        while len(self._parts) > _KEPT:
            self._parts.pop(min(self._parts))

    def _touch(
        self,
        stamp_ns: int,
        slip: Slip,
        force_with_covariance: ForceWithCovariance,
        pose: PoseWithCovarianceStamped,
        features: Features,
    ) -> Touch:
        try:
            tokens = msg_to_features(self._side, self._spec, features).tokens
        except FrameError as error:
            return Touch(stamp_ns, False, str(error))
        if tokens is None or not (slip.valid and force_with_covariance.valid):
            return Touch(stamp_ns, False, features.reason or "no estimates of this image")
        estimate = _estimate(self._side, stamp_ns, slip, force_with_covariance, pose)
        return from_estimate(self._side, estimate, tokens[0])


def _estimate(
    side: str,
    stamp_ns: int,
    slip: Slip,
    force: ForceWithCovariance,
    pose: PoseWithCovarianceStamped,
) -> Estimate:
    vector, moved = force.force, pose.pose.pose
    return Estimate(
        side,
        stamp_ns,
        valid=True,
        pose=np.array(
            [
                moved.position.x,
                moved.position.y,
                conversions.quaternion_to_yaw(moved.orientation),
            ]
        ),
        force_n=np.array([vector.x, vector.y, vector.z]),
        force_covariance=np.reshape(force.covariance, (3, 3)),
        in_contact=force.in_contact if force.contact_known else None,
        slide_speed_m_s=slip.slide_speed,
        slide_speed_variance=slip.slide_speed_variance,
        slip_share=slip.slip_share,
        friction_margin=slip.friction_margin,
        friction_margin_variance=slip.friction_margin_variance,
    )
