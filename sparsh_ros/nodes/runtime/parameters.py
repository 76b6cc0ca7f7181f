# SPDX-License-Identifier: Apache-2.0
"""Settings as ROS parameters.

`ros2 param describe` shows the meaning and the range of every parameter, and a bad value is
refused with a reason, at start as well as at run time; nothing is clamped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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

    def __init__(
        self,
        node: Node,
        table: Mapping[str, Setting],
        is_locked: Callable[[], bool] | None = None,
        on_change: Callable[[set[str]], None] = lambda _names: None,
    ) -> None:
        """Declare every parameter of `table` on `node`.

        Args:
            node: Declares them.
            table: Name -> setting.
            is_locked: Whether settings that are `read_only` are in use now, and may not change;
                None: they never may.
            on_change: Takes the names of those that have changed at run time.

        Raises:
            ParameterError: A value given at start is of the wrong type or not allowed.
        """
        self._node = node
        self._table: dict[str, Setting] = {}
        self._is_locked = is_locked
        self._on_change = on_change
        self.declare(table)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._note)

    def declare(self, table: Mapping[str, Setting]) -> None:
        """Declare those parameters of `table` that are not there yet.

        Raises:
            ParameterError: See `__init__`.
        """
        new = {name: setting for name, setting in table.items() if name not in self._table}
        self._table |= new
        for name, setting in new.items():
            self._declare(name, setting)

    def __getitem__(self, name: str) -> Value:
        # An empty list given on a command line has no type to rclpy, which then has no value.
        value = self._node.get_parameter_or(name).value
        if isinstance(self._table[name].default, tuple):
            return [word for word in value or () if word]
        return value

    def _declare(self, name: str, setting: Setting) -> None:
        where = f"node {self._node.get_name()}: parameter {name}"
        try:
            # rclpy takes an empty list for one of bytes.
            default = setting.default if setting.default != () else ("",)
            self._node.declare_parameter(name, default, self._descriptor(setting))
        except ParameterException as error:
            reason = str(error).removesuffix(f": {name}")
            raise ParameterError(f"{where}: {reason}") from error
        if objection := setting.objection(self[name]):
            raise ParameterError(f"{where}: {objection}")

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        for parameter in changed:
            setting = self._table.get(parameter.name)
            objection = self._objection(setting, parameter) if setting else ""
            if objection:
                return SetParametersResult(
                    successful=False, reason=f"parameter {parameter.name}: {objection}"
                )
        return SetParametersResult(successful=True)

    def _objection(self, setting: Setting, parameter: Parameter) -> str:
        if setting.read_only and self._is_locked is not None and self._is_locked():
            return (
                "changes only while the node is unconfigured; take it through deactivate and "
                "cleanup first"
            )
        return setting.objection(parameter.value)

    def _note(self, changed: list[Parameter]) -> None:
        if names := {parameter.name for parameter in changed} & set(self._table):
            self._on_change(names)

    def _descriptor(self, setting: Setting) -> ParameterDescriptor:
        is_fixed = setting.is_permanent or (setting.read_only and self._is_locked is None)
        return _descriptor(setting, is_fixed)


def _descriptor(setting: Setting, is_fixed: bool) -> ParameterDescriptor:
    choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
    descriptor = ParameterDescriptor(description=setting.description + choices, read_only=is_fixed)
    if setting.bounds and isinstance(setting.default, int):
        low, high = (int(bound) for bound in setting.bounds)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    elif setting.bounds:
        low, high = setting.bounds
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor
