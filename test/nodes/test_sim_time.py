# SPDX-License-Identifier: Apache-2.0
"""A sensor node with `use_sim_time` stamps its frames by /clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock

from sparsh_ros.frames import Frame
from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.nodes.topics import qos

BEGIN_S = 5000


@pytest.fixture
def frames() -> Iterator[list[Frame]]:
    """What a sensor node in simulated time hands on, once somebody publishes the time."""
    words = ("use_sim_time:=true", "source:=simulated", "listeners:=0", "rate_hz:=30.0")
    rclpy.init(args=["--ros-args", *(part for word in words for part in ("-p", word))])
    handed_on: list[Frame] = []
    node = SensorNode(sink=handed_on.append)
    executor, done = SingleThreadedExecutor(), threading.Event()
    executor.add_node(node)

    def spin() -> None:
        while not done.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin)
    node.trigger_configure()
    node.trigger_activate()
    thread.start()
    yield handed_on
    done.set()
    thread.join()
    node.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


def test_frames_wait_for_the_clock_and_follow_it(outsider, frames) -> None:
    clock = outsider.node.create_publisher(Clock, "/clock", qos.LATEST)
    pause = threading.Event()
    pause.wait(0.5)
    assert frames == []
    for tick in range(1500):
        clock.publish(Clock(clock=Time(sec=BEGIN_S + tick // 50, nanosec=tick % 50 * 20_000_000)))
        pause.wait(0.02)
        if len(frames) > 20:
            break
    stamps = [frame.stamp_ns for frame in frames]
    assert len(stamps) > 20 and stamps == sorted(set(stamps))
    assert all(BEGIN_S - 5 <= stamp_ns * 1e-9 <= BEGIN_S + 60 for stamp_ns in stamps)
    outsider.destroy(clock)
