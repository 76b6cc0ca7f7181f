# SPDX-License-Identifier: Apache-2.0
"""Which topics to record, as what type, and with which quality of service."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from sparsh_ros import names
from sparsh_ros.errors import ParameterError
from sparsh_ros.names import DIAGNOSTICS
from sparsh_ros.nodes.topics.estimates import TOPICS
from sparsh_ros.recordings.formats.definitions import known_types

_GROUND_TRUTH = tuple(f"{names.GROUND_TRUTH}/{estimate}" for estimate in ("force", "slip", "pose"))
_OF_SENSOR = (*(topic.name for topic in TOPICS), *_GROUND_TRUTH, "background")
_IMAGES = {
    "raw": ("image_raw", "camera_info"),
    "compressed": ("image_raw/compressed", "camera_info"),
    "none": (),
}
# For what comes while this process is held up.
_DEPTH = 300


class TopicFilter:
    """Which topics to record."""

    def __init__(
        self, namespace: str, topics: Sequence[str], everything: bool, images: str
    ) -> None:
        """See settings.RECORD; names that are not absolute are relative to `namespace`."""
        self._below = f"{namespace.rstrip('/')}/"
        self._named = {name if name[0] == "/" else self._below + name for name in topics}
        self._everything = everything
        self._endings = tuple(f"/{name}" for name in (*_OF_SENSOR, *_IMAGES[images]))

    def accepts(self, topic: str) -> bool:
        """Whether a topic, of which this is the full name, is wanted."""
        if self._everything or self._named:
            return self._everything or topic in self._named
        is_ours = topic.startswith(self._below) and topic.endswith(self._endings)
        return is_ours or topic == DIAGNOSTICS


def message_class(type_name: str) -> type:
    """The class of a type such as "sensor_msgs/msg/Image".

    Raises:
        ParameterError: messages of this type cannot be heard or written here.
    """
    package, _, name = type_name.split("/")
    try:
        message_type = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        raise ParameterError(
            f"wanted the Python package {package} with {name}, found none; source its workspace"
        ) from None
    if type_name not in known_types().fielddefs:
        raise ParameterError(
            f"wanted a standard message type or one of sparsh_ros, found {type_name}; "
            "record it with `ros2 bag record`"
        )
    return message_type


def best_qos(publishers: Sequence[TopicEndpointInfo]) -> QoSProfile:
    """The best quality of service that all of these publishers offer."""
    offered = [publisher.qos_profile for publisher in publishers]
    reliable = all(of_one.reliability == ReliabilityPolicy.RELIABLE for of_one in offered)
    latched = all(of_one.durability == DurabilityPolicy.TRANSIENT_LOCAL for of_one in offered)
    return QoSProfile(
        depth=_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
