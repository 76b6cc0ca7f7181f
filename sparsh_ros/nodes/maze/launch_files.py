# SPDX-License-Identifier: Apache-2.0
"""The bead maze as a launch description, for launch/bead_maze.launch.py."""

from __future__ import annotations

from launch import LaunchDescription

from sparsh_ros.nodes.graph.graph import Arguments, Process
from sparsh_ros.nodes.graph.launch_files import describe_graph
from sparsh_ros.nodes.maze import graph
from sparsh_ros.nodes.maze.settings import LAUNCH


def describe() -> LaunchDescription:
    """A hand in the bead maze, with all of `LAUNCH`."""
    return describe_graph(LAUNCH, graph.parse, _checked)


def _checked(values: Arguments) -> list[Process]:
    graph.check_files(values)
    return graph.processes(values)
