# SPDX-License-Identifier: Apache-2.0
"""Between this package's own types and ROS messages; nothing in here knows a node."""
