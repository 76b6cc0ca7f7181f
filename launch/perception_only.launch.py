# SPDX-License-Identifier: Apache-2.0
"""Force, slip and pose from the images of your own driver.

`ros2 launch sparsh_ros perception_only.launch.py image:=/camera/image_raw sensor:=gelsight_mini`.
"""

from launch import LaunchDescription

from sparsh_ros.nodes.graph.launch_files import describe_perception_only


def generate_launch_description() -> LaunchDescription:
    """See `ros2 launch sparsh_ros perception_only.launch.py --show-args`."""
    return describe_perception_only()
