# SPDX-License-Identifier: Apache-2.0
"""The topics of the estimates of one sensor: names, types and which head fills them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from rclpy.node import Node

from sparsh_ros.models.classes import CLASSES
from sparsh_ros.msg import Classification, ForceWithCovariance, PoseChange, Slip
from sparsh_ros.nodes.messages import estimates as messages
from sparsh_ros.nodes.messages.nan_policy import without_nan
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.perception.postprocess import Estimate


@dataclass(frozen=True)
class EstimateTopic:
    """One topic of estimates.

    Attributes:
        name: below the sensor's prefix.
        head: which head it needs.
        message_type: class of its messages, each with a header.
        to_msg: makes the message of an estimate and the name of the gel frame.
    """

    name: str
    head: str
    message_type: type
    to_msg: Callable[[Estimate, str], Any]


def _class_topic(head: str, class_names: Sequence[str]) -> EstimateTopic:
    def to_msg(estimate: Estimate, frame_id: str) -> Classification:
        probabilities = getattr(estimate, head)
        return messages.classification_to_msg(estimate, frame_id, probabilities, class_names)

    return EstimateTopic(head, head, Classification, to_msg)


TOPICS = (
    EstimateTopic("slip", "slip", Slip, messages.slip_to_msg),
    EstimateTopic("force", "force", WrenchStamped, messages.force_to_msg),
    EstimateTopic(
        "force_with_covariance",
        "force",
        ForceWithCovariance,
        messages.force_with_covariance_to_msg,
    ),
    EstimateTopic("pose_change", "pose", PoseChange, messages.pose_change_to_msg),
    EstimateTopic("pose", "pose", PoseWithCovarianceStamped, messages.pose_to_msg),
    *(_class_topic(head, class_names) for head, class_names in CLASSES.items()),
)
"""All topics of estimates. Slip goes first, because somebody may have to act on it."""


def topics_of(heads: Sequence[str]) -> list[str]:
    """Names of the topics that these heads fill."""
    return [topic.name for topic in TOPICS if topic.head in heads]


class EstimatePublisher:
    """Publishes the estimates of one sensor, only the topics of the heads that were asked for.

    Every message carries the stamp of the newest frame it comes from.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        frame_id: str,
        heads: Sequence[str],
        nan_policy: str = "nan",
    ) -> None:
        """Make the topics.

        Args:
            node: Owns the publishers.
            prefix: What their names begin with, such as "left/".
            frame_id: Name of the sensor's gel frame.
            heads: Which heads were asked for, of `models.head_choice.HEADS`.
            nan_policy: "nan", or "ros" for messages without NaN, see `messages.nan_policy`.
        """
        self._is_without_nan = nan_policy == "ros"
        self._publications = [
            (
                create_publisher(node, topic.message_type, f"{prefix}{topic.name}", qos.ESTIMATE),
                partial(topic.to_msg, frame_id=frame_id),
            )
            for topic in TOPICS
            if topic.head in heads
        ]

    def publish(self, estimate: Estimate) -> None:
        """Publish one estimate on all topics that somebody listens to."""
        for publisher, to_msg in self._publications:
            if not publisher.get_subscription_count():
                continue
            message = to_msg(estimate)
            if self._is_without_nan:
                message = without_nan(message)
            if message is not None:
                publisher.publish(message)
