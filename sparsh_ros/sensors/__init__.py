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
_CLASSES = {"simulated": "SimulatedSensor", "video": "VideoSensor"}
DRIVERS = tuple(_CLASSES)


def open_sensor(
    driver: str, profile: str | Path | SensorProfile = "digit", **settings: Any
) -> Sensor:
    """Make a sensor; it opens its device or file when started.

    Args:
        driver: "simulated" or "video".
        profile: kind of sensor: a name, a YAML file, or a profile already read.
        settings: what the driver takes: see SimulatedSensor and VideoSensor.

    Raises:
        ParameterError: unknown driver, profile or setting, or a setting that cannot be used.
    """
    if driver not in _CLASSES:
        raise ParameterError(f"driver: wanted one of {', '.join(DRIVERS)}, found {driver!r}")
    kind = getattr(import_module(f"{__name__}.{driver}"), _CLASSES[driver])
    if not isinstance(profile, SensorProfile):
        profile = load_profile(profile)
    try:
        inspect.signature(kind).bind(profile, **settings)
    except TypeError as error:
        raise ParameterError(f"driver {driver}: {error}") from None
    return kind(profile, **settings)
