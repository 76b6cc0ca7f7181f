# SPDX-License-Identifier: Apache-2.0
"""What the controller sends, and what it must not, over real topics."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from fixtures.constant_policy import write_constant_policy
from fixtures.hand import driven
from fixtures.waiting import until

from sparsh_ros import kinematics

COMMANDS = {
    "beyond a limit": ([0, 0, 0, 0, 0, 0, 1.0], 1, (), "wanted at most 2."),
    "no number": ([np.nan, 0, 0, 0, 0, 0], 1, (), "actions that are not numbers"),
    "too late": ([2e-3, 0, 0, 0, 0, 0], 10**7, ("slow_s:=0.05", "patience_s:=0.2"), "took"),
}
"""What the policy wants, how slow it is, limits, and what is said."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_must_not_be_sent_is_not_sent(outsider, tmp_path, name):
    action, dawdles, limits, sentence = COMMANDS[name]
    write_constant_policy(tmp_path / "policy.onnx", action, dawdles=dawdles)
    limits = limits or ("slow_s:=0.9",)
    with driven(outsider, tmp_path / "policy.onnx", "stale_s:=0.9", *limits) as hand:
        until(lambda: hand.call("start").success)
        hand.wait_for_state("stopped", sentence)
        hand.outsider.wait_for(lambda: not hand.trajectories[-1].points, "an empty trajectory")
        places = [point.positions for one in hand.trajectories for point in one.points]
        assert places  # while the grip closed, the arm was told to stay
        assert np.allclose(places, kinematics.READY, atol=1e-9)


def test_a_servo_is_stopped_by_a_zero_twist(outsider, tmp_path):
    write_constant_policy(tmp_path / "policy.onnx", [2e-3, 0, 0, 0, 0, 0])
    limits = ("command:=twist", "stale_s:=0.9", "slow_s:=0.9")
    with driven(outsider, tmp_path / "policy.onnx", *limits) as hand:
        until(lambda: hand.call("start").success)

        def speeds() -> list[float]:
            return [one.twist.linear.x for one in hand.twists]

        hand.outsider.wait_for(lambda: max(speeds(), default=0.0) > 0.01, "a twist")
        assert hand.twists[-1].header.frame_id == "panda_hand_tcp"
        hand.silent = {"left"}
        hand.wait_for_state("stopped", "left fingertip: touch is")
        hand.outsider.wait_for(lambda: not any(speeds()[-2:]), "a zero twist")
        assert not hand.trajectories
