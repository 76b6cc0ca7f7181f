# SPDX-License-Identifier: Apache-2.0
"""A hand moves a bead along a wire by touch: `ros2 launch sparsh_ros bead_maze.launch.py`.

Simulated, unless `sim:=false`.
"""

from launch import LaunchDescription

from sparsh_ros.nodes.maze.launch_files import describe


def generate_launch_description() -> LaunchDescription:
    """See `ros2 launch sparsh_ros bead_maze.launch.py --show-args`."""
    return describe()
