# SPDX-License-Identifier: Apache-2.0
"""What is known of a gel camera as a camera: the size of its image, and that nobody calibrated it.

A camera that looks at a gel from close by is no pinhole with a published calibration, so K, D, R
and P stay zero, which in sensor_msgs/CameraInfo says just that: consumers take K[0] == 0 for
"uncalibrated". Lengths on the gel follow from the profile's millimetres per pixel instead.
"""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH
from sparsh_ros.nodes.topics import conversions, qos
from sparsh_ros.sensors.rig import SensorEntry


class CameraInfoTopic:
    """Publishes `camera_info` beside `image_raw` while somebody subscribes."""

    def __init__(self, node: Node, prefix: str, entry: SensorEntry) -> None:
        """Make the topic, named below `prefix`, of this sensor."""
        self._frame_id = entry.optical_frame
        self._topic = node.create_publisher(CameraInfo, f"{prefix}camera_info", qos.ESTIMATE)

    def publish(self, stamp_ns: int) -> None:
        """Publish it for the image of this stamp."""
        if not self._topic.get_subscription_count():
            return
        header = conversions.header(stamp_ns, self._frame_id)
        self._topic.publish(CameraInfo(header=header, width=IMAGE_WIDTH, height=IMAGE_HEIGHT))
