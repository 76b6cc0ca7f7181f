# SPDX-License-Identifier: Apache-2.0
"""Force, slip and pose from DIGIT sensors: `ros2 launch sparsh_ros digit_perception.launch.py`."""

from launch import LaunchDescription

from sparsh_ros.nodes.graph.launch_files import describe
from sparsh_ros.nodes.settings import DIGIT


def generate_launch_description() -> LaunchDescription:
    """See `ros2 launch sparsh_ros digit_perception.launch.py --show-args`."""
    return describe(DIGIT)
