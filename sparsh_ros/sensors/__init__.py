# SPDX-License-Identifier: Apache-2.0
"""Gel sensors: whatever their kind, they hand out stamped canonical images."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors.base import Sensor
from sparsh_ros.sensors.profiles import SensorProfile, list_profiles, load_profile
from sparsh_ros.sensors.status import SensorStatus

__all__ = [
    "DRIVERS",
    "Sensor",
    "SensorProfile",
    "SensorStatus",
    "driver_settings",
    "list_profiles",
    "load_profile",
    "open_sensor",
]

# Imported on use, so that a recording can be played without what the simulation needs.
_CLASSES = {
    "simulated": ("simulated", "SimulatedSensor"),
    "video": ("video", "VideoSensor"),
    "digit": ("cameras.digit", "DigitSensor"),
    "gelsight_mini": ("cameras.gelsight", "GelSightMiniSensor"),
    "gelsight_2017": ("cameras.gelsight", "GelSight2017Sensor"),
}
DRIVERS = tuple(_CLASSES)
_PLAIN = (bool, int, float, str, Path, NoneType)


def open_sensor(
    driver: str, profile: str | Path | SensorProfile | None = None, **settings: Any
) -> Sensor:
    """Make a sensor; it opens its device or file when started.

    Args:
        driver: "simulated", "video", "digit", "gelsight_mini" or "gelsight_2017".
        profile: kind of sensor: a name, a YAML file, or a profile already read; None: that of the
            driver, for "simulated" and "video" that of a DIGIT.
        settings: what the driver takes: see SimulatedSensor, VideoSensor, DigitSensor and
            GelSightSensor.

    Raises:
        ParameterError: unknown driver, profile or setting, or a setting that cannot be used.
    """
    kind = _class_of(driver)
    if profile is None:
        profile = driver if driver in list_profiles() else "digit"
    if not isinstance(profile, SensorProfile):
        profile = load_profile(profile)
    try:
        inspect.signature(kind).bind(profile, **settings)
    except TypeError as error:
        raise ParameterError(f"driver {driver}: {error}") from None
    return kind(profile, **settings)


def driver_settings(driver: str) -> dict[str, tuple[type, ...]]:
    """The settings of a driver that a file or a command line can hold, with the types they take.

    Raises:
        ParameterError: unknown driver.
    """
    hints = get_type_hints(_class_of(driver).__init__)
    types = {name: get_args(hint) or (hint,) for name, hint in hints.items() if name != "return"}
    return {
        name: of_one for name, of_one in types.items() if all(kind in _PLAIN for kind in of_one)
    }


def _class_of(driver: str) -> type[Sensor]:
    if driver not in _CLASSES:
        raise ParameterError(f"driver: wanted one of {', '.join(DRIVERS)}, found {driver!r}")
    module, name = _CLASSES[driver]
    return getattr(import_module(f"{__name__}.{module}"), name)
