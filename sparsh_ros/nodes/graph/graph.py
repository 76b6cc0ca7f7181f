# SPDX-License-Identifier: Apache-2.0
"""The ROS graph as plain data: its arguments, and the processes that they call for.

Read by the launch files (through `launch_files`) and by `sparsh-ros run`. Imports neither rclpy
nor launch.

    sensor (one per gel camera) --image_raw--> perception --force, slip, pose_change, pose-->
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.entries import entries, refuse_beside_file
from sparsh_ros.nodes.graph.recorded import need_library_for_bags
from sparsh_ros.nodes.settings import Setting, Value
from sparsh_ros.sensors.rig import rig_path

RECORDER = "record"
"""The executable that a graph can do without."""

_MODULES = {"record": "record.recorder", "player": "replay.player"}  # others: as the executable
_OF_SENSOR = ("listeners", "publish_tf")
_OF_PERCEPTION = (
    *("model", "weights_dir", "heads", "device", "threads"),
    *("contact_threshold_n", "slip_threshold"),
    *("publish_features", "in_process", "nan_policy"),
)
_NO_RIG = {name: setting.value for name, setting in settings.RIG.items()}


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        executable: name of the installed program; `module` has its `main`.
        name: of its node; empty where it holds several nodes, which then name themselves.
        namespace: below the graph's own; empty for none.
        parameters: for all nodes of the process.
    """

    executable: str
    name: str
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Dotted name of the module with the program's `main`."""
        return f"sparsh_ros.nodes.{_MODULES.get(self.executable, self.executable)}"


class Survivors:
    """The processes that still run. A robot can go on with one sensor less, not without any."""

    def __init__(self, started: Sequence[Process]) -> None:
        """All of these run."""
        self._running = list(started)
        self._wanted = {process.executable for process in started} - {RECORDER}

    def lose(self, process: Process, exit_code: int) -> str:
        """Note that a process has ended; what follows from that, in one sentence for the log."""
        self._running.remove(process)
        who = " ".join(filter(None, (process.executable, process.namespace)))
        sensors = ", ".join(other.namespace for other in self._running if other.namespace)
        others = f"the others go on: {sensors}" if sensors else "the others go on"
        what = others if self.suffice else "stopping the graph"
        return f"{who} has ended (exit code {exit_code}): {what}"

    @property
    def suffice(self) -> bool:
        """Whether perception still runs and, unless it hosts them, a sensor."""
        return self._wanted <= {process.executable for process in self._running}


def arguments(kinds: Sequence[str]) -> dict[str, Setting]:
    """The arguments of a graph for one of these kinds of sensor; the first is the default."""
    return {
        **settings.RIG,
        "sensor": replace(settings.RIG["sensor"], default=kinds[0], choices=tuple(kinds)),
        **{name: settings.SENSOR[name] for name in _OF_SENSOR},
        **{name: settings.PERCEPTION[name] for name in _OF_PERCEPTION},
        "autostart": settings.AUTOSTART,
        "record": settings.RECORDING,
        **settings.GRAPH,
    }


def parse(texts: Mapping[str, str], kinds: Sequence[str]) -> dict[str, Value]:
    """Values of all arguments, from what was typed for each.

    Raises:
        ParameterError: a value is not allowed, or values do not go together; the message names
            the arguments.
    """
    table = arguments(kinds)
    values = parse_each(texts, table)
    if values["sensors"]:
        refuse_beside_file(values, table)
    return values


def parse_each(texts: Mapping[str, str], table: Mapping[str, Setting]) -> dict[str, Value]:
    """Values of the arguments in `table`, from what was typed for each.

    Raises:
        ParameterError: a value is not allowed; the message names the argument.
    """
    values = {}
    for name, setting in table.items():
        try:
            values[name] = setting.parse(texts[name])
        except ParameterError as error:
            raise ParameterError(f"argument {name}: {error}") from None
    return values


def absolute(path: Value) -> str:
    """A path that means the same in a process with another working folder."""
    return str(Path(str(path)).expanduser().absolute())


def prefixes(names: Sequence[str]) -> dict[str, str]:
    """Name of each sensor to the prefix of its topics: none for a single sensor."""
    return {name: f"{name}/" if len(names) > 1 else "" for name in names}


def processes(values: Mapping[str, Value]) -> list[Process]:
    """The processes for these values of all arguments, sources first, a recorder last.

    Raises:
        ParameterError: what describes the sensors cannot be used.
        MissingDependencyError: they are to be recorded, and the library for bags is missing.
    """
    rig = _rig_parameters(values)
    names = [entry.name for entry in entries({**_NO_RIG, **rig})]
    sensor = {name: values[name] for name in (*_OF_SENSOR, "autostart")} | rig
    perception = {name: values[name] for name in (*_OF_PERCEPTION, "autostart")} | rig
    if values["weights_dir"]:
        perception["weights_dir"] = absolute(values["weights_dir"])
    recorders = []
    if values["record"]:
        need_library_for_bags()
        recorders = [Process(RECORDER, "recorder", "", {"out": absolute(values["record"])})]
        sensor["listeners"] += 1
    if values["in_process"]:
        return [Process("perception", "", "", sensor | perception), *recorders]
    sensors = [
        Process("sensor", "sensor", prefix.rstrip("/"), sensor | {"name": name})
        for name, prefix in prefixes(names).items()
    ]
    return [*sensors, Process("perception", "perception", "", perception), *recorders]


def _rig_parameters(values: Mapping[str, Value]) -> dict[str, Value]:
    """What tells every node of the sensors; a process may have another working folder."""
    if values["sensors"]:
        return {"sensors": str(rig_path(values["sensors"]))}
    return {name: values[name] for name, none in _NO_RIG.items() if values[name] != none}
