# SPDX-License-Identifier: Apache-2.0
"""The graph as a launch description, for the files in launch/."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    LogInfo,
    OpaqueFunction,
    Shutdown,
    TimerAction,
)
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from sparsh_ros.arguments import Setting
from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph import graph, replay_graph
from sparsh_ros.nodes.graph.rviz import write_rviz_config
from sparsh_ros.nodes.runtime.signals import PARENT

_RVIZ = "use_rviz"
_HAND = {
    "names": ("left", "right"),
    "source": "simulated",
    "touch": "hand_demo",
    "fps": 30.0,
    "predicates": "auto",
    "in_process": True,
}
"""What the demonstration of predicates has in place of the usual values."""
_CLOSE = 0.7  # of difflib's ratio: "sorce" for "source" has 0.91


def describe(sensor_types: Sequence[str]) -> LaunchDescription:
    """The graph for one of these types of sensor, with all of `settings.graph_settings`."""

    arguments = settings.graph_settings(sensor_types) | {_RVIZ: settings.USE_RVIZ}
    return describe_graph(arguments, lambda texts: graph.parse(texts, sensor_types), _checked)


def describe_perception_only() -> LaunchDescription:
    """The graph for another's driver, with all of `settings.perception_only_settings`."""

    arguments = settings.perception_only_settings() | {_RVIZ: settings.USE_RVIZ}
    return describe_graph(arguments, graph.parse_perception_only, _checked)


def describe_replay() -> LaunchDescription:
    """The graph that plays a recording, with all of `settings.replay_settings`."""
    return describe_graph(settings.replay_settings(), replay_graph.parse, replay_graph.processes)


def _checked(values: graph.Arguments) -> list[graph.Process]:
    graph.check_files(values)
    return graph.processes(values)


def describe_predicates_demo() -> LaunchDescription:
    """A simulated hand at work, and a node that prints what its fingers find true."""
    return describe_graph(
        _hand_settings(), _parse_hand, lambda values: _with_printer(_checked(values))
    )


def hand_processes(texts: Mapping[str, str | None]) -> list[graph.Process]:
    """The processes of `describe_predicates_demo`, for what was typed for some arguments."""
    return _with_printer(graph.processes(_parse_hand(texts)))


def _with_printer(processes: Sequence[graph.Process]) -> list[graph.Process]:
    return [*processes, graph.Process(graph.PRINTER, graph.PRINTER)]


def _hand_settings() -> dict[str, Setting]:
    arguments = settings.graph_settings(settings.DIGIT)
    return arguments | {name: replace(arguments[name], default=own) for name, own in _HAND.items()}


def _parse_hand(texts: Mapping[str, str | None]) -> graph.Arguments:
    arguments = _hand_settings()
    return graph.parse({name: arguments[name].text for name in _HAND} | dict(texts), settings.DIGIT)


def describe_graph(
    arguments: Mapping[str, Setting],
    parse: Callable[[Mapping[str, str | None]], graph.Arguments],
    make: Callable[[graph.Arguments], list[graph.Process]],
) -> LaunchDescription:
    """Any graph.

    Args:
        arguments: that it has, `namespace` and `log_level` among them.
        parse: makes values of what was typed for some of them.
        make: checks these and gives the processes.
    """
    known: set[str] = set()

    def note_set(context: LaunchContext) -> None:
        """What is set before the arguments are declared was set by somebody."""
        known.update(name for name in arguments if name in context.launch_configurations)
        refuse_misspelt([text.partition(":=")[0] for text in context.argv], arguments)

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        texts = {name: LaunchConfiguration(name).perform(context) for name in known}
        viewers = _viewers(texts, parse)
        values = parse(texts)
        processes = make(values)
        monitor = graph.ProcessMonitor(processes, values.get("use_respawn", False))
        nodes = [part for process in processes for part in _node(process, monitor, values, {})]
        below = [PushRosNamespace(values["namespace"])] if values["namespace"] else []
        return [GroupAction([*below, *nodes]), *viewers]

    declared = [_declare(name, setting) for name, setting in arguments.items()]
    # The number of sensors is known only once the arguments are.
    return LaunchDescription(
        [OpaqueFunction(function=note_set), *declared, OpaqueFunction(function=start)]
    )


def _viewers(
    texts: dict[str, str], parse: Callable[[Mapping[str, str | None]], graph.Arguments]
) -> list[LaunchDescriptionEntity]:
    """RViz, if it is asked for; without frames and with NaN it would show nothing."""
    if not graph.parse_each(texts, {_RVIZ: settings.USE_RVIZ})[_RVIZ]:
        return []
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        raise ParameterError(
            f"argument {_RVIZ}: wanted the package rviz2, found none; "
            "`apt install ros-$ROS_DISTRO-rviz2`"
        ) from None
    texts.setdefault("publish_tf", "true")
    texts.setdefault("nan_policy", "ros")
    file = write_rviz_config(parse(texts))
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", file], output="screen")]


def refuse_misspelt(names: Sequence[str], known: Collection[str]) -> None:
    """Raise ParameterError for a name that is not known and looks like one that is.

    Others may be for the launch file that includes this one.
    """
    for name in names:
        meant = get_close_matches(name, known, 1, _CLOSE)
        if name not in known and meant:
            raise ParameterError(
                f"argument: wanted {meant[0]}, found {name}; --show-args lists all"
            )


def _declare(name: str, setting: Setting) -> DeclareLaunchArgument:
    # A list may hold several of the choices, so it is left to `Setting.parse` to check.
    choices = None if isinstance(setting.default, tuple) else setting.choices or None
    return DeclareLaunchArgument(
        name, default_value=setting.text, description=setting.description, choices=choices
    )


def _node(
    process: graph.Process,
    monitor: graph.ProcessMonitor,
    values: graph.Arguments,
    environment: Mapping[str, str],
) -> list[LaunchDescriptionEntity]:
    """A process, and before it what notes below which namespace it stands."""
    scope: dict[str, object] = {}

    def note_end(
        event: ProcessExited, context: LaunchContext
    ) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown:
            return None
        sentence = monitor.on_exit(process, event.returncode)
        delay_s = monitor.delay_s(process)
        if delay_s is not None:
            again = OpaqueFunction(function=start_again)
            return [LogInfo(msg=sentence), TimerAction(period=delay_s, actions=[again])]
        end = [] if monitor.is_viable else [Shutdown(reason=sentence)]
        return [LogInfo(msg=sentence), *end]

    def note_scope(context: LaunchContext) -> None:
        scope.update(context.launch_configurations)

    def start_again(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        # Below the same namespace, with the same remappings: what the launch files above say.
        restore = OpaqueFunction(function=lambda inner: inner.launch_configurations.update(scope))
        return [
            GroupAction([restore, *_node(process, monitor, values, monitor.on_restart(process))])
        ]

    files = [graph.absolute(values["params_file"])] if values.get("params_file") else []
    node = Node(
        package="sparsh_ros",
        executable=process.executable,
        name=process.name or None,
        namespace=process.namespace or None,
        parameters=[*files, process.ros_parameters],
        arguments=["--ros-args", "--log-level", values["log_level"]],
        # A node ends when the launch system does, however that ends.
        additional_env={PARENT: str(os.getpid()), **environment},
        output="screen",
        on_exit=note_end,
    )
    return [OpaqueFunction(function=note_scope), node]
