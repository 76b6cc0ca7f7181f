# SPDX-License-Identifier: Apache-2.0
"""A sensor of a recording, as the topics of a sensor node."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from sparsh_ros.frames import Frame
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.images import CameraInfoPublisher, ImagePublisher
from sparsh_ros.sensors.config import SensorConfig

_JPEG_QUALITY = 90


class PlayedSensor:
    """Publishes what a recording holds of one sensor.

    Attributes:
        topics: what the full names of its topics begin with, "/tactile/left".
        newest_ns: stamp of the frame published last, None before the first.
    """

    def __init__(self, node: Node, config: SensorConfig, prefix: str) -> None:
        """Make the topics, named below `prefix`."""
        self._optical_frame = config.optical_frame
        self._images = ImagePublisher(node, prefix, config.optical_frame, lambda: _JPEG_QUALITY)
        self._camera_info = CameraInfoPublisher(node, prefix, config)
        self._background = create_publisher(node, Image, f"{prefix}background", qos.LATCHED)
        self.topics = node.resolve_topic_name(f"{prefix}background").rpartition("/")[0]
        self.newest_ns: int | None = None

    @property
    def has_listeners(self) -> bool:
        """Whether somebody listens to the images."""
        return self._images.listeners > 0

    def publish(self, frame: Frame) -> None:
        """Publish a frame."""
        self.newest_ns = frame.stamp_ns
        self._images.publish(frame, for_nobody=True)
        self._camera_info.publish(frame.stamp_ns)

    def publish_background(self, stamp_ns: int, image: np.ndarray | None) -> None:
        """Publish a background, a canonical image; None: the one before no longer holds."""
        where = (stamp_ns, self._optical_frame)
        if image is None:
            self._background.publish(Image(header=conversions.header(*where)))
        else:
            self._background.publish(conversions.image_to_msg(image, *where))
