# SPDX-License-Identifier: Apache-2.0
"""Pictures and markers of one sensor's touch, made only while somebody subscribes."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from sparsh_ros.frames import Frame
from sparsh_ros.nodes.messages import conversions, views
from sparsh_ros.nodes.messages.contact_area import find_contact_area
from sparsh_ros.nodes.messages.contact_markers import contact_to_msg
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.config import SensorConfig


class PicturePublisher:
    """Publishes `image_diff`, `overlay` and `contact_markers`, and `force_field` if there is one.

    With a force field the overlay shows that, as often as there is one.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        config: SensorConfig,
        with_field: bool,
        nan_policy: str = "nan",
    ) -> None:
        """Make the topics, named below `prefix`, of this sensor; of `nan_policy` see settings."""
        self._config = config
        self._is_without_nan = nan_policy == "ros"
        self._field: Publisher | None = None
        if with_field:
            self._field = create_publisher(node, Image, f"{prefix}force_field", qos.LARGE)
        self._difference = create_publisher(node, Image, f"{prefix}image_diff", qos.IMAGE)
        self._overlay = create_publisher(node, Image, f"{prefix}overlay", qos.IMAGE)
        self._markers = create_publisher(
            node, MarkerArray, f"{prefix}contact_markers", qos.RELIABLE
        )

    @property
    def has_field(self) -> bool:
        """Whether there is a topic for force fields."""
        return self._field is not None

    @property
    def wants_field(self) -> bool:
        """Whether somebody looks at the force field or at its picture."""
        return self.has_field and (_is_watched(self._field) or _is_watched(self._overlay))

    def publish(
        self, estimate: Estimate, frame: Frame | None, background: np.ndarray | None
    ) -> None:
        """Publish what shows an estimate.

        Args:
            estimate: What is known.
            frame: The newest one, None before the first.
            background: Of the untouched gel, (320, 240, 3) uint8 RGB; None while there is none.
        """
        has_both = frame is not None and background is not None
        if has_both and _is_watched(self._difference):
            self._publish_image(self._difference, views.difference(frame.image, background), frame)
        shows_overlay = frame is not None and not self.has_field and _is_watched(self._overlay)
        shows_markers = _is_watched(self._markers)
        area = None
        if has_both and estimate.in_contact and (shows_overlay or shows_markers):
            area = find_contact_area(frame.image, background)
        if shows_overlay:
            self._publish_image(self._overlay, views.overlay(frame.image, estimate, area), frame)
        if shows_markers:
            profile = self._config.profile
            self._markers.publish(
                contact_to_msg(estimate, area, profile.metres_per_pixel, self._config.gel_frame)
            )

    def publish_field(self, field: ForceField) -> None:
        """Publish a force field, and a picture of it, while somebody looks."""
        if _is_watched(self._field):
            self._publish_values(field.values, field.frame.stamp_ns)
        if _is_watched(self._overlay):
            shown = views.field_overlay(field, self._config.profile.metres_per_pixel)
            self._publish_image(self._overlay, shown, field.frame)

    def publish_no_field(self, stamp_ns: int) -> None:
        """Publish a field of NaN, unless whoever looks refuses that."""
        if _is_watched(self._field) and not self._is_without_nan:
            unknown = np.full((*conversions.FIELD_SHAPE, 3), np.nan, np.float32)
            self._publish_values(unknown, stamp_ns)

    def _publish_values(self, values: np.ndarray, stamp_ns: int) -> None:
        self._field.publish(conversions.field_to_msg(values, stamp_ns, self._config.gel_frame))

    def _publish_image(self, publisher: Publisher, image: np.ndarray, frame: Frame) -> None:
        publisher.publish(
            conversions.image_to_msg(image, frame.stamp_ns, self._config.optical_frame)
        )


def _is_watched(publisher: Publisher) -> bool:
    return publisher.get_subscription_count() > 0
