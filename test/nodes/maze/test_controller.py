# SPDX-License-Identifier: Apache-2.0
"""The controller in a process of its own, over real topics: it drives, and stops without touch."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("onnx")

from diagnostic_msgs.msg import DiagnosticStatus
from fixtures.constant_policy import write_constant_policy
from fixtures.waiting import until
from geometry_msgs.msg import PoseWithCovarianceStamped, Vector3
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from sparsh_ros import kinematics
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.msg import Features, ForceWithCovariance, Slip
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.topics import qos

_TOUCHING = {"contact_known": True, "in_contact": True, "friction_margin": 0.9}
SPEC = load_model_spec(STREAM_MODEL)


class Hand:
    """Two fingertips with a bead between them and an arm that stands still, as topics."""

    def __init__(self, outsider) -> None:
        self.outsider, self.silent = outsider, set()
        self.is_frozen = self.is_invalid = False
        self.jump_rad, self.old_s = 0.0, 0.0
        self._random = np.random.default_rng(0)
        make = outsider.node.create_publisher
        self.publishers = {
            (side, kind): make(kind, f"/{side}/{topic}", profile)
            for side in ("left", "right")
            for kind, topic, profile in (
                (Slip, "slip", qos.RELIABLE),
                (ForceWithCovariance, "force_with_covariance", qos.RELIABLE),
                (PoseWithCovarianceStamped, "pose", qos.RELIABLE),
                (Features, "features", qos.LARGE),
            )
        }
        self.joints = make(JointState, "/joint_states", qos.RELIABLE)
        self.trajectories = outsider.listen(JointTrajectory, "/joint_trajectory", 10)
        self.states = outsider.listen(DiagnosticStatus, "/controller_state", 10)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self.outsider.destroy(self.joints, *self.publishers.values())

    def call(self, service: str):
        return self.outsider.call(
            Trigger, f"/bead_maze_controller/{service}", Trigger.Request(), repeatable=True
        )

    def _publish(self) -> None:
        while not self._done.wait(0.03):
            now_ns = time.time_ns()
            place = kinematics.READY + self.jump_rad * np.eye(7)[6]
            joints = JointState(name=list(kinematics.JOINT_NAMES), position=place.tolist())
            joints.header = conversions.header(now_ns, "")
            self.joints.publish(joints)
            for side in ("left", "right"):
                if side not in self.silent:
                    self._feel(side, now_ns - round(1e9 * self.old_s))

    def _feel(self, side: str, now_ns: int) -> None:
        header = conversions.header(now_ns, f"{side}_gel_frame")
        random = np.random.default_rng(1) if self.is_frozen else self._random
        tokens = random.uniform(0.0, 0.01, (SPEC.tokens, SPEC.embed_dim)).astype("<f2")
        tokens[150:153, 0] = 0.2  # a print in the middle
        self.publishers[side, Slip].publish(
            Slip(header=header, valid=not self.is_invalid, slide_speed=0.0, **_TOUCHING)
        )
        self.publishers[side, ForceWithCovariance].publish(
            ForceWithCovariance(
                header=header, valid=True, contact_known=True, in_contact=True, force=Vector3(z=5.0)
            )
        )
        self.publishers[side, PoseWithCovarianceStamped].publish(
            PoseWithCovarianceStamped(header=header)
        )
        self.publishers[side, Features].publish(
            Features(
                header=header,
                valid=True,
                model=SPEC.name,
                shape=tokens.shape,
                interval=conversions.interval_to_msg(SPEC.interval_s),
                data=conversions.bytes_to_array(tokens),
            )
        )

    def wait_for_state(self, state: str, sentence: str = "") -> None:
        def reached() -> bool:
            if not self.states:
                return False
            values = {item.key: item.value for item in self.states[-1].values}
            return values["state"] == state and sentence in self.states[-1].message

        self.outsider.wait_for(reached, f"{state}: {sentence}")


@pytest.fixture(scope="module")
def hand(outsider, tmp_path_factory):
    policy = tmp_path_factory.mktemp("policy") / "constant.onnx"
    write_constant_policy(policy, [2e-3, 0, 0, 0, 0, 0])
    line = [sys.executable, "-m", "sparsh_ros.nodes.maze.controller", "--ros-args"]
    # Machines under load are slow: what is tested is that trouble stops it, not how soon here.
    for parameter in (f"policy:={policy}", "stale_s:=0.9", "slow_s:=0.9"):
        line += ["-p", parameter]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    made = Hand(outsider)
    yield made
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    made.close()
    assert process.returncode == 0 and "Traceback" not in said, said


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
    if name != "touch stops":  # which only time tells
        chunks = [one for one in hand.trajectories[count:] if one.points]
        assert len(chunks) <= 4  # two periods, and what was on its way
    vars(hand).update(normal)
    assert "reset first" in hand.call("start").message
    until(lambda: hand.call("reset").success)
    hand.wait_for_state("idle")
