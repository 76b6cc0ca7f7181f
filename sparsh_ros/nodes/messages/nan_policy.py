# SPDX-License-Identifier: Apache-2.0
"""Messages for viewers that refuse NaN, such as RViz: setting `nan_policy` is `ros`.

What is unknown then looks as ROS has it: torque 0, no rotation, a covariance so large that nothing
follows from the number. A force that is unknown has no such way out, as 0 N would be read as "no
contact": no message is published then.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped

HUGE = 1e6
"""Variance, m^2 or rad^2, of what is not known."""


def without_nan(message: Any) -> Any | None:
    """The message in numbers that every viewer shows; None where that cannot be said without NaN.

    Only the standard types are changed; those of this package say by themselves what is known.
    """
    if isinstance(message, WrenchStamped):
        return _wrench_without_nan(message)
    if isinstance(message, PoseWithCovarianceStamped):
        return _pose_without_nan(message)
    return message


def _wrench_without_nan(message: WrenchStamped) -> WrenchStamped | None:
    force, torque = message.wrench.force, message.wrench.torque
    if any(map(math.isnan, (force.x, force.y, force.z))):
        return None
    for axis in ("x", "y", "z"):
        if math.isnan(getattr(torque, axis)):
            setattr(torque, axis, 0.0)
    return message


def _pose_without_nan(message: PoseWithCovarianceStamped) -> PoseWithCovarianceStamped:
    position, rotation = message.pose.pose.position, message.pose.pose.orientation
    covariance = np.array(message.pose.covariance).reshape(6, 6)
    for row, axis in enumerate(("x", "y", "z")):
        if math.isnan(getattr(position, axis)):
            setattr(position, axis, 0.0)
            covariance[row, row] = math.nan
    if any(map(math.isnan, (rotation.x, rotation.y, rotation.z, rotation.w))):
        rotation.x = rotation.y = rotation.z = 0.0
        rotation.w = 1.0
        covariance[5, 5] = math.nan
    diagonal = np.diag(np.isnan(covariance).diagonal())
    covariance[diagonal] = HUGE
    message.pose.covariance = np.nan_to_num(covariance, nan=0.0).ravel()
    return message
