# SPDX-License-Identifier: Apache-2.0
"""Gel sensors: whatever their kind, they hand out stamped standard images."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors.base import Sensor, SensorStatus
from sparsh_ros.sensors.profiles import SensorProfile, list_profiles, load_profile

__all__ = [
    "DRIVERS",
    "Sensor",
    "SensorProfile",
    "SensorStatus",
    "list_profiles",
    "load_profile",
    "open_sensor",
]

# Imported on use, so that a recording can be played without what the simulation needs.
_CLASSES = {
    "simulated": ("simulated", "SimulatedSensor"),
    "video": ("video", "VideoSensor"),
    "digit": ("digit", "DigitSensor"),
    "gelsight_mini": ("gelsight", "GelSightMiniSensor"),
    "gelsight_2017": ("gelsight", "GelSight2017Sensor"),
}
DRIVERS = tuple(_CLASSES)


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
    if driver not in _CLASSES:
        raise ParameterError(f"driver: wanted one of {', '.join(DRIVERS)}, found {driver!r}")
    module, name = _CLASSES[driver]
    kind = getattr(import_module(f"{__name__}.{module}"), name)
    if profile is None:
        profile = driver if driver in list_profiles() else "digit"
    if not isinstance(profile, SensorProfile):
        profile = load_profile(profile)
    try:
        inspect.signature(kind).bind(profile, **settings)
    except TypeError as error:
        raise ParameterError(f"driver {driver}: {error}") from None
    return kind(profile, **settings)
