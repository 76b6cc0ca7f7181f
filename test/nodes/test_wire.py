# SPDX-License-Identifier: Apache-2.0
"""What the middleware does with our messages: who gets them, and who learns that they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.parameter import Parameter
from rclpy.qos import (
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
    qos_profile_system_default,
)
from sensor_msgs.msg import Image

from sparsh_ros.msg import Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.resources import config_path

GIVE_UP_S = 60.0
GREETING = """
import sys, rclpy
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.msg import Slip
rclpy.init()
node = rclpy.create_node("talker")
publisher = create_publisher(node, Slip, "/talk/slip", qos.ESTIMATE)
while True:
    publisher.publish(Slip(valid=True))
    rclpy.spin_once(node, timeout_sec=0.05)
"""
LARGE = """
import sys, array, threading, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
rclpy.init()
node = rclpy.create_node(sys.argv[1])
heard = []
if sys.argv[1] == "sender":
    publisher = node.create_publisher(Image, "/large", profile)
    message = Image(data=array.array("B", bytes(921_600)))
    rclpy.spin_once(node, timeout_sec=1.0)
    while not publisher.get_subscription_count():
        rclpy.spin_once(node, timeout_sec=0.1)
    for number in range(60):
        message.width = number
        publisher.publish(message)
        rclpy.spin_once(node, timeout_sec=0.1)
else:
    node.create_subscription(Image, "/large", lambda message: heard.append(message.width), profile)
    while not heard or heard[-1] < 40:
        rclpy.spin_once(node, timeout_sec=1.0)
    print(len(heard))
"""


@pytest.mark.parametrize(
    "wanted", [10, qos_profile_sensor_data, qos_profile_system_default, qos.RELIABLE]
)
@pytest.mark.parametrize("offered", ["IMAGE", "LARGE", "ESTIMATE", "LATCHED", "RELIABLE"])
def test_whatever_we_offer_default_subscribers_get(outsider, offered: str, wanted) -> None:
    topic = f"/offered/{offered.lower()}"
    publisher = create_publisher(outsider.node, Image, topic, getattr(qos, offered))
    heard = outsider.listen(Image, topic, wanted)
    pause = threading.Event()
    for _ in range(500):
        publisher.publish(Image(width=7))
        pause.wait(0.02)
        if heard:
            break
    outsider.destroy(publisher)
    assert heard and heard[0].width == 7


def test_parameters_override_the_quality_of_service(outsider) -> None:
    name = "qos_overrides./override/{}.publisher.reliability"
    node = rclpy.create_node(
        "overridden",
        context=outsider.node.context,
        parameter_overrides=[Parameter(name.format("me"), value="best_effort")],
    )
    publishers = [
        create_publisher(node, Image, f"/override/{topic}", qos.IMAGE) for topic in ("me", "other")
    ]
    offered = [
        node.get_publishers_info_by_topic(publisher.topic_name)[0].qos_profile.reliability
        for publisher in publishers
    ]
    assert offered == [ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE]
    node.destroy_node()


@pytest.fixture
def talker() -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, "-c", GREETING])
    yield process
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_controller_learns_that_the_estimates_ended(outsider, talker, end) -> None:
    missed, lost = threading.Event(), threading.Event()
    heard = []
    events = SubscriptionEventCallbacks(
        deadline=lambda _: missed.set(),
        liveliness=lambda info: lost.set() if info.not_alive_count_change > 0 else None,
    )
    wanted = QoSProfile(
        depth=10, deadline=Duration(seconds=1), liveliness_lease_duration=Duration(seconds=2)
    )
    subscription = outsider.node.create_subscription(
        Slip, "/talk/slip", heard.append, wanted, event_callbacks=events
    )
    pause = threading.Event()
    for _ in range(int(GIVE_UP_S / 0.05)):
        pause.wait(0.05)
        if len(heard) > 3:
            break
    assert len(heard) > 3
    missed.clear()
    os.kill(talker.pid, end)
    assert missed.wait(GIVE_UP_S) and lost.wait(GIVE_UP_S)
    outsider.between_callbacks(lambda: outsider.node.destroy_subscription(subscription))


def test_force_fields_arrive_over_the_middleware_as_it_comes(outsider) -> None:
    publisher = create_publisher(outsider.node, Image, "/field", qos.LARGE)
    heard = outsider.listen(Image, "/field", 10)
    field = np.zeros((320, 240, 3), np.float32)
    pause = threading.Event()
    while not publisher.get_subscription_count():
        pause.wait(0.02)
    for number in range(60):
        publisher.publish(conversions.field_to_msg(field, number, "gel"))
        pause.wait(0.02)
    outsider.wait_for(lambda: len(heard) == 60, "all force fields")
    outsider.destroy(publisher)


def test_the_shipped_profile_carries_large_messages() -> None:
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # of Jazzy
    environment = os.environ | dict.fromkeys(names, str(config_path("fastdds.xml")))
    receiver, sender = (
        subprocess.Popen(
            [sys.executable, "-c", LARGE, role], env=environment, stdout=subprocess.PIPE, text=True
        )
        for role in ("receiver", "sender")
    )
    try:
        heard, _ = receiver.communicate(timeout=GIVE_UP_S)
    finally:
        for process in (receiver, sender):
            process.kill()
            process.wait()
    assert int(heard) > 30
