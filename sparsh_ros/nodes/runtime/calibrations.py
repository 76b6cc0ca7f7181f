# SPDX-License-Identifier: Apache-2.0
"""Which calibration each sensor of a node is used with."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node

from sparsh_ros.errors import SparshError
from sparsh_ros.perception.calibration import AUTO, Calibration, find_calibration
from sparsh_ros.sensors.config import SensorConfig


def load_calibrations(
    node: Node, configs: Sequence[SensorConfig], choice: str, model: str
) -> dict[str, Calibration | None]:
    """Load the calibration of each sensor, and log which are in use.

    Args:
        node: Logs.
        configs: The sensors.
        choice: "auto", "none" or a file, see `settings.HEAD`.
        model: Name of the model in use.

    Returns:
        Name of the sensor -> its calibration; None where there is none.

    Raises:
        SparshError: A file was named that cannot be used. What is stored and cannot be used is a
            warning.
    """
    found: dict[str, Calibration | None] = {}
    for config in configs:
        serial = config.find_serial()
        found[config.name] = None
        try:
            found[config.name] = find_calibration(choice, config.profile.name, serial, model)
        except SparshError as error:
            if choice != AUTO:
                raise
            node.get_logger().warning(f"{config.name}: calibration ignored: {error}")
        if found[config.name] is not None:
            whose = found[config.name].serial or "no serial number"
            node.get_logger().info(f"{config.name}: calibration of {whose} in use")
    return found
