# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side: nodes, the graph they form, and the demo. Only modules in here import rclpy.

Every node runs on one SingleThreadedExecutor on the main thread; capture and inference have their
own threads. A MultiThreadedExecutor was measured to lose frames at 60 Hz.
"""
