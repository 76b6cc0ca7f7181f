# SPDX-License-Identifier: Apache-2.0
"""From an estimate to the messages that publish it.

Where an estimate is not valid the messages say so: `valid` is false, and numbers are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped

from sparsh_ros.msg import Classification, ForceWithCovariance, PoseChange, Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.perception.postprocess import Estimate


def slip_to_msg(estimate: Estimate, frame_id: str) -> Slip:
    """Whether and how the object slips, in this gel frame."""
    return Slip(
        header=conversions.header(estimate.stamp_ns, frame_id),
        valid=bool(estimate.valid and math.isfinite(estimate.slip_probability)),
        contact_known=estimate.in_contact is not None,
        in_contact=bool(estimate.in_contact),
        slipping=bool(estimate.slipping),
        probability=float(estimate.slip_probability),
        threshold=float(estimate.slip_threshold),
        slide_speed=float(estimate.slide_speed_m_s),
        slide_speed_variance=float(estimate.slide_speed_variance),
        slip_share=float(estimate.slip_share),
        slip_share_variance=float(estimate.slip_share_variance),
        friction_margin=float(estimate.friction_margin),
        friction_margin_variance=float(estimate.friction_margin_variance),
        delta_force=conversions.vector_to_msg(estimate.delta_force_n),
        delta_force_covariance=estimate.delta_force_covariance.ravel(),
        interval=conversions.interval_to_msg(estimate.interval_s),
    )


def force_to_msg(estimate: Estimate, frame_id: str) -> WrenchStamped:
    """The force as every ROS tool reads it; NaN where it is not known."""
    return conversions.force_to_msg(estimate.force_n, estimate.stamp_ns, frame_id)


def force_with_covariance_to_msg(estimate: Estimate, frame_id: str) -> ForceWithCovariance:
    """The force with its uncertainty."""
    return ForceWithCovariance(
        header=conversions.header(estimate.stamp_ns, frame_id),
        valid=bool(estimate.valid and np.isfinite(estimate.force_n).all()),
        contact_known=estimate.in_contact is not None,
        in_contact=bool(estimate.in_contact),
        force=conversions.vector_to_msg(estimate.force_n),
        covariance=estimate.force_covariance.ravel(),
    )


def pose_change_to_msg(estimate: Estimate, frame_id: str) -> PoseChange:
    """The motion over the interval, and which axes of it are known."""
    dx, dy, dtheta = (float(value) for value in estimate.pose_change)
    known = [bool(estimate.valid and math.isfinite(value)) for value in (dx, dy, dtheta)]
    return PoseChange(
        header=conversions.header(estimate.stamp_ns, frame_id),
        valid=any(known),
        dx_known=known[0],
        dy_known=known[1],
        dtheta_known=known[2],
        dx=dx,
        dy=dy,
        dtheta=dtheta,
        interval=conversions.interval_to_msg(estimate.interval_s),
        covariance=estimate.pose_change_covariance.ravel(),
    )


def pose_to_msg(estimate: Estimate, frame_id: str) -> PoseWithCovarianceStamped:
    """The motion since contact began."""
    return conversions.pose_to_msg(
        estimate.pose, estimate.pose_covariance, estimate.stamp_ns, frame_id
    )


def classification_to_msg(
    estimate: Estimate, frame_id: str, probabilities: np.ndarray, class_names: Sequence[str]
) -> Classification:
    """Which of these classes the touch belongs to; -1 and an empty name where that is unknown."""
    message = Classification(
        header=conversions.header(estimate.stamp_ns, frame_id),
        valid=bool(estimate.valid and np.isfinite(probabilities).all()),
        class_id=-1,
        probability=math.nan,
        class_names=class_names,
        probabilities=probabilities,
        interval=conversions.interval_to_msg(estimate.interval_s),
    )
    if message.valid:
        best = int(probabilities.argmax())
        message.class_id, message.class_name = best, class_names[best]
        message.probability = float(probabilities[best])
    return message
