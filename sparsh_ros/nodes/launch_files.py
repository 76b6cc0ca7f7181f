# SPDX-License-Identifier: Apache-2.0
"""The graph as a launch description, for the files in launch/."""

from __future__ import annotations

from collections.abc import Sequence

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from sparsh_ros.nodes import graph


def describe(sensors: Sequence[str]) -> LaunchDescription:
    """The graph for one of these kinds of sensor, with every argument of `graph.arguments`."""
    arguments = graph.arguments(sensors)

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        settings = {
            argument.name: argument.parse(LaunchConfiguration(argument.name).perform(context))
            for argument in arguments
        }
        nodes = [_node(process, settings["log_level"]) for process in graph.processes(settings)]
        return [GroupAction([PushRosNamespace(settings["namespace"]), *nodes])]

    # The number of sensors is known only once the arguments are.
    return LaunchDescription([*map(_declare, arguments), OpaqueFunction(function=start)])


def _declare(argument: graph.Argument) -> DeclareLaunchArgument:
    # A list may hold several of the choices, so it is left to `Argument.parse` to check.
    choices = None if isinstance(argument.default, tuple) else argument.choices or None
    return DeclareLaunchArgument(
        argument.name,
        default_value=argument.text,
        description=argument.description,
        choices=choices,
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
