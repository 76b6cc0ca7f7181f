# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions as all nodes of this package make them.

Their quality of service can be overridden by the parameters `qos_overrides.<topic>...` of ROS 2,
and what comes in, which anybody may have sent, never ends a node.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message

LOG_THROTTLE_S = 5.0
"""At most once in this time a complaint about the same thing is logged."""

_POLICIES = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
    QoSPolicyKind.DEADLINE,
    QoSPolicyKind.LIFESPAN,
    QoSPolicyKind.LIVELINESS_LEASE_DURATION,
)
_OVERRIDES = QoSOverridingOptions(_POLICIES)


def create_publisher(node: Node, message_type: type, topic: str, qos: QoSProfile) -> Publisher:
    """A publisher whose quality of service parameters may override."""
    # A copy, as the overrides are written into the profile.
    return node.create_publisher(message_type, topic, copy(qos), qos_overriding_options=_OVERRIDES)


def deserialize(data: bytes, message_type: type) -> Any | None:
    """The message that these bytes are; None where they are none."""
    try:
        return deserialize_message(data, message_type)
    except Exception:  # of the middleware, whose classes differ by version
        return None


class Input:
    """A subscription that survives whatever is sent to it, and counts what never came.

    Attributes:
        topic: full name of the topic.
        lost: messages that the middleware knows to be lost on the way.
        failed: messages that the callback could not bear.
    """

    def __init__(
        self,
        node: Node,
        message_type: type,
        topic: str,
        qos: QoSProfile,
        callback: Callable[[Any, dict[str, Any]], None],
    ) -> None:
        """Subscribe.

        Args:
            node: Owns the subscription.
            message_type: Class of the messages.
            topic: Its name.
            qos: Quality of service, which parameters may override.
            callback: Takes a message and what the middleware tells about it.
        """
        self.topic = node.resolve_topic_name(topic)
        self.lost = self.failed = 0
        self._node, self._callback = node, callback
        self._subscription = node.create_subscription(
            message_type,
            topic,
            self._on_message,
            copy(qos),
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_loss),
            qos_overriding_options=_OVERRIDES,
        )

    @property
    def publisher_count(self) -> int:
        """How many publish on the topic, as far as is known by now."""
        return self._subscription.get_publisher_count()

    def destroy(self) -> None:
        """Hear no more."""
        self._node.destroy_subscription(self._subscription)

    def _on_message(self, message: Any, info: dict[str, Any]) -> None:
        try:
            self._callback(message, info)
        except Exception as error:  # anybody may publish here, and anything
            self.failed += 1
            self._node.get_logger().error(
                f"{self.topic}: a message was dropped: {type(error).__name__}: {error}",
                throttle_duration_sec=LOG_THROTTLE_S,
            )

    def _on_loss(self, info: QoSMessageLostInfo) -> None:
        self.lost += info.total_count_change
