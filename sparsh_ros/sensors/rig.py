# SPDX-License-Identifier: Apache-2.0
"""The gel sensors of one robot, read from a file such as config/hand.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from sparsh_ros import names
from sparsh_ros.errors import MissingDependencyError, ParameterError, SparshError
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import DRIVERS, driver_settings, open_sensor
from sparsh_ros.sensors.base import Sensor
from sparsh_ros.sensors.profiles import (
    SensorProfile,
    list_profiles,
    load_profile,
    override_profile,
)

_WITHOUT_KIND = ("simulated", "video")
_OWN_KEYS = ("name", "driver", "kind", "frame", "background", "profile")
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")


@dataclass(frozen=True)
class SensorEntry:
    """One gel sensor of a robot.

    Attributes:
        name: prefixes its topics where there are several sensors, and its frames.
        driver: one of sensors.DRIVERS.
        profile: of its kind, with what is special about this one.
        settings: what the driver takes besides, such as serial, rate_hz or input.
        gel_frame: frame of the estimates; "<name>_gel_frame" where none is given.
        background: image file of the untouched gel; None: captured at start.
    """

    name: str
    driver: str
    profile: SensorProfile
    settings: Mapping[str, Any] = field(default_factory=dict)
    gel_frame: str = ""
    background: Path | None = None

    def __post_init__(self) -> None:
        if not self.gel_frame:
            object.__setattr__(self, "gel_frame", names.gel_frame(self.name))

    @property
    def optical_frame(self) -> str:
        """Frame of the images: z into the gel's back, x right, y down."""
        return names.optical_frame(self.name)

    def open(self) -> Sensor:
        """Make the sensor; it opens its device or file when started.

        Raises:
            SparshError: a setting has a value that cannot be used, or needs a missing package.
        """
        return open_sensor(self.driver, self.profile, **self.settings)


def rig_path(given: str | Path) -> Path:
    """Absolute path of a rig file: `given`, else the one that ships, as "config/hand.yaml".

    Raises:
        ParameterError: there is no such file.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return path.resolve()
    with suppress(SparshError):
        return config_path(str(given).removeprefix("config/"))
    raise ParameterError(
        f"sensors: wanted a YAML file of sensors, found none at {path.absolute()} and none of that "
        "name that ships; copy config/hand.yaml and give the path of your copy"
    )


def load_rig(given: str | Path) -> tuple[SensorEntry, ...]:
    """Read the sensors of a robot.

    Relative paths in the file are taken from its folder.

    Raises:
        ParameterError: the file is missing or holds something else; the message names the file,
            the sensor, the key, and what was wanted and found.
    """
    path = rig_path(given)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"{path}: cannot be read ({reason})") from error
    listed = content.get("sensors") if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(listed, list) or not listed:
        raise ParameterError(f"{path}: wanted the one key `sensors` with a list of sensors")
    rig = tuple(_entry(item, number, path) for number, item in enumerate(listed, start=1))
    try:
        check_rig(rig)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    return rig


def check_rig(rig: Sequence[SensorEntry]) -> None:
    """Raise ParameterError unless the sensors can live side by side.

    Their names differ and can be part of a topic's name, and no two may get the same camera.
    """
    names = set()
    for entry in rig:
        if not _NAME.fullmatch(entry.name):
            raise ParameterError(
                "name: wanted a letter, then letters, digits and single underscores, "
                f"found {entry.name!r}"
            )
        if entry.name in names:
            raise ParameterError(f"name: wanted a different one for each, found {entry.name} twice")
        names.add(entry.name)
    for former, later in combinations(rig, 2):
        if _could_be_one(former, later):
            raise ParameterError(
                f"{former.name} and {later.name}: wanted a camera of its own for each, found one "
                f"{later.driver} for both; give each its serial number"
            )


def _could_be_one(former: SensorEntry, later: SensorEntry) -> bool:
    """Whether both may open the same camera: without a serial number the only one plugged in."""
    if former.driver != later.driver or former.driver in _WITHOUT_KIND:
        return False
    inputs = [entry.settings.get("input") for entry in (former, later)]
    if any(given not in (None, "") for given in inputs):
        return inputs[0] == inputs[1]
    serials = {entry.settings.get("serial") for entry in (former, later)}
    return len(serials) == 1 or not all(serials)


def _entry(item: object, number: int, path: Path) -> SensorEntry:
    if not isinstance(item, dict):
        raise ParameterError(f"{path}: sensor {number}: wanted keys and values, found {item!r}")
    where = f"{path}: sensor {item.get('name', number)}"
    try:
        entry = _parsed(item, path.parent)
        # Made once to try the settings. What a driver lacks here may be there where it will run.
        with suppress(MissingDependencyError):
            entry.open()
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None
    return entry


def _parsed(item: Mapping[str, Any], folder: Path) -> SensorEntry:
    name, driver = _text(item, "name"), _text(item, "driver")
    takes = driver_settings(driver)
    settings = {key: value for key, value in item.items() if key not in _OWN_KEYS}
    for key, value in settings.items():
        _check_setting(key, value, takes, driver)
    recording = settings.get("input")
    if driver == "video" and isinstance(recording, str) and recording:
        path = folder / recording
        settings["input"] = path if path.exists() else recording
    background = _text(item, "background", "")
    return SensorEntry(
        name=name,
        driver=driver,
        profile=_profile(item, driver),
        settings=settings,
        gel_frame=_text(item, "frame", ""),
        background=folder / background if background else None,
    )


def _text(item: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = item.get(key, default)
    if value is None:
        hint = f", one of {', '.join(DRIVERS)}" if key == "driver" else ""
        raise ParameterError(f"{key}: wanted one{hint}, found none")
    if not isinstance(value, str):
        raise ParameterError(f"{key}: wanted text, found {value!r}")
    return value


def _check_setting(key: str, value: object, takes: Mapping[str, tuple], driver: str) -> None:
    if key not in takes:
        known = ", ".join([*_OWN_KEYS, *takes])
        raise ParameterError(f"{key}: driver {driver} wants some of {known}; found {value!r}")
    allowed = takes[key]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if type(value) not in allowed and not (is_number and float in allowed):
        wanted = " or ".join(words for kind, words in _TYPES.items() if kind in allowed)
        raise ParameterError(f"{key}: wanted {wanted}, found {value!r}")


def _profile(item: Mapping[str, Any], driver: str) -> SensorProfile:
    kind = driver
    if driver in _WITHOUT_KIND:
        kind = _text(item, "kind", "digit")
    elif "kind" in item:
        raise ParameterError(f"kind: only for driver {' or '.join(_WITHOUT_KIND)}; leave it out")
    if kind not in list_profiles():
        raise ParameterError(f"kind: wanted one of {', '.join(list_profiles())}, found {kind!r}")
    changes = item.get("profile", {})
    if not isinstance(changes, dict):
        raise ParameterError(f"profile: wanted fields to change, found {changes!r}")
    try:
        return override_profile(load_profile(kind), changes)
    except ParameterError as error:
        raise ParameterError(f"profile: {error}") from None
