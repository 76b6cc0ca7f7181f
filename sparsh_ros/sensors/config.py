# SPDX-License-Identifier: Apache-2.0
"""The gel sensors of one robot, read from a file such as config/sensors.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsh_ros import names
from sparsh_ros.errors import ParameterError, SparshError
from sparsh_ros.files import read_yaml
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import create_sensor
from sparsh_ros.sensors.drivers import DRIVERS, DriverConfig, driver_config
from sparsh_ros.sensors.placement import SETTINGS as PLACEMENT
from sparsh_ros.sensors.placement import Placement, placement_from
from sparsh_ros.sensors.profiles import (
    SensorProfile,
    list_profiles,
    load_profile,
    override_profile,
)

if TYPE_CHECKING:
    from sparsh_ros.sensors.base import Sensor

_OWN_KEYS = ("name", "driver", "sensor_type", "frame", "background", "profile", *PLACEMENT)
_OF_ANY_TYPE = tuple(name for name, config in DRIVERS.items() if not config.sensor_type)
_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")


@dataclass(frozen=True)
class SensorConfig:
    """One gel sensor of a robot.

    Attributes:
        name: Prefixes its topics where there are several sensors, and its frames.
        driver: What gives its images, with the settings of that.
        profile: Of its type, with what is special about this one.
        gel_frame: Frame of the estimates; "<name>_gel_frame" where none is given.
        background: Image file of the untouched gel, as the camera delivers it; None: captured at
            start.
        placement: How the images of the camera lie.
        is_stand_in: It is simulated only because no camera was found, and nobody asked for that.
    """

    name: str
    driver: DriverConfig
    profile: SensorProfile
    gel_frame: str = ""
    background: Path | None = None
    placement: Placement = Placement()
    is_stand_in: bool = False

    def __post_init__(self) -> None:
        if not self.gel_frame:
            object.__setattr__(self, "gel_frame", names.gel_frame(self.name))

    @property
    def optical_frame(self) -> str:
        """Frame of the images: z into the gel's back, x right, y down."""
        return names.optical_frame(self.name)

    @property
    def camera_profile(self) -> SensorProfile:
        """The profile for images as the camera delivers them; `profile` is for canonical ones."""
        return replace(self.profile, placement=self.placement)

    def find_serial(self) -> str:
        """Serial number of its camera: as configured, else that of the only one of its type here.

        Empty where neither tells, or where the images come from no camera.
        """
        serial = getattr(self.driver, "serial", None)
        if serial is None or serial:
            return serial or ""
        from sparsh_ros.sensors.cameras.discovery import find_cameras

        found = [c.serial for c in find_cameras() if c.sensor_type == self.profile.name]
        return found[0] if len(found) == 1 else ""

    def open(self) -> Sensor:
        """Make the sensor; it opens its device or file when started.

        Raises:
            SparshError: A setting has a value that cannot be used, or needs a missing package.
        """
        return create_sensor(self.driver, self.camera_profile)


def sensors_file(path: str | Path) -> Path:
    """Absolute path of a file of sensors: `path`, else the one that ships, as "sensors.yaml".

    Raises:
        ParameterError: There is no such file.
    """
    here = Path(path).expanduser()
    if here.is_file():
        return here.resolve()
    with suppress(SparshError):
        return config_path(str(path).removeprefix("config/"))
    raise ParameterError(
        f"sensors: wanted a YAML file of sensors, found none at {here.absolute()} and none of that "
        "name that ships; copy config/sensors.yaml and give the path of your copy"
    )


def load_sensors(path: str | Path) -> tuple[SensorConfig, ...]:
    """Read the sensors of a robot.

    Relative paths in the file are taken from its folder.

    Raises:
        ParameterError: The file is missing or holds something else; the message names the file,
            the sensor, the key, and what was wanted and found.
    """
    path = sensors_file(path)
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise ParameterError(f"{path}: cannot be read ({error})") from error
    listed = content.get("sensors") if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(listed, list) or not listed:
        raise ParameterError(f"{path}: wanted the one key `sensors` with a list of sensors")
    configs = tuple(_config(item, number, path) for number, item in enumerate(listed, start=1))
    try:
        check_sensors(configs)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    return configs


def check_sensors(configs: Sequence[SensorConfig]) -> None:
    """Raise ParameterError unless the sensors can live side by side.

    Their names differ and can be part of a topic's name, and no two may get the same camera.
    """
    known = set()
    for config in configs:
        if not _NAME.fullmatch(config.name):
            raise ParameterError(
                "name: wanted a letter, then letters, digits and single underscores, "
                f"found {config.name!r}"
            )
        if config.name in known:
            raise ParameterError(
                f"name: wanted a different one for each, found {config.name} twice"
            )
        known.add(config.name)
    for former, later in combinations(configs, 2):
        if _could_be_one(former.driver, later.driver):
            raise ParameterError(
                f"{former.name} and {later.name}: wanted a camera of its own for each, found one "
                f"{later.driver.name} for both; give each its serial number"
            )


def _could_be_one(former: DriverConfig, later: DriverConfig) -> bool:
    """Whether both may open the same camera: without a serial number the only one plugged in."""
    cameras = former.camera(), later.camera()
    if former.name != later.name or None in cameras:
        return False
    (serial, input), (other_serial, other_input) = cameras
    if input or other_input:
        return input == other_input
    return serial == other_serial or not (serial and other_serial)


def _config(item: object, number: int, path: Path) -> SensorConfig:
    if not isinstance(item, dict):
        raise ParameterError(f"{path}: sensor {number}: wanted keys and values, found {item!r}")
    try:
        return _parsed(item, path.parent)
    except ParameterError as error:
        raise ParameterError(f"{path}: sensor {item.get('name', number)}: {error}") from None


def _parsed(item: Mapping[str, Any], folder: Path) -> SensorConfig:
    name, driver = _text(item, "name"), _text(item, "driver")
    settings = {key: value for key, value in item.items() if key not in _OWN_KEYS}
    if driver == "video" and isinstance(settings.get("input"), str):
        path = folder / settings["input"]
        if settings["input"] and path.exists():
            settings["input"] = path
    config = driver_config(driver, **{str(key): value for key, value in settings.items()})
    background = _text(item, "background", "")
    return SensorConfig(
        name=name,
        driver=config,
        profile=_profile(item, config),
        gel_frame=_text(item, "frame", ""),
        background=folder / background if background else None,
        placement=placement_from(item),
    )


def _text(item: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = item.get(key, default)
    if value is None:
        hint = f", one of {', '.join(DRIVERS)}" if key == "driver" else ""
        raise ParameterError(f"{key}: wanted one{hint}, found none")
    if not isinstance(value, str):
        raise ParameterError(f"{key}: wanted text, found {value!r}")
    return value


def _profile(item: Mapping[str, Any], driver: DriverConfig) -> SensorProfile:
    sensor_type = driver.sensor_type
    if not sensor_type:
        sensor_type = _text(item, "sensor_type", "digit")
    elif "sensor_type" in item:
        raise ParameterError(
            f"sensor_type: only for driver {' or '.join(_OF_ANY_TYPE)}; leave it out"
        )
    if sensor_type not in list_profiles():
        raise ParameterError(
            f"sensor_type: wanted one of {', '.join(list_profiles())}, found {sensor_type!r}"
        )
    changes = item.get("profile", {})
    if not isinstance(changes, dict):
        raise ParameterError(f"profile: wanted fields to change, found {changes!r}")
    try:
        return override_profile(load_profile(sensor_type), changes)
    except ParameterError as error:
        raise ParameterError(f"profile: {error}") from None
