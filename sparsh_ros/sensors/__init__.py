# SPDX-License-Identifier: Apache-2.0
"""Gel sensors: whatever their type, they hand out stamped canonical images."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors.drivers import DRIVERS, DriverConfig, driver_config

if TYPE_CHECKING:
    from sparsh_ros.sensors.base import Sensor
    from sparsh_ros.sensors.cameras.v4l2 import Host
    from sparsh_ros.sensors.health.status import SensorStatus
    from sparsh_ros.sensors.profiles import SensorProfile, list_profiles, load_profile

__all__ = [
    "DRIVERS",
    "Sensor",
    "SensorProfile",
    "SensorStatus",
    "create_sensor",
    "list_profiles",
    "load_profile",
    "open_sensor",
]

# Imported on use: help needs no OpenCV, and a real camera no simulation.
_HOMES = {
    "Sensor": "base",
    "SensorProfile": "profiles",
    "SensorStatus": "health.status",
    "list_profiles": "profiles",
    "load_profile": "profiles",
}
_SERIALS = {"digit": r"D\d{4,6}", "gelsight_mini": r"\d[0-9A-Z]{3}-?[0-9A-Z]{4}"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def open_sensor(
    source: str | Path | int,
    profile: str | Path | SensorProfile | None = None,
    *,
    clock: Callable[[], int] | None = None,
    host: Host | None = None,
    **settings: Any,
) -> Sensor:
    """Make a sensor; as a context manager it starts, and stops at the end.

        with open_sensor("digit") as sensor:  # the DIGIT that is plugged in
            frame = sensor.wait()

    Args:
        source: Where images come from: a driver ("digit", "gelsight_mini", "gelsight_2017",
            "simulated", "video"), the serial number of a camera ("D20123"), a video file, a folder
            of images, the index of a camera, or the URL of an MJPEG stream.
        profile: Type of sensor: a name, a YAML file, or a profile already read; None: that of the
            driver, for "simulated" and "video" that of a DIGIT.
        clock: Gives the stamps, nanoseconds; None for the system's clock.
        host: The machine whose cameras these are, None for this one.
        **settings: What the driver takes: see SimulatedConfig, VideoConfig, DigitConfig and
            GelSightConfig in sparsh_ros.sensors.drivers.

    Raises:
        ParameterError: The source, the profile or a setting is unknown or cannot be used.
        MissingDependencyError: A setting needs a package that is not installed.
    """
    driver, found = _recognise(str(source), host)
    if doubled := found.keys() & settings.keys():
        raise ParameterError(f"{doubled.pop()}: wanted once, found {source!r} and a setting")
    config = driver_config(driver, **found, **settings)
    return create_sensor(config, profile, clock=clock, host=host)


def create_sensor(
    config: DriverConfig,
    profile: str | Path | SensorProfile | None = None,
    *,
    clock: Callable[[], int] | None = None,
    host: Host | None = None,
) -> Sensor:
    """Make the sensor that a config describes; it opens its device or file when started.

    Args:
        config: The driver and its settings.
        profile, clock, host: See `open_sensor`.

    Raises:
        ParameterError: There is no such profile.
        MissingDependencyError: A setting needs a package that is not installed.
    """
    from sparsh_ros.sensors.profiles import SensorProfile, load_profile

    if not config.sensor_class:
        raise ParameterError(
            f"sensor: driver {config.name} works in the ROS graph only; "
            "`ros2 launch sparsh_ros perception_only.launch.py`"
        )
    if not isinstance(profile, SensorProfile):
        profile = load_profile(profile or config.sensor_type or "digit")
    given = {"clock": clock} if clock else {}
    if host is not None and config.name != "simulated":
        given["host"] = host
    return resolve_name(f"{__name__}.{config.sensor_class}")(profile, config, **given)


def _recognise(source: str, host: Host | None) -> tuple[str, dict[str, str]]:
    """The driver for a source, and the setting that the source is."""
    if source in DRIVERS:
        return source, {}
    if source.isdecimal() or "://" in source or source and Path(source).expanduser().exists():
        return "video", {"input": source}
    if sensor_type := _type_of_serial(source, host):
        return sensor_type, {"serial": source}
    if Path(source).suffix or "/" in source:
        return "video", {"input": source}
    raise ParameterError(
        f"sensor: wanted a driver ({', '.join(DRIVERS)}), a serial number such as D20123, a video "
        f"file, a folder of images or a URL, found {source!r}; `sparsh-ros doctor` lists what is "
        "plugged in"
    )


def _type_of_serial(serial: str, host: Host | None) -> str:
    """Type of the camera of that number, by its form where it is not plugged in; else empty."""
    for sensor_type, form in _SERIALS.items():
        if re.fullmatch(form, serial):
            return sensor_type
    from sparsh_ros.sensors.cameras.v4l2 import Host as ThisMachine

    cameras = (host or ThisMachine()).cameras()
    return next((camera.sensor_type for camera in cameras if camera.serial == serial), "")
