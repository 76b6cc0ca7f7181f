# SPDX-License-Identifier: Apache-2.0
"""The graph as a launch description, for the files in launch/."""

from __future__ import annotations

from collections.abc import Sequence

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from sparsh_ros.nodes import graph
from sparsh_ros.nodes.settings import Setting


def describe(kinds: Sequence[str]) -> LaunchDescription:
    """The graph for one of these kinds of sensor, with all of `graph.arguments`."""
    arguments = graph.arguments(kinds)

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        texts = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        values = graph.parse(texts, kinds)
        nodes = [_node(process, values["log_level"]) for process in graph.processes(values)]
        return [GroupAction([PushRosNamespace(values["namespace"]), *nodes])]

    declared = [_declare(name, setting) for name, setting in arguments.items()]
    # The number of sensors is known only once the arguments are.
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def _declare(name: str, setting: Setting) -> DeclareLaunchArgument:
    # A list may hold several of the choices, so it is left to `Setting.parse` to check.
    choices = None if isinstance(setting.default, tuple) else setting.choices or None
    return DeclareLaunchArgument(
        name, default_value=setting.text, description=setting.description, choices=choices
    )


def _node(process: graph.Process, log_level: str) -> Node:
    return Node(
        package="sparsh_ros",
        executable=process.executable,
        name=process.name or None,
        namespace=process.namespace or None,
        parameters=[dict(process.parameters)],
        arguments=["--ros-args", "--log-level", log_level],
        output="screen",
        # A node ends by itself only when it cannot start: the graph is of no use without it.
        on_exit=Shutdown(),
    )
