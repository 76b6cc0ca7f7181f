# SPDX-License-Identifier: Apache-2.0
"""The frames of one sensor on /tf_static, for robots whose URDF does not hold it."""

from __future__ import annotations

from importlib import import_module

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.publisher import Publisher

from sparsh_ros.errors import MissingDependencyError
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.sensors.config import SensorConfig

# From the gel's surface to the camera; about so in all of these sensors, and nowhere published.
_CAMERA_DISTANCE_M = 0.02


def publish_static_frames(node: Node, config: SensorConfig) -> Publisher:
    """Publish, once and for whoever comes later, where the optical frame is in the gel frame.

    The gel frame has x right and y up in the image and z towards the camera; the optical frame, as
    REP 103 has it, x right, y down and z away from the camera: half a turn about x.

    Raises:
        MissingDependencyError: The messages of tf2 are not installed.
    """
    try:
        message_type = import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        raise MissingDependencyError(
            "publish_tf: wanted the Python package tf2_msgs, found none; install "
            "ros-<distribution>-tf2-msgs, or set publish_tf to false"
        ) from None
    transform = TransformStamped(child_frame_id=config.optical_frame)
    transform.header.frame_id = config.gel_frame
    transform.header.stamp = node.get_clock().now().to_msg()
    transform.transform.translation.z = _CAMERA_DISTANCE_M
    rotation = transform.transform.rotation
    rotation.x, rotation.w = 1.0, 0.0
    publisher = create_publisher(node, message_type, "/tf_static", qos.LATCHED)
    publisher.publish(message_type(transforms=[transform]))
    return publisher
