# SPDX-License-Identifier: Apache-2.0
"""The perception node: images of one or more sensors in, force, slip and pose out.

Images come in on the executor's thread and only fill slots; one worker thread encodes whatever is
new, all sensors in one batch, runs the heads and publishes. A slow model therefore skips frames,
which are counted, and never delays the newest one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from rclpy.node import Node

from sparsh_ros.background import read_background
from sparsh_ros.nodes import settings, spin
from sparsh_ros.nodes.channel import Channel
from sparsh_ros.nodes.diagnostics import Diagnostics
from sparsh_ros.nodes.entries import entries
from sparsh_ros.nodes.features import FeaturesPublisher
from sparsh_ros.nodes.graph import prefixes
from sparsh_ros.nodes.parameters import Parameters
from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.perception import Perception

_PATIENCE_S = 0.1
_QUIET_S = 5.0


class PerceptionNode(Node):
    """Encoder and heads for all sensors of a robot."""

    def __init__(self) -> None:
        """Load and warm up the model; images are taken from `start` on.

        Raises:
            SparshError: a parameter, the model, its weights or the background cannot be used.
        """
        super().__init__("perception")
        self._given = given = Parameters(self, settings.PERCEPTION)
        rig = entries(given)
        self._prefixes = prefixes([entry.name for entry in rig])
        self._entries = {entry.name: entry for entry in rig}
        self._perception = Perception(
            given["model"],
            given["heads"],
            given["device"],
            threads=given["threads"] or None,
            contact_threshold_n=given["contact_threshold_n"],
            slip_threshold=given["slip_threshold"] or None,
        )
        self._channels = {
            name: Channel(self, self._perception, entry, self._prefixes[name])
            for name, entry in self._entries.items()
        }
        for name, entry in self._entries.items():
            if entry.background is not None:
                background = read_background(entry.background, entry.profile)
                self._channels[name].use_background(background, self.get_clock().now().nanoseconds)
        self._features = None
        if given["publish_features"]:
            self._features = FeaturesPublisher(self, rig, self._perception.spec)
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work, name="encoder")
        self._diagnostics = Diagnostics(
            self, lambda: {name: channel.report() for name, channel in self._channels.items()}
        )

    def start(self) -> None:
        """Begin to infer, and to listen for images unless sensors are hosted here."""
        spec, engine = self._perception.spec, self._perception.engine
        self.get_logger().info(f"{spec.name} (licence {spec.licence}) on {engine.description}")
        if missing := self._perception.missing_heads:
            self.get_logger().warning(f"no weights for {', '.join(missing)}: not estimated")
        self._worker.start()
        for channel in self._channels.values():
            channel.serve()
            if not self._given["in_process"]:
                channel.listen()

    def hosted_sensors(self) -> list[SensorNode]:
        """Nodes of the sensors that live in this process: none unless `in_process` is set."""
        if not self._given["in_process"]:
            return []
        return [
            SensorNode(entry, self._prefixes[name], sink=self._channels[name].take)
            for name, entry in self._entries.items()
        ]

    def close(self) -> None:
        """Finish the frame at hand, publish the final counts, join the worker."""
        self._stop.set()
        if self._worker.is_alive():
            self._worker.join()
        self._diagnostics.publish()

    def _work(self) -> None:
        while not self._stop.is_set():
            self._perception.wait(_PATIENCE_S)
            try:
                self._infer()
            except Exception as error:  # an engine may raise anything, and must not end the node
                sentence = f"these frames are lost: {error}"
                self.get_logger().error(sentence, throttle_duration_sec=_QUIET_S)

    def _infer(self) -> None:
        encoded = self._perception.encode()
        for touch in self._perception.interpret(encoded):
            self._channels[touch.sensor].publish(touch)
        if self._features is not None:
            self._features.publish(encoded)


def create() -> Sequence[spin.LiveNode]:
    """The perception node and, with `in_process`, a node for each of its sensors."""
    perception = PerceptionNode()
    return [perception, *perception.hosted_sensors()]


def main(arguments: list[str] | None = None) -> int:
    """Run perception until SIGINT; the exit code."""
    return spin.run(create, arguments)


if __name__ == "__main__":
    sys.exit(main())
