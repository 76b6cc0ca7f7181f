# SPDX-License-Identifier: Apache-2.0
"""What a recording holds of the truth, played beside its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rclpy.node import Node

from sparsh_ros import names
from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.record.topic_filter import message_class
from sparsh_ros.nodes.runtime.endpoints import create_publisher, deserialize
from sparsh_ros.nodes.topics import qos
from sparsh_ros.recordings.bags import Bag, open_bag


class PlayedLabels:
    """Publishes `ground_truth/...` of a recording as its images come to their stamps."""

    def __init__(self, node: Node, path: str, prefixes: Mapping[str, str]) -> None:
        """Look into the recording and make the topics.

        Args:
            node: Owns the publishers.
            path: Of the recording.
            prefixes: What topics of a sensor begin with in the recording -> live, "/left" ->
                "/tactile/left".
        """
        self._bag = open_bag(path)
        self._publishers, self._types = {}, {}
        for topic in self._bag.topics:
            prefix, _, label = topic.name.partition(f"/{names.GROUND_TRUTH}/")
            if not label or prefix not in prefixes:
                continue
            try:
                message_type = message_class(topic.type)
            except ParameterError:
                continue  # nothing here could read it
            live = f"{prefixes[prefix]}/{names.GROUND_TRUTH}/{label}"
            self._types[topic.name] = message_type
            self._publishers[topic.name] = create_publisher(node, message_type, live, qos.ESTIMATE)
        self._messages = self._read(self._bag)
        self._next = next(self._messages, None)

    def publish_until(self, stamp_ns: int) -> None:
        """Publish what is true of the frames up to this stamp."""
        while self._next is not None and self._next[0] <= stamp_ns:
            _, topic, message = self._next
            self._publishers[topic].publish(message)
            self._next = next(self._messages, None)

    def close(self) -> None:
        """Close the recording."""
        self._bag.close()

    def _read(self, bag: Bag) -> Iterator[tuple[int, str, object]]:
        if not self._publishers:
            return
        for stored in bag.messages(self._publishers):
            # Of another version of this package, or damaged: an evaluation says so.
            message = deserialize(bytes(stored.data), self._types[stored.topic])
            if message is not None:
                yield conversions.msg_to_stamp(message.header.stamp), stored.topic, message
