# SPDX-License-Identifier: Apache-2.0
"""Settings as ROS parameters.

`ros2 param describe` shows the meaning and the range of every parameter, and a bad value is
refused with a reason, at start as well as at run time; nothing is clamped silently.
"""

from __future__ import annotations

from collections.abc import Mapping

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from sparsh_ros.arguments import Setting, Value
from sparsh_ros.errors import ParameterError


class Parameters:
    """The declared parameters of one node; `parameters["name"]` is the value now."""

    def __init__(self, node: Node, table: Mapping[str, Setting]) -> None:
        """Declare every parameter of `table` on `node`.

        Raises:
            ParameterError: a value given at start is of the wrong type or not allowed.
        """
        self._node = node
        self._table = table
        for name, setting in table.items():
            self._declare(name, setting)
        node.add_on_set_parameters_callback(self._check)

    def __getitem__(self, name: str) -> Value:
        value = self._node.get_parameter(name).value
        if isinstance(self._table[name].default, tuple):
            return [word for word in value if word]
        return value

    def _declare(self, name: str, setting: Setting) -> None:
        where = f"node {self._node.get_name()}: parameter {name}"
        try:
            # rclpy takes an empty list for one of bytes.
            default = setting.default if setting.default != () else ("",)
            self._node.declare_parameter(name, default, _descriptor(setting))
        except ParameterException as error:
            reason = str(error).removesuffix(f": {name}")
            raise ParameterError(f"{where}: {reason}") from error
        if objection := setting.objection(self[name]):
            raise ParameterError(f"{where}: {objection}")

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        for parameter in changed:
            setting = self._table.get(parameter.name)
            objection = setting.objection(parameter.value) if setting else ""
            if objection:
                return SetParametersResult(
                    successful=False, reason=f"parameter {parameter.name}: {objection}"
                )
        return SetParametersResult(successful=True)


def _descriptor(setting: Setting) -> ParameterDescriptor:
    choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
    descriptor = ParameterDescriptor(
        description=setting.description + choices, read_only=setting.read_only
    )
    if setting.bounds and isinstance(setting.default, int):
        low, high = (int(bound) for bound in setting.bounds)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    elif setting.bounds:
        low, high = setting.bounds
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor
