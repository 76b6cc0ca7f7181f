# SPDX-License-Identifier: Apache-2.0
"""The graph as a launch description, for the files in launch/."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, LogInfo, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from sparsh_ros.arguments import Setting, Value
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph import graph, replay_graph


def describe(sensor_types: Sequence[str]) -> LaunchDescription:
    """The graph for one of these types of sensor, with all of `settings.graph_settings`."""
    return _describe(
        settings.graph_settings(sensor_types),
        lambda texts: graph.parse(texts, sensor_types),
        graph.processes,
    )


def describe_replay() -> LaunchDescription:
    """The graph that plays a recording, with all of `settings.replay_settings`."""
    return _describe(settings.replay_settings(), replay_graph.parse, replay_graph.processes)


def _describe(
    arguments: Mapping[str, Setting],
    parse: Callable[[Mapping[str, str]], Mapping[str, Value]],
    make: Callable[[Mapping[str, Value]], list[graph.Process]],
) -> LaunchDescription:
    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        texts = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        values = parse(texts)
        processes = make(values)
        monitor = graph.ProcessMonitor(processes)
        nodes = [_node(process, monitor, values["log_level"]) for process in processes]
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


def _node(process: graph.Process, monitor: graph.ProcessMonitor, log_level: str) -> Node:
    def note_end(
        event: ProcessExited, context: LaunchContext
    ) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown:
            return None
        sentence = monitor.on_exit(process, event.returncode)
        end = [] if monitor.is_viable else [Shutdown(reason=sentence)]
        return [LogInfo(msg=sentence), *end]

    return Node(
        package="sparsh_ros",
        executable=process.executable,
        name=process.name or None,
        namespace=process.namespace or None,
        parameters=[dict(process.parameters)],
        arguments=["--ros-args", "--log-level", log_level],
        output="screen",
        on_exit=note_end,
    )
