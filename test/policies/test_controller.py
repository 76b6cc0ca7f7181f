# SPDX-License-Identifier: Apache-2.0
"""What the controller of the bead maze makes of policy and reflexes."""

import numpy as np
import pytest
from fixtures.constant_policy import write_constant_policy

from sparsh_ros import kinematics
from sparsh_ros.policies import reflexes
from sparsh_ros.policies.controller import MazeController
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reflexes import Action
from sparsh_ros.policies.touch import Touch

FELT = Touch(0, True, in_contact=True, centre_m=np.zeros(3)), Touch(0, True)


class Reflex:
    """One that always answers the same."""

    def __init__(self, action):
        self.action = action

    def update(self, *_):
        return self.action


def controller(tmp_path, twist, action):
    path = tmp_path / "constant.onnx"
    write_constant_policy(path, twist)
    made = MazeController(Policy(path), kinematics.READY)
    made.reflexes = Reflex(action)
    return made


def test_the_hand_gives_way_while_it_follows(tmp_path):
    action = Action(reflexes.FOLLOW, "", 5.0, yields_m_s=np.array([0.0, 0.0, 0.012]))
    one = controller(tmp_path, [1e-3, 0, 0, 0, 0, 0], action)
    decision = one.update(0.0, kinematics.READY, FELT)
    assert decision.twist[:3] == pytest.approx([1e-3, 0.0, 1e-3], abs=2e-5)
    later = [kinematics.forward(joints).position for joints in decision.joints[:3]]
    assert later[2] - later[1] == pytest.approx(later[1] - later[0], abs=1e-4)
    assert np.linalg.norm(later[1] - later[0]) == pytest.approx(1e-3, abs=5e-5)  # only now
    again = one.update(1 / 12, kinematics.READY, FELT)
    assert again.twist[:3] == pytest.approx([1e-3, 0.0, 1e-3], abs=2e-5)


def test_what_a_policy_wants_stays_within_the_arms_speed(tmp_path):
    one = controller(tmp_path, [0, 0, 0, 0.15, 0.15, 0.15], Action(reflexes.FOLLOW, "", 5.0))
    before, place = kinematics.READY, kinematics.forward(kinematics.READY).position
    for index in range(4):
        joints = one.update(index / 12, before, FELT).joints[0]
        assert kinematics.beyond_limits(joints, before, 1 / 12) == ""
        before = joints
    assert kinematics.forward(joints).position == pytest.approx(place, abs=1e-3)
