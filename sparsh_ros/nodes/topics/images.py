# SPDX-License-Identifier: Apache-2.0
"""The images of one sensor as topics: plain, and compressed while somebody listens."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sparsh_ros.frames import Frame
from sparsh_ros.nodes.topics import conversions, qos


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
        self._plain = node.create_publisher(Image, f"{prefix}image_raw", qos.LATEST)
        self._compressed = node.create_publisher(
            CompressedImage, f"{prefix}image_raw/compressed", qos.LATEST
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
