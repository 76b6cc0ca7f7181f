# SPDX-License-Identifier: Apache-2.0
"""Which topics are recorded, and how they are heard."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from sparsh_ros.errors import ParameterError
from sparsh_ros.msg import Slip
from sparsh_ros.nodes.record.topic_filter import TopicFilter, best_qos, message_class
from sparsh_ros.nodes.topics import qos


@pytest.mark.parametrize("topic", ["force", "left/slip", "left/ground_truth/pose", "background"])
def test_what_belongs_to_sensors_is_taken(topic: str) -> None:
    assert TopicFilter("/tactile", "", False, "raw").accepts(f"/tactile/{topic}")


@pytest.mark.parametrize(
    "topic", ["/other/force", "/tactile/overlay", "/tactile/features", "/rosout", "/tactileforce"]
)
def test_everything_else_is_not(topic: str) -> None:
    assert not TopicFilter("/tactile", "", False, "raw").accepts(topic)
    assert TopicFilter("/tactile", "", True, "raw").accepts(topic)


@pytest.mark.parametrize(
    ("images", "plain", "jpeg"),
    [("raw", True, False), ("compressed", False, True), ("none", False, False)],
)
def test_images_are_a_choice(images: str, plain: bool, jpeg: bool) -> None:
    topic_filter = TopicFilter("/", "", False, images)
    assert topic_filter.accepts("/image_raw") is plain
    assert topic_filter.accepts("/image_raw/compressed") is jpeg
    assert topic_filter.accepts("/diagnostics")


def test_names_are_taken_as_they_are_and_nothing_else() -> None:
    topic_filter = TopicFilter("/tactile", ("/joint_states", "left/force"), False, "raw")
    assert topic_filter.accepts("/joint_states") and topic_filter.accepts("/tactile/left/force")
    assert not topic_filter.accepts("/tactile/force") and not topic_filter.accepts("/diagnostics")


def test_types_are_found_by_name() -> None:
    assert message_class("sensor_msgs/msg/Image") is Image
    assert message_class("sparsh_ros/msg/Slip") is Slip


@pytest.mark.parametrize("name", ["no_such_msgs/msg/Thing", "sensor_msgs/msg/NoSuchThing"])
def test_types_that_are_not_there_are_refused_by_name(name: str) -> None:
    with pytest.raises(ParameterError, match=r"found none; source its workspace"):
        message_class(name)


def test_the_quality_is_what_all_publishers_offer() -> None:
    def heard(*offered: QoSProfile) -> QoSProfile:
        return best_qos([SimpleNamespace(qos_profile=profile) for profile in offered])

    assert heard(qos.ESTIMATE).reliability == ReliabilityPolicy.RELIABLE
    assert heard(qos.LATEST).reliability == ReliabilityPolicy.BEST_EFFORT
    assert heard(qos.LATEST, qos.ESTIMATE).reliability == ReliabilityPolicy.BEST_EFFORT
    assert heard(qos.LATCHED).durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert heard(qos.LATCHED, qos.ESTIMATE).durability == DurabilityPolicy.VOLATILE
