# SPDX-License-Identifier: Apache-2.0
"""What must stop the arm, and what must not."""

import numpy as np
import pytest

from sparsh_ros import kinematics
from sparsh_ros.policies.safety import Safety
from sparsh_ros.policies.touch import POOLED, Touch

NOW_S = 100.0


def touch(age_s=0.02, valid=True, value=1.0):
    pooled = np.full(POOLED, value, np.float32)
    reason = "" if valid else "no background"
    return Touch(round(1e9 * (NOW_S - age_s)), valid, reason, pooled=pooled)


def test_good_touch_passes():
    safety = Safety()
    assert safety.check_touch(NOW_S, (touch(value=1.0), touch(value=2.0))) == ""
    again = touch(0.01, value=1.1), touch(0.01, value=2.1)
    assert safety.check_touch(NOW_S, again) == ""
    assert safety.check_frozen(again) == ""


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (None, "left fingertip: no touch yet"),
        (touch(age_s=0.15), "left fingertip: touch is 0.15 s old"),
        (touch(valid=False), "left fingertip: invalid: no background"),
    ],
)
def test_touch_that_is_missing_stale_or_invalid_stops(left, sentence):
    assert Safety().check_touch(NOW_S, (left, touch())) == sentence


def test_a_frozen_image_stops():
    safety = Safety()
    assert safety.check_frozen((touch(0.09), touch(0.09, value=3.0))) == ""
    found = safety.check_frozen((touch(0.01), touch(0.01, value=4.0)))
    assert found == "left fingertip: the image is frozen"


def test_joints_that_move_as_an_arm_does_pass_and_a_jump_stops():
    safety, joints = Safety(), kinematics.READY
    assert safety.check_joints(NOW_S, NOW_S, joints) == ""
    assert safety.check_joints(NOW_S + 0.05, NOW_S + 0.05, joints + 0.05) == ""
    found = safety.check_joints(NOW_S + 0.1, NOW_S + 0.1, joints + 0.05 + 0.4 * np.eye(7)[3])
    assert "panda_joint4: jumped by 0.400 rad" in found


def test_joint_states_that_are_old_or_no_numbers_stop():
    assert "old" in Safety().check_joints(NOW_S, NOW_S - 0.2, kinematics.READY)
    assert "not a number" in Safety().check_joints(NOW_S, NOW_S, np.full(7, np.nan))


def test_slow_computing_stops():
    assert Safety().check_time(0.01) == ""
    assert "took 0.300 s" in Safety().check_time(0.3)
