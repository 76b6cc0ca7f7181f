# SPDX-License-Identifier: Apache-2.0
"""The ROS graph as plain data: its arguments, and the processes that they call for.

Read by the launch files (through `launch_files`) and by `sparsh-ros run`. Imports neither rclpy
nor launch.

    sensor (one per gel camera) --image_raw--> perception --force, slip, pose_change, pose-->
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.settings import Setting, Value

_OF_SENSOR = (
    *("sensor", "source", "serial", "input", "stream", "intensity", "leds"),
    *("rate_hz", "loop", "touch", "seed", "listeners"),
)
_OF_PERCEPTION = (
    *("sensor", "model", "heads", "device", "threads", "contact_threshold_n", "slip_threshold"),
    *("background", "publish_features", "in_process"),
)


@dataclass(frozen=True)
class Process:
    """One process: `executable` is a module of this package with a `main`.

    Attributes:
        name: of its node; empty where it holds several nodes, which then name themselves.
        namespace: below the graph's own; empty for none.
        parameters: for all nodes of the process.
    """

    executable: str
    name: str
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)


def arguments(sensors: Sequence[str]) -> dict[str, Setting]:
    """The arguments of a graph for one of these kinds of sensor; the first is the default."""
    kind = replace(settings.SENSOR["sensor"], default=sensors[0], choices=tuple(sensors))
    return {
        **{name: settings.SENSOR[name] for name in _OF_SENSOR},
        **{name: settings.PERCEPTION[name] for name in _OF_PERCEPTION},
        **settings.GRAPH,
        "sensor": kind,
    }


def parse(texts: Mapping[str, str], sensors: Sequence[str]) -> dict[str, Value]:
    """Values of all arguments, from what was typed for each.

    Raises:
        ParameterError: a value is not allowed; the message names its argument.
    """
    values = {}
    for name, setting in arguments(sensors).items():
        try:
            values[name] = setting.parse(texts[name])
        except ParameterError as error:
            raise ParameterError(f"argument {name}: {error}") from None
    return values


def prefixes(names: Sequence[str]) -> dict[str, str]:
    """Name of each sensor to the prefix of its topics: none for a single sensor."""
    return {name: f"{name}/" if len(names) > 1 else "" for name in names}


def processes(values: Mapping[str, Value]) -> list[Process]:
    """The processes for these values of all arguments, sources first.

    Raises:
        ParameterError: there are serial numbers, but not one for each sensor.
    """
    names = values["names"] or [values["sensor"]]
    serials = _serials(values["serial"], len(names))
    sensor = {name: values[name] for name in _OF_SENSOR}
    perception = {name: values[name] for name in _OF_PERCEPTION} | {"names": names}
    if values["in_process"]:
        return [Process("perception", "", "", sensor | perception)]
    sensors = [
        Process(
            executable="sensor",
            name="sensor",
            namespace=prefix.rstrip("/"),
            parameters=sensor
            | {"name": name, "seed": values["seed"] + index, "serial": serials[index]},
        )
        for index, (name, prefix) in enumerate(prefixes(names).items())
    ]
    return [*sensors, Process("perception", "perception", "", perception)]


def _serials(text: str, count: int) -> list[str]:
    serials = [serial.strip() for serial in text.split(",")] if text else [""] * count
    if len(serials) != count:
        raise ParameterError(
            f"argument serial: wanted {count}, one for each sensor, found {len(serials)}: {text!r}"
        )
    return serials
