# SPDX-License-Identifier: Apache-2.0
"""Which sensors there are: from a file, or from settings that describe one or several of a type.

A sensor, or who hosts one, reads all of the description; a node that only listens reads the part
that says what it hears: names, types, frames, serial numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from sparsh_ros.arguments import Setting, Value
from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.settings import HEARD, SENSORS
from sparsh_ros.sensors.cameras.discovery import TactileCamera
from sparsh_ros.sensors.cameras.v4l2 import Host
from sparsh_ros.sensors.config import SensorConfig, check_sensors, load_sensors
from sparsh_ros.sensors.drivers import (
    DRIVERS,
    SENSOR_TYPES,
    DriverConfig,
    driver_config,
)
from sparsh_ros.sensors.placement import SETTINGS as PLACEMENT
from sparsh_ros.sensors.placement import placement_from
from sparsh_ros.sensors.profiles import load_profile

_OF_ALL = ("sensors", "names", "sensor", "source", "background", "frame")
_ONE_EACH = {"background": "as no two gels look alike", "frame": "", "image": ""}
_WITHOUT_CAMERA = ("video", "simulated")
_OF_CAMERAS = ("serial", "serials", "stream", "intensity", "leds")
_OF_SIMULATION = ("touch", "seed")


@dataclass(frozen=True)
class Heard(DriverConfig):
    """A sensor in another process, of which only the images are heard."""

    name: ClassVar[str] = "heard"


@dataclass(frozen=True)
class HeardCamera(Heard):
    """The same, where they are those of a camera."""

    serial: str = field(default="", metadata={"setting": HEARD["serial"]})


class Params(Protocol):
    """The values of settings.SENSORS, by name: parameters of a node, or arguments of a graph."""

    def __getitem__(self, name: str) -> Value: ...


def sensor_configs(params: Params) -> tuple[SensorConfig, ...]:
    """The sensors that the settings describe.

    Raises:
        ParameterError: The file cannot be used, or settings do not go together.
    """
    if params["sensors"]:
        return _from_file(params, SENSORS)
    source = find_source(params, Host().cameras)
    driver = driver_name(params, source)
    _refuse_foreign(params, source, driver)
    names = _names(params)
    _refuse_shared(params, names, _ONE_EACH)
    unasked = source == "simulated" and params["source"] == "auto" and not _speaks_of(params)
    configs = tuple(
        _config(params, driver, index, name, unasked) for index, name in enumerate(names)
    )
    check_sensors(configs)
    return configs


def _from_file(params: Params, table: Mapping[str, Setting]) -> tuple[SensorConfig, ...]:
    refuse_beside_file(params, table)
    return load_sensors(params["sensors"])


def _names(params: Params) -> Sequence[str]:
    return params["names"] or [Path(sensor_type(params)).stem]


def heard_sensors(params: Params) -> tuple[SensorConfig, ...]:
    """The sensors that a node listens to, from the values of settings.HEARD.

    Raises:
        ParameterError: The file cannot be used, or settings do not go together.
    """
    if params["sensors"]:
        return _from_file(params, HEARD)
    profile = load_profile(sensor_type(params))
    names = _names(params)
    _refuse_shared(params, names, ("frame",))
    has_camera = params["source"] not in _WITHOUT_CAMERA
    configs = tuple(
        SensorConfig(
            name=name,
            driver=HeardCamera(_serial(params, index)) if has_camera else Heard(),
            profile=profile,
            gel_frame=params["frame"],
        )
        for index, name in enumerate(names)
    )
    check_sensors(configs)
    return configs


def config_for_node(params: Params) -> SensorConfig:
    """The sensor that the setting `name` picks; empty: the only one.

    Raises:
        ParameterError: There is none of that name, or several and no name; or see
            `sensor_configs`.
    """
    configs = sensor_configs(params)
    if not params["name"] and len(configs) == 1:
        return configs[0]
    for config in configs:
        if config.name == params["name"]:
            return config
    known = ", ".join(config.name for config in configs)
    raise ParameterError(f"name: wanted one of {known}, found {params['name']!r}")


def refuse_beside_file(params: Params, table: Mapping[str, Setting]) -> None:
    """Raise ParameterError if settings of sensors, which a file decides, differ from `table`."""
    if changed := [name for name in _changed(params, table) if name != "sensors"]:
        raise ParameterError(
            f"sensors: wanted a file or settings of sensors, found both ({', '.join(changed)}); "
            "write these into the file"
        )


def sensor_type(params: Params) -> str:
    """The type of sensor that the settings describe: a name, or the file of a profile."""
    return params["sensor"] or SENSOR_TYPES[0]


def find_source(params: Params, cameras: Callable[[], Sequence[TactileCamera]]) -> str:
    """What `source` stands for: "camera", "video", "topic" or "simulated".

    Args:
        params: See `Params`.
        cameras: Looks for the cameras that are plugged in; called only where that decides.
    """
    if params["source"] != "auto":
        return params["source"]
    changed = _changed(params, SENSORS)
    if params["image"]:
        return "topic"
    if params["input"]:
        is_camera = sensor_type(params) != "digit" and "://" in params["input"]
        return "camera" if is_camera else "video"
    if any(name in changed for name in _OF_CAMERAS):
        return "camera"
    if any(name in changed for name in _OF_SIMULATION):
        return "simulated"
    is_there = any(camera.sensor_type == sensor_type(params) for camera in cameras())
    return "camera" if is_there else "simulated"


def driver_name(params: Params, source: str) -> str:
    """The driver that gives the images.

    Raises:
        ParameterError: There is none for the camera of that type of sensor.
    """
    if source != "camera":
        return source
    if sensor_type(params) not in SENSOR_TYPES:
        raise ParameterError(
            f"sensor: wanted one of {', '.join(SENSOR_TYPES)} for source camera, found "
            f"{params['sensor']!r}; other cameras go with source video and an index as input"
        )
    return sensor_type(params)


def _changed(params: Params, table: Mapping[str, Setting]) -> list[str]:
    return [name for name in SENSORS if name in table and params[name] != table[name].value]


def _speaks_of(params: Params) -> bool:
    return any(name in _changed(params, SENSORS) for name in _OF_SIMULATION)


def _refuse_foreign(params: Params, source: str, driver: str) -> None:
    """What the driver would not heed: whoever sets a serial number does not want a simulation."""
    heeded = {*_OF_ALL, *DRIVERS[driver].settings()}
    if "serial" in heeded:
        heeded.add("serials")
    if driver != "simulated":
        heeded.update(PLACEMENT)
    if foreign := [name for name in _changed(params, SENSORS) if name not in heeded]:
        raise ParameterError(
            f"{foreign[0]}: has no meaning for source {source} of a "
            f"{sensor_type(params)}, found {params[foreign[0]]!r}; leave it out or choose another "
            "source"
        )


def _config(params: Params, driver: str, index: int, name: str, unasked: bool) -> SensorConfig:
    own = {"serial": _serial(params, index), "seed": params["seed"] + index}
    settings = {key: own.get(key, params[key]) for key in DRIVERS[driver].settings()}
    return SensorConfig(
        name=name,
        driver=driver_config(driver, **settings),
        profile=load_profile(sensor_type(params)),
        gel_frame=params["frame"],
        background=Path(params["background"]) if params["background"] else None,
        placement=placement_from({key: params[key] for key in PLACEMENT}),
        is_stand_in=unasked,
    )


def _refuse_shared(params: Params, names: Sequence[str], settings: Iterable[str]) -> None:
    """What each of several sensors has for itself, and one setting cannot say for all."""
    for setting in settings:
        if len(names) > 1 and params[setting]:
            why = f", {_ONE_EACH[setting]}" if _ONE_EACH[setting] else ""
            raise ParameterError(
                f"{setting}: wanted one for each sensor{why}, found {params[setting]!r} for "
                f"{len(names)}; name them in a file, see `sensors`"
            )


def _serial(params: Params, index: int) -> str:
    serials, count = params["serials"], len(params["names"])
    if serials and len(serials) != count:
        raise ParameterError(
            f"serials: wanted {count}, one for each of `names`, found {len(serials)}: "
            f"{', '.join(serials)}"
        )
    if serials and params["serial"]:
        raise ParameterError("serial: wanted serials or a serial, found both")
    return serials[index] if serials else params["serial"]
