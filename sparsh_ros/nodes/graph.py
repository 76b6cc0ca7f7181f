# SPDX-License-Identifier: Apache-2.0
"""The ROS graph as plain data: its arguments, and the processes that they call for.

Written once, read by the launch files (through `launch_files`) and by `sparsh-ros run`. Imports
neither rclpy nor launch.

    sensor (one per gel camera) --image_raw--> perception --force, slip, pose_change, pose-->
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors import DRIVERS

DIGIT = ("digit",)
GELSIGHT = ("gelsight_mini", "gelsight_2017")
TOUCHES = ("random", "demo", "protocol")
HEADS = ("force", "slip", "pose")
DEVICES = ("auto", "cpu", "cuda")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

Value = bool | int | float | str | list[str]


@dataclass(frozen=True)
class Argument:
    """An argument of the graph; the default fixes the type, a tuple is a comma-separated list."""

    name: str
    default: bool | int | float | str | tuple[str, ...]
    description: str
    choices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The default as it is typed on a command line."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    def parse(self, text: str) -> Value:
        """The value that `text` stands for.

        Raises:
            ParameterError: it stands for none, or for one that is not allowed.
        """
        value = _convert(text, type(self.default))
        words = value if isinstance(value, list) else [text]
        if value is None or any(self.choices and word not in self.choices for word in words):
            kind = _KINDS[type(self.default)]
            wanted = f"one of {', '.join(self.choices)}" if self.choices else kind
            raise ParameterError(f"argument {self.name}: wanted {wanted}, found {text!r}")
        return value


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


def arguments(sensors: Sequence[str]) -> tuple[Argument, ...]:
    """The arguments of a graph for one of these kinds of sensor; the first is the default."""
    return (
        Argument("sensor", sensors[0], "Kind of gel camera.", tuple(sensors)),
        Argument(
            "names",
            (),
            "Names of the sensors, separated by commas; they prefix the frame ids, and with more "
            "than one sensor the topics too. Empty: one sensor, named after its kind.",
        ),
        Argument(
            "source",
            "simulated",
            "Where the images come from: the simulated gel (the default, as it needs no hardware) "
            "or a recording or camera named by `input`.",
            DRIVERS,
        ),
        Argument(
            "input",
            "",
            "For source video: a video file, a folder of images, a camera index, or "
            "the URL of an MJPEG stream.",
        ),
        Argument("rate_hz", 0.0, "Frames per second; 0: the rate of the sensor or the recording."),
        Argument("loop", False, "Start a recording again at its end."),
        Argument("touch", "random", "For source simulated: what touches the gel.", TOUCHES),
        Argument("seed", 0, "For source simulated: fixes the gel, its light and the touches."),
        Argument(
            "listeners",
            1,
            "How many must listen to the images before a recording or a simulated touch begins.",
        ),
        Argument("model", "sparsh-sim-micro", "Name of a model, or path of its description."),
        Argument("heads", HEADS, "What to estimate, separated by commas.", HEADS),
        Argument("device", "auto", "What computes; auto: CUDA where there is a GPU.", DEVICES),
        Argument("threads", 0, "CPU threads of the encoder; 0: one per core."),
        Argument(
            "background",
            "",
            "Image file of the untouched gel; empty: taken from the first still "
            "frames, which must be free of contact.",
        ),
        Argument(
            "in_process",
            False,
            "Host the sensors in the perception process, so that images "
            "reach the encoder without crossing the middleware.",
        ),
        Argument("publish_features", False, "Publish the tokens for heads in other processes."),
        Argument("namespace", "tactile", "Namespace of all nodes and topics."),
        Argument("log_level", "info", "Least severe messages that are logged.", LOG_LEVELS),
    )


def prefixes(names: Sequence[str]) -> dict[str, str]:
    """Name of each sensor to the prefix of its topics: none for a single sensor."""
    return {name: f"{name}/" if len(names) > 1 else "" for name in names}


def processes(settings: Mapping[str, Value]) -> list[Process]:
    """The processes for these values of all arguments, sources first."""
    names = settings["names"] or [settings["sensor"]]
    topics = prefixes(names)
    perception = {
        key: settings[key]
        for key in (
            "sensor",
            "model",
            "heads",
            "device",
            "threads",
            "background",
            "publish_features",
        )
    }
    perception |= {"names": names, "in_process": settings["in_process"]}
    sensor = {
        key: settings[key]
        for key in ("sensor", "source", "input", "rate_hz", "loop", "touch", "seed", "listeners")
    }
    if settings["in_process"]:
        return [Process("perception", "", "", sensor | perception)]
    return [
        Process(
            "sensor",
            "sensor",
            topics[name].rstrip("/"),
            sensor | {"name": name, "seed": settings["seed"] + index},
        )
        for index, name in enumerate(names)
    ] + [Process("perception", "perception", "", perception)]


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "words separated by commas",
}


def _convert(text: str, kind: type) -> Value | None:
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower())
    if kind is tuple:
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        return kind(text)
    except ValueError:
        return None
