# SPDX-License-Identifier: Apache-2.0
"""Without NaN nothing unknown looks known."""

from __future__ import annotations

import math

import numpy as np

from sparsh_ros.msg import Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.nan_policy import HUGE, without_nan


def _numbers(pose) -> list[float]:
    position, rotation = pose.position, pose.orientation
    return [
        *(position.x, position.y, position.z),
        *(rotation.x, rotation.y, rotation.z, rotation.w),
    ]


def test_an_unknown_torque_is_none_and_a_known_force_stays() -> None:
    message = without_nan(conversions.force_to_msg(np.array([1.0, 2.0, 3.0]), 1, "gel"))
    force, torque = message.wrench.force, message.wrench.torque
    assert (force.x, force.y, force.z) == (1.0, 2.0, 3.0)
    assert (torque.x, torque.y, torque.z) == (0.0, 0.0, 0.0)


def test_an_unknown_force_is_no_message() -> None:
    assert without_nan(conversions.force_to_msg(np.array([1.0, math.nan, 3.0]), 1, "gel")) is None


def test_a_known_pose_stays_and_what_it_does_not_tell_is_uncertain() -> None:
    covariance = np.diag([1e-8, 2e-8, 3e-4])
    message = without_nan(
        conversions.pose_to_msg(np.array([1e-3, 2e-3, 0.5]), covariance, 1, "gel")
    )
    assert _numbers(message.pose.pose)[:3] == [1e-3, 2e-3, 0.0]
    found = message.pose.covariance.reshape(6, 6)
    np.testing.assert_array_equal(np.diag(found), [1e-8, 2e-8, HUGE, HUGE, HUGE, 3e-4])
    assert np.isfinite(found).all() and np.count_nonzero(found - np.diag(np.diag(found))) == 0


def test_an_unknown_rotation_is_none_and_uncertain() -> None:
    covariance = np.full((3, 3), np.nan)
    covariance[:2, :2] = np.diag([1e-8, 2e-8])
    message = without_nan(
        conversions.pose_to_msg(np.array([1e-3, 2e-3, np.nan]), covariance, 1, "gel")
    )
    assert _numbers(message.pose.pose) == [1e-3, 2e-3, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert message.pose.covariance[35] == HUGE and message.pose.covariance[0] == 1e-8


def test_an_unknown_pose_is_uncertain_throughout() -> None:
    unknown = conversions.pose_to_msg(np.full(3, np.nan), np.full((3, 3), np.nan), 1, "gel")
    message = without_nan(unknown)
    assert _numbers(message.pose.pose) == [0.0] * 6 + [1.0]
    np.testing.assert_array_equal(message.pose.covariance.reshape(6, 6), HUGE * np.eye(6))


def test_own_messages_say_by_themselves_what_is_known() -> None:
    slip = Slip(probability=math.nan)
    assert math.isnan(without_nan(slip).probability)
