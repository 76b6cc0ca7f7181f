# SPDX-License-Identifier: Apache-2.0
"""Force, slip and pose from GelSights: `ros2 launch sparsh_ros gelsight_perception.launch.py`."""

from launch import LaunchDescription

from sparsh_ros.nodes.graph.launch_files import describe
from sparsh_ros.nodes.settings import GELSIGHT


def generate_launch_description() -> LaunchDescription:
    """See `ros2 launch sparsh_ros gelsight_perception.launch.py --show-args`."""
    return describe(GELSIGHT)
