# SPDX-License-Identifier: Apache-2.0
"""The drivers and their settings: one config per driver.

A config is what a caller sets, a YAML file holds, and launch files, parameters and the command line
offer: all of them read it from here. It refuses what the driver could not do, and can be compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from sparsh_ros.arguments import Setting
from sparsh_ros.errors import ParameterError
from sparsh_ros.names import MAX_RATE_HZ

_IN_WORDS = {
    "digit": "DIGIT",
    "gelsight_mini": "GelSight Mini",
    "gelsight_2017": "GelSight 2017",
}
SENSOR_TYPES = tuple(_IN_WORDS)
"""Types of sensor whose cameras have a driver; each has a profile of that name."""

STREAMS = {"QVGA": (320, 240, (60.0, 30.0)), "VGA": (640, 480, (30.0, 15.0))}
"""Of a DIGIT: width and height in pixels, frame rates in 1/s, the default first."""


def hide_password(text: str) -> str:
    """The same text, with *** for the password in a URL: for all that is shown or logged."""
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", text)


def _setting(default: Any, description: str, **limits: Any) -> Any:
    return field(default=default, metadata={"setting": Setting(default, description, **limits)})


def _fps() -> Any:
    text = "Frames per second; 0: the rate of the sensor or the recording."
    return _setting(0.0, text, bounds=(0.0, MAX_RATE_HZ))


def _serial() -> Any:
    return _setting(
        "", "Serial number of the camera; empty: the only one of its type that is plugged in."
    )


def _input() -> Any:
    return _setting(
        "",
        "For source video: video file, folder of images, camera index or URL of MJPEG. For the "
        "camera of a GelSight: the URL of one on the network, or a video device.",
    )


@dataclass(frozen=True)
class DriverConfig:
    """The settings of a driver.

    Attributes:
        name: Of the driver.
        sensor_class: Of its sensors, as module:class below sparsh_ros.sensors.
        sensor_type: Of the only type of sensor it is for; empty where any can be had.
    """

    name: ClassVar[str] = ""
    sensor_class: ClassVar[str] = ""
    sensor_type: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for name, setting in self.settings().items():
            try:
                setting.check(getattr(self, name))
            except ParameterError as error:
                raise ParameterError(f"{name}: {error}") from None

    @property
    def title(self) -> str:
        """The sensor in words, for messages; it holds no password."""
        serial, source = self.camera() or ("", "")
        return f"{_IN_WORDS.get(self.name, self.name)} {serial or hide_password(source)}".rstrip()

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """Its settings by name."""
        return {field.name: field.metadata["setting"] for field in fields(cls)}

    def camera(self) -> tuple[str, str] | None:
        """What tells its camera from others: serial number and input; None: it has none."""
        return None


@dataclass(frozen=True)
class SimulatedConfig(DriverConfig):
    """A simulated touch, which needs no hardware."""

    name: ClassVar[str] = "simulated"
    sensor_class: ClassVar[str] = "simulated:SimulatedSensor"

    touch: str = _setting(
        "random",
        "What touches the simulated gel: anything, a short script, press-and-shear strokes, or "
        "what a hand takes, inserts and screws, each second sensor its other finger, by chance or "
        "in order.",
        choices=("random", "demo", "protocol", "hand", "hand_demo"),
    )
    seed: int = _setting(0, "Fixes the simulated gel and its touches.", bounds=(0, 2**31 - 1))
    fps: float = _fps()


@dataclass(frozen=True)
class _InputConfig(DriverConfig):
    """With `input`, which may be given as a path or as the index of a camera as well."""

    input: str = _input()

    def __post_init__(self) -> None:
        if isinstance(self.input, int | Path) and not isinstance(self.input, bool):
            object.__setattr__(self, "input", str(self.input))
        super().__post_init__()

    @property
    def url(self) -> str:
        """The http(s) URL that `input` is; empty where it is none."""
        return self.input if self.input.lower().startswith(("http://", "https://")) else ""

    @property
    def device(self) -> str:
        """The video device, as "/dev/video0", whose index or path `input` is; else empty."""
        found = re.fullmatch(r"(?:/dev/video)?(\d+)", self.input, re.ASCII)
        return f"/dev/video{found[1]}" if found else ""


@dataclass(frozen=True)
class VideoConfig(_InputConfig):
    """Recorded or streamed frames."""

    name: ClassVar[str] = "video"
    sensor_class: ClassVar[str] = "video:VideoSensor"

    fps: float = _fps()
    loop: bool = _setting(False, "Start a recording again at its end.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.input or ("://" in self.input and not self.url):
            raise ParameterError(
                "input: wanted a video file, a folder of images, a camera index or an http URL, "
                f"found {hide_password(self.input)!r}"
            )
        if not self.is_recording and (self.fps or self.loop):
            raise ParameterError("fps and loop are for recordings; a live input sets its own pace")

    @property
    def title(self) -> str:
        """See DriverConfig."""
        return f"video {hide_password(self.input)}"

    @property
    def is_recording(self) -> bool:
        """Whether the input is a file or a folder."""
        return not (self.url or self.device)


@dataclass(frozen=True)
class DigitConfig(DriverConfig):
    """A DIGIT on USB."""

    name: ClassVar[str] = "digit"
    sensor_class: ClassVar[str] = "cameras.digit:DigitSensor"
    sensor_type: ClassVar[str] = "digit"

    serial: str = _serial()
    stream: str = _setting(
        "QVGA", "Of the camera of a DIGIT; VGA is known to glitch.", choices=tuple(STREAMS)
    )
    fps: float = _fps()
    intensity: int = _setting(15, "Of the LEDs of a DIGIT.", bounds=(0, 15))
    leds: str = _setting(
        "v4l2",
        "What sets the LEDs of a DIGIT: the control of its camera, or the library digit-interface, "
        "which is under CC BY-NC and has to be installed.",
        choices=("v4l2", "digit-interface"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = STREAMS[self.stream][2]
        if self.fps and self.fps not in rates:
            wanted = " or ".join(f"{rate:g}" for rate in rates)
            raise ParameterError(f"fps of {self.stream}: wanted {wanted}, found {self.fps:g}")

    def camera(self) -> tuple[str, str]:
        """See DriverConfig."""
        return self.serial, ""


@dataclass(frozen=True)
class GelSightConfig(_InputConfig):
    """A GelSight on USB or, with `input`, on the network or at a device node."""

    sensor_class: ClassVar[str] = "cameras.gelsight:GelSightSensor"
    camera_type: ClassVar[str] = "gelsight_mini"
    """See TactileCamera.sensor_type; empty where the camera is an ordinary webcam."""

    serial: str = _serial()
    fps: float = _fps()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input and not (self.url or self.device or self.input.startswith("/dev/")):
            raise ParameterError(
                f"input: wanted an http URL or a video device, found {hide_password(self.input)!r}"
            )
        if self.input and self.serial:
            raise ParameterError("wanted a serial number or an input, found both")
        if self.url and self.fps:
            raise ParameterError("fps: a stream sets its own pace; leave it out")

    def camera(self) -> tuple[str, str]:
        """See DriverConfig."""
        return self.serial, self.input


@dataclass(frozen=True)
class GelSightMiniConfig(GelSightConfig):
    """A GelSight Mini."""

    name: ClassVar[str] = "gelsight_mini"
    sensor_type: ClassVar[str] = "gelsight_mini"


@dataclass(frozen=True)
class GelSight2017Config(GelSightConfig):
    """A GelSight with the gel and optics of 2017; its camera is an ordinary webcam."""

    name: ClassVar[str] = "gelsight_2017"
    sensor_type: ClassVar[str] = "gelsight_2017"
    camera_type: ClassVar[str] = ""


@dataclass(frozen=True)
class TopicConfig(DriverConfig):
    """The images that another's driver publishes in the ROS graph."""

    name: ClassVar[str] = "topic"

    image: str = _setting(
        "",
        "For source topic: the topic on which another's driver publishes its images; compressed "
        "ones where it ends in /compressed.",
    )
    serial: str = _serial()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.image.strip("/"):
            raise ParameterError(f"image: wanted the name of a topic, found {self.image!r}")


DRIVERS = {
    config.name: config
    for config in (
        SimulatedConfig,
        VideoConfig,
        TopicConfig,
        DigitConfig,
        GelSightMiniConfig,
        GelSight2017Config,
    )
}
"""Config class of each driver by its name."""


def driver_config(driver: str, **settings: Any) -> DriverConfig:
    """The config of a driver with these settings.

    Raises:
        ParameterError: There is no such driver or setting, or a value cannot be used.
    """
    if driver not in DRIVERS:
        raise ParameterError(f"driver: wanted one of {', '.join(DRIVERS)}, found {driver!r}")
    known = DRIVERS[driver].settings()
    for name in settings:
        if name not in known:
            raise ParameterError(
                f"{name}: driver {driver} has no such setting; it has {', '.join(known)}"
            )
    return DRIVERS[driver](**settings)
