# SPDX-License-Identifier: Apache-2.0
"""The simulated maze in a process of its own: what is sent to it moves the hand."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from rclpy.duration import Duration
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from sparsh_ros import kinematics
from sparsh_ros.nodes.topics import qos


@pytest.fixture(scope="module")
def process():
    line = [sys.executable, "-m", "sparsh_ros.nodes.maze.world", "--ros-args"]
    made = subprocess.Popen([*line, "-p", "rate_hz:=12.0"], stderr=subprocess.PIPE, text=True)
    yield made
    made.send_signal(signal.SIGINT)
    _, said = made.communicate(timeout=30)
    assert made.returncode == 0 and "Traceback" not in said, said


def test_a_trajectory_moves_the_hand_and_a_grip_shows_in_the_images(process, outsider):
    states = outsider.listen(JointState, "/joint_states", 10)
    images = outsider.listen(Image, "/left/image_raw")
    backgrounds = outsider.listen(Image, "/left/background", qos.LATCHED)
    trajectories = outsider.node.create_publisher(JointTrajectory, "/joint_trajectory", 10)
    grips = outsider.node.create_publisher(Float64, "/grip_command", 10)
    outsider.wait_for(lambda: states and images and backgrounds, "joint states and images")
    ready = [trajectories, grips]
    outsider.wait_for(lambda: all(one.get_subscription_count() for one in ready), "a listener")
    start = np.array(states[-1].position)
    goal = start + 0.05 * np.eye(7)[6]
    message = JointTrajectory(joint_names=list(kinematics.JOINT_NAMES))
    after = Duration(seconds=0.3).to_msg()
    message.points = [JointTrajectoryPoint(positions=goal.tolist(), time_from_start=after)]
    trajectories.publish(message)
    outsider.wait_for(lambda: abs(states[-1].position[6] - goal[6]) < 5e-3, "the joint at its goal")

    def is_touched() -> bool:
        untouched = np.array(backgrounds[-1].data, int).reshape(320, 240, 3)
        image = np.array(images[-1].data, int).reshape(320, 240, 3)
        return np.abs(image - untouched)[120:200, 80:160].mean() > 6.0

    grips.publish(Float64(data=6.0))
    outsider.wait_for(is_touched, "a print in the image")
    outsider.destroy(trajectories, grips)
