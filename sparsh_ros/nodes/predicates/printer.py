# SPDX-License-Identifier: Apache-2.0
"""A node that prints the predicates of a hand, a line for each change."""

from __future__ import annotations

import sys

from rclpy.node import Node

from sparsh_ros.msg import Predicates
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.predicates.publisher import TOPIC
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.topics import qos


class PredicatePrinter(Node):
    """Listens to `predicates` in its namespace."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        super().__init__("predicate_printer")
        self._line = ""
        self._first_ns: int | None = None

    def start(self) -> None:
        """Begin to listen."""
        self.create_subscription(Predicates, TOPIC, self._on_predicates, qos.ESTIMATE)

    def close(self) -> None:
        """Nothing to release."""

    def _on_predicates(self, message: Predicates) -> None:
        line = describe(message)
        if line == self._line:
            return
        self._line = line
        stamp_ns = conversions.msg_to_stamp(message.header.stamp)
        self._first_ns = stamp_ns if self._first_ns is None else self._first_ns
        seconds = (stamp_ns - self._first_ns) * 1e-9
        sys.stdout.write(f"{seconds:8.2f} s  {line}\n")
        sys.stdout.flush()


def describe(message: Predicates) -> str:
    """What is true, or why nothing is known, in a line."""
    unknown = [one.reason for one in message.predicates if not one.valid]
    if unknown:
        return f"unknown: {unknown[0]}"
    return ", ".join(one.name for one in message.predicates if one.value) or "nothing"


def main(arguments: list[str] | None = None) -> int:
    """Print until SIGINT; the exit code."""
    return spin.run(lambda: [PredicatePrinter()], arguments)


if __name__ == "__main__":
    sys.exit(main())
