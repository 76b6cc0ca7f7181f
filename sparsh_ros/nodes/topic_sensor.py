# SPDX-License-Identifier: Apache-2.0
"""A sensor whose images another's driver publishes; they become frames as those of ours."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sparsh_ros.errors import FrameError, ParameterError, SensorError
from sparsh_ros.frames import Frame
from sparsh_ros.nodes.messages.conversions import msg_to_stamp
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime.endpoints import Input
from sparsh_ros.nodes.topics import qos
from sparsh_ros.recordings.images import compressed_image
from sparsh_ros.sensors import Sensor
from sparsh_ros.sensors.config import SensorConfig

_SILENT_S = 2.0
# A burst is worked off, and an image that is older than that is worth nothing.
_QUEUED = 5
_COMPRESSED = "/compressed"
_IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_log = logging.getLogger(__name__)


class TopicSensor(Sensor):
    """Subscribes to a topic of images; stamps are those of the messages, by the node's clock.

    A driver that sends none gets the time of arrival, with a warning. A topic that is silent for
    2 s counts as a camera that is not there.
    """

    def __init__(self, node: Node, config: SensorConfig, own_topic: str) -> None:
        """Subscribe; to be made and dropped on the thread of the node's executor.

        Args:
            node: Owns the subscription.
            config: Its driver is a TopicConfig.
            own_topic: Where this package publishes the canonical images of the sensor.

        Raises:
            ParameterError: The topic is `own_topic`.
        """
        topic = node.resolve_topic_name(config.driver.image)
        if topic == node.resolve_topic_name(own_topic):
            raise ParameterError(
                f"image: wanted the topic of another's driver, found {topic}, on which the upright "
                "images are published; give the driver, or this graph, another namespace"
            )
        super().__init__(topic, config.camera_profile, lambda: node.get_clock().now().nanoseconds)
        self.serial = config.driver.serial
        self._node = node
        self._messages: deque[tuple[Any, int]] = deque(maxlen=_QUEUED)
        self._arrived = threading.Condition()
        self._has_warned = False
        is_compressed = topic.endswith(_COMPRESSED)
        self._decode = compressed_image if is_compressed else decode_image
        message_type = CompressedImage if is_compressed else Image
        self._input = Input(node, message_type, topic, qos.IMAGE_INPUT, self._on_message)

    def _open(self) -> None:
        if self._input.publisher_count:
            return
        others = sorted(
            name
            for name, types in self._node.get_topic_names_and_types()
            if set(types) & set(_IMAGE_TYPES) and self._node.count_publishers(name)
        )
        raise SensorError(
            f"nobody publishes images there; topics with images: {', '.join(others) or 'none'}"
        )

    def _read(self, sequence: int) -> Frame | None:
        with self._arrived:
            self._arrived.wait_for(lambda: self._messages or self._stop.is_set(), _SILENT_S)
            if self._stop.is_set():
                return None
            if not self._messages:
                raise SensorError(f"no image for {_SILENT_S:g} s; is the driver running?")
            message, arrival_ns = self._messages.popleft()
        if (count := self._input.publisher_count) > 1:
            raise FrameError(f"wanted one publisher, found {count}: their images would be mixed")
        return Frame(self._stamp_ns(message, arrival_ns), self._canonical(message), sequence)

    def _close(self) -> None:
        with self._arrived:
            self._messages.clear()

    def _interrupt(self) -> None:
        with self._arrived:
            self._arrived.notify_all()

    def _on_message(self, message: Any, _info: Mapping[str, Any]) -> None:
        with self._arrived:
            self._messages.append((message, self._clock()))
            self._arrived.notify_all()

    def _canonical(self, message: Any) -> np.ndarray:
        return self.profile.to_canonical(self._decode(message), "rgb")

    def _stamp_ns(self, message: Any, arrival_ns: int) -> int:
        stamp_ns = msg_to_stamp(message.header.stamp)
        if stamp_ns:
            return stamp_ns
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                f"{self.name}: the images have no stamps; the time of their arrival is taken, "
                "which adds the delay of the transport to every latency"
            )
        return arrival_ns
