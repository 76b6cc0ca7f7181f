# SPDX-License-Identifier: Apache-2.0
"""The images of one sensor as topics: plain, and compressed while somebody listens; camera_info.

A camera that looks at a gel from close by is no pinhole with a published calibration, so K, D, R
and P stay zero, which in sensor_msgs/CameraInfo means "uncalibrated" (K[0] == 0). Lengths on the
gel follow from the millimetres per pixel of the sensor's profile instead.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH, Frame
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.sensors.config import SensorConfig


class ImagePublisher:
    """Publishes `image_raw` and `image_raw/compressed`."""

    def __init__(self, node: Node, prefix: str, frame_id: str, quality: Callable[[], int]) -> None:
        """Make the topics, named below `prefix`.

        Args:
            node: that publishes.
            prefix: of the topics.
            frame_id: the optical frame of the camera.
            quality: gives that of the JPEG images, 1 to 100, now.
        """
        self._frame_id = frame_id
        self._quality = quality
        self._plain = create_publisher(node, Image, f"{prefix}image_raw", qos.IMAGE)
        self._compressed = create_publisher(
            node, CompressedImage, f"{prefix}image_raw/compressed", qos.IMAGE
        )

    @property
    def listeners(self) -> int:
        """How many listen to the plain images."""
        return self._plain.get_subscription_count()

    def publish(self, frame: Frame, for_nobody: bool) -> None:
        """Publish a frame; the plain image also while nobody is known to listen, if so wanted."""
        where = (frame.stamp_ns, self._frame_id)
        if for_nobody or self.listeners:
            self._plain.publish(conversions.image_to_msg(frame.image, *where))
        if self._compressed.get_subscription_count():
            message = conversions.image_to_jpeg_msg(frame.image, *where, self._quality())
            self._compressed.publish(message)


class CameraInfoPublisher:
    """Publishes `camera_info` beside `image_raw` while somebody subscribes."""

    def __init__(self, node: Node, prefix: str, config: SensorConfig) -> None:
        """Make the topic, named below `prefix`, of this sensor."""
        self._frame_id = config.optical_frame
        self._topic = create_publisher(node, CameraInfo, f"{prefix}camera_info", qos.RELIABLE)

    def publish(self, stamp_ns: int) -> None:
        """Publish it for the image of this stamp."""
        if not self._topic.get_subscription_count():
            return
        header = conversions.header(stamp_ns, self._frame_id)
        self._topic.publish(CameraInfo(header=header, width=IMAGE_WIDTH, height=IMAGE_HEIGHT))
