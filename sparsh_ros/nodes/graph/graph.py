# SPDX-License-Identifier: Apache-2.0
"""The ROS graph as plain data: its arguments, and the processes that they call for.

Read by the launch files (through `launch_files`) and by `sparsh-ros run`. Imports neither rclpy
nor launch.

    sensor (one per gel camera) --image_raw--> perception --force, slip, pose_change, pose-->
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sparsh_ros.arguments import Setting, Value
from sparsh_ros.engines import check_model
from sparsh_ros.errors import ParameterError
from sparsh_ros.names import RESTARTS
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph.recorded import need_library_for_bags
from sparsh_ros.nodes.graph.sensors import refuse_beside_file, sensor_configs
from sparsh_ros.sensors.config import SensorConfig, sensors_file
from sparsh_ros.sensors.drivers import SENSOR_TYPES, VideoConfig
from sparsh_ros.sensors.images import read_image

_RESPAWNED = ("sensor", "perception")
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 30.0
_LONG_LIFE_S = 20.0  # longer than it takes to start on a busy machine

RECORDER = "record"
"""The executable that a graph can do without."""

PRINTER = "predicate_printer"
"""The executable that prints what a hand finds true."""

WORLD, CONTROLLER, MAZE_WATCH = "bead_maze_world", "bead_maze_controller", "bead_maze_watch"
"""The executables of the bead maze."""

# Others: as the executable.
_MODULES = {
    "record": "record.recorder",
    "player": "replay.player",
    PRINTER: "predicates.printer",
    WORLD: "maze.world",
    CONTROLLER: "maze.controller",
    MAZE_WATCH: "maze.watch",
}
_NO_SENSORS = {name: setting.value for name, setting in settings.SENSORS.items()}

Arguments = ChainMap[str, Value]
"""Values of all arguments by name; the first of its maps holds those that were set."""


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        executable: Name of the installed program; `module` has its `main`.
        name: Of its node; empty where it holds several nodes, which then name themselves.
        namespace: Below the graph's own; empty for none.
        parameters: For all nodes of the process.
    """

    executable: str
    name: str
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Dotted name of the module with the program's `main`."""
        return f"sparsh_ros.nodes.{_MODULES.get(self.executable, self.executable)}"

    @property
    def ros_parameters(self) -> dict[str, Value]:
        """The parameters as ROS can carry them: it has no empty list of words."""
        return {
            name: [""] if value in ((), []) else value for name, value in self.parameters.items()
        }


class ProcessMonitor:
    """The processes that still run, and when one that died is to be started again.

    A robot can go on with one sensor less, not without any.
    """

    def __init__(
        self,
        started: Sequence[Process],
        use_respawn: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """All of these run.

        Args:
            started: The processes.
            use_respawn: Sensors and perception are to be started again.
            monotonic: Clock in seconds.
        """
        self._use_respawn, self._monotonic = use_respawn, monotonic
        self._running = list(started)
        self._wanted = {process.executable for process in started} - {RECORDER}
        self._began_s = {id(process): monotonic() for process in started}
        self._restarts = {id(process): 0 for process in started}
        self._tries = dict(self._restarts)

    def on_exit(self, process: Process, exit_code: int) -> str:
        """Note that a process has ended; what follows from that, in one sentence for the log."""
        who = " ".join(filter(None, (process.executable, process.namespace)))
        ended = f"{who} has ended (exit code {exit_code})"
        if self._is_worth_it(process, exit_code):
            self._tries[id(process)] += 1
            return f"{ended}: starting it again in {self.delay_s(process):g} s"
        self._running.remove(process)
        sensors = ", ".join(other.namespace for other in self._running if other.namespace)
        others = f"the others go on: {sensors}" if sensors else "the others go on"
        return f"{ended}: {others if self.is_viable else 'stopping the graph'}"

    def delay_s(self, process: Process) -> float | None:
        """Seconds until to start a process again that has ended; None: it is not to be."""
        if not any(process is other for other in self._running):
            return None
        return min(_FIRST_DELAY_S * 2 ** (self._tries[id(process)] - 1), _LONGEST_DELAY_S)

    def on_restart(self, process: Process) -> dict[str, str]:
        """Note that it is started again; what to add to its environment."""
        self._began_s[id(process)] = self._monotonic()
        self._restarts[id(process)] += 1
        return {RESTARTS: str(self._restarts[id(process)])}

    @property
    def is_viable(self) -> bool:
        """Whether perception still runs and, unless it hosts them, a sensor."""
        return self._wanted <= {process.executable for process in self._running}

    def _is_worth_it(self, process: Process, exit_code: int) -> bool:
        """What ended by itself at once, with a reason, would do so again."""
        lived_s = self._monotonic() - self._began_s[id(process)]
        if lived_s > _LONG_LIFE_S:
            self._tries[id(process)] = 0
        never_began = exit_code >= 0 and lived_s < _LONG_LIFE_S and not self._restarts[id(process)]
        return self._use_respawn and process.executable in _RESPAWNED and not never_began


def parse(texts: Mapping[str, str | None], sensor_types: Sequence[str]) -> Arguments:
    """Values of all arguments, from what was typed for some.

    Raises:
        ParameterError: A value is not allowed, or values do not go together; the message names
            the arguments.
    """
    table = settings.graph_settings(sensor_types)
    values = parse_each(texts, table)
    if values["sensors"]:
        refuse_beside_file(values, table)
    return values


def parse_perception_only(texts: Mapping[str, str | None]) -> Arguments:
    """The same for the graph that takes the images of another's driver.

    Raises:
        ParameterError: A value is not allowed, or no topic is named.
    """
    table = settings.perception_only_settings()
    typed = parse_each(texts, table).maps[0]
    values = ChainMap({"in_process": True, **typed}, parse({}, SENSOR_TYPES).maps[1])
    if values["sensors"]:
        refuse_beside_file(values, table)
    elif not values["image"]:
        raise ParameterError(
            "argument image: wanted the topic of your driver's images, found none; "
            "`ros2 topic find sensor_msgs/msg/Image` lists them"
        )
    return values


def parse_each(texts: Mapping[str, str | None], table: Mapping[str, Setting]) -> Arguments:
    """Values of the arguments in `table`, from what was typed for some; None is not typed.

    Raises:
        ParameterError: A value is not allowed; the message names the argument.
    """
    values = {}
    for name, setting in table.items():
        if (text := texts.get(name)) is None:
            continue
        try:
            values[name] = setting.parse(text)
        except ParameterError as error:
            raise ParameterError(f"argument {name}: {error}") from None
    return ChainMap(values, {name: setting.value for name, setting in table.items()})


def absolute(path: Value) -> str:
    """A path that means the same in a process with another working folder."""
    return str(Path(str(path)).expanduser().absolute())


def prefixes(names: Sequence[str]) -> dict[str, str]:
    """Name of each sensor to the prefix of its topics: none for a single sensor."""
    return {name: f"{name}/" if len(names) > 1 else "" for name in names}


def check_files(values: Arguments) -> None:
    """Find out what is wrong before anything is started.

    Raises:
        SparshError: The model, its weights, a background, an input or a file of parameters is
            missing or cannot be used, or what is to be recorded to is there already.
    """
    check_model(values["model"], values["weights_dir"] or None)
    for config in graph_sensors(values):
        if config.background is not None:
            read_image(config.background)
        if isinstance(config.driver, VideoConfig) and config.driver.is_recording:
            config.open().check_input()
    if values["params_file"] and not Path(values["params_file"]).expanduser().is_file():
        raise ParameterError(
            f"params_file: wanted a YAML file of parameters, found none at {values['params_file']}"
        )
    if values["record"] and Path(absolute(values["record"])).exists():
        raise ParameterError(
            f"record: wanted a folder to make, found one at {values['record']}; name another one"
        )


def graph_sensors(values: Arguments) -> tuple[SensorConfig, ...]:
    """The sensors of a graph with these values of all arguments.

    Raises:
        ParameterError: What describes them cannot be used.
    """
    return sensor_configs({**_NO_SENSORS, **_sensor_parameters(values)})


def processes(values: Arguments) -> list[Process]:
    """The processes for these values of all arguments, sources first, a recorder last.

    Parameters that nobody set are left to the nodes, and so to files of parameters.

    Raises:
        ParameterError: What describes the sensors cannot be used.
        MissingDependencyError: They are to be recorded, and the library for bags is missing.
    """
    sensors = _sensor_parameters(values)
    if values["use_sim_time"]:
        sensors["use_sim_time"] = True
    configs = graph_sensors(values)
    sensor = _set(values, settings.SENSOR) | sensors
    perception = _set(values, settings.PERCEPTION)
    if values["weights_dir"]:
        perception["weights_dir"] = absolute(values["weights_dir"])
    if values["predicates"] not in ("none", "auto"):
        perception["predicates"] = absolute(values["predicates"])
    recorders = []
    if values["record"]:
        need_library_for_bags()
        out = {"out": absolute(values["record"])}
        recorders = [Process(RECORDER, "recorder", "", out)]
        sensor["listeners"] = values["listeners"] + 1
    if values["in_process"]:
        return [Process("perception", "", "", sensor | perception), *recorders]
    sources = [
        Process("sensor", "sensor", prefix.rstrip("/"), sensor | {"name": name})
        for name, prefix in prefixes([config.name for config in configs]).items()
    ]
    perception |= _heard(sensors, configs)
    return [*sources, Process("perception", "perception", "", perception), *recorders]


def _set(values: Arguments, table: Mapping[str, Setting]) -> dict[str, Value]:
    """What was set of the parameters in `table` that do not describe sensors."""
    given = values.maps[0]
    return {name: given[name] for name in table if name in given and name not in _NO_SENSORS}


def _heard(sensors: Mapping[str, Value], configs: Sequence[SensorConfig]) -> dict[str, Value]:
    """What of the description of the sensors a node needs that only listens to them."""
    heard = {name: value for name, value in sensors.items() if name not in _NO_SENSORS}
    heard |= {name: sensors[name] for name in settings.HEARD if name in sensors}
    if not sensors.get("sensors") and not configs[0].is_stand_in:
        source = configs[0].driver.name
        heard |= {"source": source} if source in ("video", "simulated") else {}
    return heard


def _sensor_parameters(values: Arguments) -> dict[str, Value]:
    """What tells every node of the sensors; a process may have another working folder."""
    if values["sensors"]:
        return {"sensors": str(sensors_file(values["sensors"]))}
    parameters = {name: values[name] for name, none in _NO_SENSORS.items() if values[name] != none}
    for name in ("background", "input"):
        if name in parameters and Path(parameters[name]).expanduser().exists():
            parameters[name] = absolute(parameters[name])
    return parameters
