# SPDX-License-Identifier: Apache-2.0
"""The running graph in the viewer."""

from __future__ import annotations

from functools import partial

from rclpy.context import Context
from rclpy.node import Node

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.record.topic_filter import best_qos, message_class
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.clocks import steady_clock
from sparsh_ros.nodes.runtime.endpoints import Input
from sparsh_ros.reports.rerun_scene import Scene

_DISCOVERY_PERIOD_S = 0.5


class ViewNode(Node):
    """Listens to whatever the scene shows, as it appears."""

    def __init__(self, scene: Scene, context: Context | None = None) -> None:
        """Nothing is heard yet; `context` is that of rclpy, None for the usual one."""
        super().__init__("view", context=context)
        self._scene = scene
        self._inputs: dict[str, Input] = {}

    def start(self) -> None:
        """Begin to listen."""
        self._discover_topics()
        self.create_timer(_DISCOVERY_PERIOD_S, self._discover_topics, clock=steady_clock())

    def close(self) -> None:
        """Nothing is left to do."""

    def _discover_topics(self) -> None:
        for topic, (message_type, *_) in self.get_topic_names_and_types():
            if topic in self._inputs or not self._scene.accepts(topic, message_type):
                continue
            if publishers := self.get_publishers_info_by_topic(topic):
                try:
                    message_class_ = message_class(message_type)
                except ParameterError as error:
                    self.get_logger().warning(f"{topic}: not shown: {error}")
                    continue
                show = partial(self._show, topic, message_type)
                self._inputs[topic] = Input(self, message_class_, topic, best_qos(publishers), show)

    def _show(self, topic: str, message_type: str, message: object, _info: object) -> None:
        self._scene.log(topic, message_type, message)


def show_graph(scene: Scene) -> int:
    """Show the graph until Ctrl-C; the exit code."""
    return spin.run(lambda: [ViewNode(scene)], [])
