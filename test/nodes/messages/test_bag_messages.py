# SPDX-License-Identifier: Apache-2.0
"""Messages written to bags without ROS are those of ROS."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from sparsh_ros.msg import PoseChange, Slip
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import open_bag
from sparsh_ros.recordings.labels import read_events
from sparsh_ros.recordings.topics import find_sensors

STAMP_NS = 3_000_000_007
PICTURE = np.random.default_rng(0).integers(0, 255, (320, 240, 3), np.uint8)


def test_what_a_bag_holds_ros_reads(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/image", STAMP_NS, PICTURE, "camera")
        bag.image("/jpeg", STAMP_NS, PICTURE, "camera", jpeg_quality=90)
        bag.wrench("/force", STAMP_NS, np.array([1, 2, 3]), "gel")
        bag.slip("/slip", STAMP_NS, True, False, "gel", 0.5, 0.25, 0.75, 0.125)
        bag.pose("/pose", STAMP_NS, np.array([0.1, 0.2, 0.3]), "gel")
        bag.pose_change("/change", STAMP_NS, 1.25, np.array([0.1, 0.2, 0.3]), "gel")
    types = {
        "/image": Image,
        "/jpeg": CompressedImage,
        "/force": WrenchStamped,
        "/slip": Slip,
        "/pose": PoseWithCovarianceStamped,
        "/change": PoseChange,
    }
    with open_bag(tmp_path / "bag") as bag:
        read = {m.topic: deserialize_message(m.data, types[m.topic]) for m in bag.messages(types)}
    assert {conversions.msg_to_stamp(message.header.stamp) for message in read.values()} == {
        STAMP_NS
    }
    assert np.array_equal(decode_image(read["/image"]), PICTURE)
    made = conversions.image_to_jpeg_msg(PICTURE, STAMP_NS, "camera", 90)
    assert read["/jpeg"] == made
    force = read["/force"].wrench
    assert (force.force.x, force.force.y, force.force.z) == (1, 2, 3)
    assert math.isnan(force.torque.x) and read["/force"].header.frame_id == "gel"
    slip = read["/slip"]
    assert (slip.valid, slip.slipping, slip.contact_known, slip.in_contact) == (
        *(True, True, True),
        False,
    )
    numbers = (slip.probability, slip.slide_speed, slip.slip_share, slip.friction_margin)
    assert numbers == (0.5, 0.25, 0.75, 0.125) and math.isnan(slip.slide_speed_variance)
    pose = read["/pose"].pose.pose
    assert (pose.position.x, pose.position.y, pose.position.z) == (0.1, 0.2, 0.0)
    assert abs(conversions.quaternion_to_yaw(pose.orientation) - 0.3) < 1e-12
    change = read["/change"]
    assert (change.valid, change.dx, change.dy, change.dtheta) == (True, 0.1, 0.2, 0.3)
    assert change.dx_known and change.dy_known and change.dtheta_known
    assert conversions.msg_to_interval(change.interval) == 1.25


def test_what_ros_says_a_bag_reads(tmp_path: Path) -> None:
    messages = {
        "/t/image_raw": conversions.image_to_msg(PICTURE, STAMP_NS, "camera"),
        "/t/ground_truth/force": conversions.force_to_msg(np.array([1, 2, 3]), STAMP_NS, "gel"),
        "/t/ground_truth/slip": Slip(
            header=conversions.header(STAMP_NS, "gel"),
            **dict.fromkeys(("valid", "contact_known", "slipping", "in_contact"), True),
        ),
        "/t/ground_truth/pose": conversions.pose_to_msg(
            np.array([0.1, 0.2, -0.3]), np.zeros((3, 3)), STAMP_NS, "gel"
        ),
    }
    with BagWriter(tmp_path / "bag") as bag:
        for topic, message in messages.items():
            package = type(message).__module__.partition(".")[0]
            type_name = f"{package}/msg/{type(message).__name__}"
            bag.raw(topic, type_name, STAMP_NS, serialize_message(message))
    with open_bag(tmp_path / "bag") as bag:
        events = {event.type: event for event in read_events(bag, find_sensors(bag.topics))}
        assert bag.warnings == []
    assert np.array_equal(events["frame"].value, PICTURE)
    assert events["frame"].stamp_ns == events["slip"].stamp_ns == STAMP_NS
    assert events["force"].value.tolist() == [1, 2, 3]
    assert events["slip"].value[:2] == (True, True)
    np.testing.assert_allclose(events["pose"].value, [0.1, 0.2, -0.3, 1])
