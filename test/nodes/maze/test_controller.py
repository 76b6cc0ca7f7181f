# SPDX-License-Identifier: Apache-2.0
"""The controller in a process of its own, over real topics: it drives, and stops without touch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from fixtures.constant_policy import write_constant_policy
from fixtures.hand import driven
from fixtures.waiting import until

from sparsh_ros import kinematics


@pytest.fixture(scope="module")
def hand(outsider, tmp_path_factory):
    policy = tmp_path_factory.mktemp("policy") / "constant.onnx"
    write_constant_policy(policy, [2e-3, 0, 0, 0, 0, 0])
    # Machines under load are slow: what is tested is that trouble stops it, not how soon here.
    with driven(outsider, policy, "stale_s:=0.9", "slow_s:=0.9") as made:
        yield made


def test_started_it_sends_chunks_that_a_trajectory_controller_takes(hand):
    hand.wait_for_state("idle")
    assert not hand.trajectories
    until(lambda: hand.call("start").success)  # refused until joints and touch were heard
    hand.outsider.wait_for(
        lambda: hand.trajectories and len(hand.trajectories[-1].points) > 1, "a chunk"
    )
    chunk = hand.trajectories[-1]
    assert list(chunk.joint_names) == list(kinematics.JOINT_NAMES)
    times = [
        point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec for point in chunk.points
    ]
    assert np.diff(times) == pytest.approx(1 / 12, abs=1e-6)
    assert all(len(point.velocities) == 7 for point in chunk.points)
    assert list(chunk.points[-1].velocities) == [0.0] * 7


def test_paused_it_sends_empty_trajectories_and_goes_on(hand):
    assert hand.call("pause").success
    hand.wait_for_state("paused")
    hand.outsider.wait_for(lambda: not hand.trajectories[-1].points, "an empty trajectory")
    assert hand.call("start").success
    hand.wait_for_state("running")
    assert hand.call("stop").success
    hand.wait_for_state("stopped", "asked for")
    assert hand.call("reset").success


TROUBLES = {
    "touch stops": ({"silent": {"left"}}, "left fingertip: touch is"),
    "touch comes late": ({"old_s": 2.0}, "fingertip: touch is 2."),
    "touch is invalid": ({"is_invalid": True}, "fingertip: invalid: no estimates"),
    "images freeze": ({"is_frozen": True}, "fingertip: the image is frozen"),
    "joints jump": ({"jump_rad": 0.5}, "panda_joint7: jumped by 0.500 rad"),
    "joint states stop": ({"is_numb": True}, "joint states are"),
    "a joint angle is no number": ({"jump_rad": np.nan}, "a joint angle is not a number"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_stops_the_arm_until_it_is_reset(hand, name):
    causes, sentence = TROUBLES[name]
    normal = {key: getattr(hand, key) for key in causes}
    until(lambda: hand.call("start").success)
    hand.outsider.wait_for(lambda: hand.trajectories[-1].points, "a chunk")
    count = len(hand.trajectories)
    vars(hand).update(causes)
    hand.wait_for_state("stopped", sentence)
    hand.outsider.wait_for(lambda: not hand.trajectories[-1].points, "an empty trajectory")
    if name not in ("touch stops", "joint states stop"):  # which only time tells
        chunks = [one for one in hand.trajectories[count:] if one.points]
        assert len(chunks) <= 4  # two periods, and what was on its way
    vars(hand).update(normal)
    assert "reset first" in hand.call("start").message
    until(lambda: hand.call("reset").success)
    hand.wait_for_state("idle")
