# SPDX-License-Identifier: Apache-2.0
"""Node parameters as a table: default, meaning and allowed values, each written once.

`ros2 param describe` then shows the meaning and the range of every parameter, and a bad value is
refused with a reason, at start as well as at run time; nothing is clamped silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from sparsh_ros.errors import ParameterError

Value = bool | int | float | str | list[str]


@dataclass(frozen=True)
class Setting:
    """One parameter.

    Attributes:
        default: also fixes the type.
        description: one sentence with units.
        bounds: lowest and highest value of a number.
        choices: allowed words of a string, or of each element of a list of strings.
        read_only: fixed once the node runs; False: can be changed with `ros2 param set`.
    """

    default: Value
    description: str
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = True

    def descriptor(self) -> ParameterDescriptor:
        """The same, as ROS describes it."""
        words = f" One of: {', '.join(self.choices)}." if self.choices else ""
        descriptor = ParameterDescriptor(
            description=self.description + words, read_only=self.read_only
        )
        if self.bounds and isinstance(self.default, int):
            low, high = (int(bound) for bound in self.bounds)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        elif self.bounds:
            low, high = self.bounds
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        return descriptor

    def objection(self, value: Value) -> str:
        """Why `value` is refused; empty when it is fine."""
        if self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            return f"wanted {self.bounds[0]} to {self.bounds[1]}, found {value}"
        words = value if isinstance(value, list) else [value]
        unknown = [word for word in words if self.choices and word not in self.choices]
        if unknown:
            return f"wanted one of {', '.join(self.choices)}, found {', '.join(unknown)}"
        return ""


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
        return list(value) if isinstance(self._table[name].default, list) else value

    def _declare(self, name: str, setting: Setting) -> None:
        where = f"node {self._node.get_name()}: parameter {name}"
        try:
            self._node.declare_parameter(name, setting.default, setting.descriptor())
        except ParameterException as error:
            reason = str(error).removesuffix(f": {name}")
            raise ParameterError(f"{where}: {reason}") from error
        objection = setting.objection(self[name])
        if objection:
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
