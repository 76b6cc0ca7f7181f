# SPDX-License-Identifier: Apache-2.0
"""Two simulated fingers grasp, lose, insert, screw and explore things; what is true is printed.

`ros2 launch sparsh_ros predicates_demo.launch.py`.
"""

from launch import LaunchDescription

from sparsh_ros.nodes.graph.launch_files import describe_predicates_demo


def generate_launch_description() -> LaunchDescription:
    """See `ros2 launch sparsh_ros predicates_demo.launch.py --show-args`."""
    return describe_predicates_demo()
