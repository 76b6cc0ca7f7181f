# SPDX-License-Identifier: Apache-2.0
"""Every setting of the nodes and of the graph: default, meaning and allowed values, once each.

The nodes declare them as parameters, the launch files and `sparsh-ros run` as arguments. Imports
neither rclpy nor launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sparsh_ros.engines import DEVICES
from sparsh_ros.errors import ParameterError
from sparsh_ros.models.head_choice import AUTO, HEADS
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.perception.head_runner import CONTACT_THRESHOLD_N

DIGIT = ("digit",)
GELSIGHT = ("gelsight_mini", "gelsight_2017")

Value = bool | int | float | str | list[str]


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        default: also fixes the type; a tuple stands for a list of words.
        description: one sentence, with units.
        bounds: lowest and highest value of a number.
        choices: allowed words of a string, or of each element of a list.
        read_only: fixed while the node is configured; False: can be changed at any time.
        is_permanent: fixed from the start of the process.
    """

    default: bool | int | float | str | tuple[str, ...]
    description: str
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = True
    is_permanent: bool = False

    @property
    def value(self) -> Value:
        """The default as nodes and graphs hold it."""
        return list(self.default) if isinstance(self.default, tuple) else self.default

    @property
    def text(self) -> str:
        """The default as it is typed on a command line."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    def objection(self, value: Value) -> str:
        """Why `value`, of the right type, is refused; empty when it is fine."""
        if self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            return f"wanted {self.bounds[0]} to {self.bounds[1]}, found {value}"
        words = value if isinstance(value, list) else [value]
        unknown = [word for word in words if self.choices and word not in self.choices]
        if unknown:
            return f"wanted one of {', '.join(self.choices)}, found {', '.join(unknown)}"
        return ""

    def parse(self, text: str) -> Value:
        """The value that `text` stands for.

        Raises:
            ParameterError: it stands for none, or for one that is not allowed.
        """
        kind = type(self.default)
        try:
            value = _CONVERSIONS[kind](text)
        except (KeyError, ValueError):
            raise ParameterError(f"wanted {_KINDS[kind]}, found {text!r}") from None
        if objection := self.objection(value):
            raise ParameterError(objection)
        return value


_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
_CONVERSIONS = {
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    int: int,
    float: float,
    str: str,
    tuple: lambda text: [word.strip() for word in text.split(",") if word.strip()],
}

RIG: Mapping[str, Setting] = {
    "sensors": Setting(
        "",
        "YAML file that describes several sensors, such as hand.yaml, which ships; it takes the "
        "place of all other settings of sensors.",
    ),
    "names": Setting(
        "",
        "Names of several sensors of one kind, separated by commas; they prefix the frame ids and "
        "the topics. Empty: one sensor, named after its kind.",
    ),
    "sensor": Setting("digit", "Kind of gel camera.", choices=DIGIT + GELSIGHT),
    "source": Setting(
        "simulated",
        "Where the images come from: a simulated gel, which needs no hardware and is therefore the "
        "default; the camera of the sensor; or the video named by `input`.",
        choices=("simulated", "camera", "video"),
    ),
    "serial": Setting(
        "",
        "Of the camera; empty: the only one of its kind. One for each of several sensors, in their "
        "order, separated by commas.",
    ),
    "input": Setting(
        "",
        "For source video: video file, folder of images, camera index or URL of MJPEG. For the "
        "camera of a GelSight: the URL of one on the network.",
    ),
    "stream": Setting(
        "QVGA", "Of the camera of a DIGIT; VGA is known to glitch.", choices=("QVGA", "VGA")
    ),
    "intensity": Setting(15, "Of the LEDs of a DIGIT.", bounds=(0, 15)),
    "leds": Setting("v4l2", "What sets the LEDs of a DIGIT.", choices=("v4l2", "digit-interface")),
    "rate_hz": Setting(
        0.0, "Frames per second; 0: the rate of the sensor or the recording.", bounds=(0.0, 240.0)
    ),
    "loop": Setting(False, "Start a recording again at its end."),
    "touch": Setting(
        "random",
        "What touches the simulated gel: anything, a short script, or press-and-shear strokes.",
        choices=("random", "demo", "protocol"),
    ),
    "seed": Setting(0, "Fixes the simulated gel and its touches.", bounds=(0, 2**31 - 1)),
    "background": Setting(
        "",
        "Image file of the untouched gel, for a graph of one sensor; empty: captured at start, "
        "free of contact.",
    ),
}
"""What describes the sensors: the same for all nodes, see entries.py."""

RECORDED: Mapping[str, Setting] = {
    "bag": Setting(
        "", "Recording whose sensors these are; it takes the place of all other settings of them."
    ),
    "image_topics": Setting(
        "", "In `bag`, the topics of the gel images, separated by commas; empty: found."
    ),
    "kind": Setting("", "Of the sensors in `bag`, or the file of a profile; empty: found."),
}
"""What describes the sensors of a recording, see recorded.py."""

AUTOSTART = Setting(
    True,
    "Go through configure and activate at start; false: wait for these transitions.",
    is_permanent=True,
)

SENSOR: Mapping[str, Setting] = RIG | {
    "name": Setting("", "Which of the sensors this node is for; empty: the only one."),
    "listeners": Setting(
        1,
        "How many must listen to the images before a recording or a simulated touch begins.",
        bounds=(0, 100),
    ),
    "publish_tf": Setting(
        False,
        "Publish the transform from the gel frame to the optical frame on /tf_static, where no "
        "URDF of the robot does.",
    ),
    "jpeg_quality": Setting(90, "Of image_raw/compressed.", bounds=(1, 100), read_only=False),
    "autostart": AUTOSTART,
}

HEAD: Mapping[str, Setting] = {
    **RIG,
    **RECORDED,
    "model": Setting(DEFAULT_MODEL, "Name of a model, or path of its description."),
    "weights_dir": Setting(
        "", "Folder with the weights of the model; empty: where `sparsh-ros weights get` puts them."
    ),
    "heads": Setting(
        (AUTO,),
        "What to estimate; auto: force, slip and pose, and whatever else the weights are for.",
        choices=(AUTO, *HEADS),
    ),
    "device": Setting("auto", "What computes; auto: CUDA if there is a GPU.", choices=DEVICES),
    "contact_threshold_n": Setting(
        CONTACT_THRESHOLD_N,
        "Normal force at which contact begins, N.",
        bounds=(1e-3, 100.0),
        read_only=False,
    ),
    "slip_threshold": Setting(
        0.0,
        "Slip probability that counts as slipping; 0: the model's own.",
        bounds=(0.0, 0.999),
        read_only=False,
    ),
    "nan_policy": Setting(
        "nan",
        "Unknown numbers on `force` and `pose` are NaN, or for viewers that refuse it, as RViz, "
        "ros: torque 0, no rotation, a huge covariance, no message without a force.",
        choices=("nan", "ros"),
    ),
}

PERCEPTION: Mapping[str, Setting] = HEAD | {
    "threads": Setting(0, "CPU threads of the encoder; 0: one per core.", bounds=(0, 256)),
    "publish_features": Setting(False, "Publish the tokens for heads in other processes."),
    "in_process": Setting(
        False,
        "Host the sensors in the same process: images do not cross the middleware.",
        is_permanent=True,
    ),
    "autostart": AUTOSTART,
}

RECORD: Mapping[str, Setting] = {
    "out": Setting("", "Folder to make: a bag with one MCAP file."),
    "topics": Setting(
        "",
        "Names of topics, separated by commas; empty: images, background, estimates, truth, camera "
        "information and diagnostics of the namespace.",
    ),
    "all": Setting(False, "Record every topic whose type is known here."),
    "images": Setting(
        "raw",
        "Which images of the namespace: as they are, as JPEG, or none.",
        choices=("raw", "compressed", "none"),
    ),
    "duration": Setting(
        0.0, "Seconds from the first message; 0: until it is stopped.", bounds=(0.0, 1e6)
    ),
}

PLAYER: Mapping[str, Setting] = {
    "bag": replace(
        RECORDED["bag"], description="Recording to play; images and backgrounds are taken from it."
    ),
    "rate": Setting(1.0, "Seconds of the recording per second.", bounds=(0.01, 100.0)),
    "out": Setting("", "Folder to make for the estimates; empty: replay_ with date and time."),
    **{name: RECORDED[name] for name in ("image_topics", "kind")},
    **{name: PERCEPTION[name] for name in ("model", "weights_dir", "heads", "device", "threads")},
    **{name: PERCEPTION[name] for name in ("contact_threshold_n", "slip_threshold")},
}

RECORDING = Setting(
    "",
    "Folder to make for a bag with images, background, estimates and truth; empty: none.",
)

GRAPH: Mapping[str, Setting] = {
    "namespace": Setting("tactile", "Namespace of all nodes and topics."),
    "log_level": Setting(
        "info",
        "Least severe messages that are logged.",
        choices=("debug", "info", "warn", "error", "fatal"),
    ),
}
