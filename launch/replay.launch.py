# SPDX-License-Identifier: Apache-2.0
"""A recording through the live graph: `ros2 launch sparsh_ros replay.launch.py bag:=PATH`."""

from launch import LaunchDescription

from sparsh_ros.nodes.graph.launch_files import describe_replay


def generate_launch_description() -> LaunchDescription:
    """See `ros2 launch sparsh_ros replay.launch.py --show-args`."""
    return describe_replay()
