# SPDX-License-Identifier: Apache-2.0
"""Which sensors there are: from a file, or from settings that describe one or several of a kind.

All nodes of a graph are given the same description and read the same sensors from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.settings import RIG, Setting, Value
from sparsh_ros.sensors import driver_settings, load_profile
from sparsh_ros.sensors.rig import SensorEntry, check_rig, load_rig

_OF_ALL = ("sensors", "names", "sensor", "source", "background")


class Given(Protocol):
    """The values of settings.RIG, by name: parameters of a node, or arguments of a graph."""

    def __getitem__(self, name: str) -> Value: ...


def entries(given: Given) -> tuple[SensorEntry, ...]:
    """The sensors that the settings describe.

    Raises:
        ParameterError: the file cannot be used, or settings do not go together.
    """
    if given["sensors"]:
        refuse_beside_file(given, RIG)
        return load_rig(given["sensors"])
    _refuse_foreign(given)
    names = _words(given["names"]) or [given["sensor"]]
    if len(names) > 1 and given["background"]:
        raise ParameterError(
            f"background: wanted one for each sensor, as no two gels look alike, found "
            f"{given['background']!r} for {len(names)}; name them in a file, see `sensors`"
        )
    serials = _serials(given["serial"], len(names))
    rig = tuple(
        _entry(given, index, name, serial)
        for index, (name, serial) in enumerate(zip(names, serials, strict=True))
    )
    check_rig(rig)
    return rig


def own_entry(given: Given) -> SensorEntry:
    """The sensor that the setting `name` picks; empty: the only one.

    Raises:
        ParameterError: there is none of that name, or several and no name; or see `entries`.
    """
    rig = entries(given)
    if not given["name"] and len(rig) == 1:
        return rig[0]
    for entry in rig:
        if entry.name == given["name"]:
            return entry
    known = ", ".join(entry.name for entry in rig)
    raise ParameterError(f"name: wanted one of {known}, found {given['name']!r}")


def refuse_beside_file(given: Given, table: Mapping[str, Setting]) -> None:
    """Raise ParameterError if settings of sensors, which a file decides, differ from `table`."""
    if changed := [name for name in _changed(given, table) if name != "sensors"]:
        raise ParameterError(
            f"sensors: wanted a file or settings of sensors, found both ({', '.join(changed)}); "
            "write these into the file"
        )


def _changed(given: Given, table: Mapping[str, Setting]) -> list[str]:
    return [name for name in RIG if given[name] != table[name].value]


def _driver(given: Given) -> str:
    return given["sensor"] if given["source"] == "camera" else given["source"]


def _refuse_foreign(given: Given) -> None:
    """What the driver would not heed: whoever sets a serial number does not want a simulation."""
    heeded = {*_OF_ALL, *driver_settings(_driver(given))}
    if foreign := [name for name in _changed(given, RIG) if name not in heeded]:
        raise ParameterError(
            f"{foreign[0]}: has no meaning for source {given['source']} of a {given['sensor']}, "
            f"found {given[foreign[0]]!r}; leave it out or choose another source"
        )


def _serials(text: str, count: int) -> list[str]:
    serials = _words(text) or [""] * count
    if len(serials) != count:
        raise ParameterError(
            f"serial: wanted {count}, one for each sensor, found {len(serials)}: {text!r}"
        )
    return serials


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _entry(given: Given, index: int, name: str, serial: str) -> SensorEntry:
    own = {"serial": serial, "seed": given["seed"] + index, "rate_hz": given["rate_hz"] or None}
    settings = {
        key: own.get(key, given[key]) for key in driver_settings(_driver(given)) if key in RIG
    }
    return SensorEntry(
        name=name,
        driver=_driver(given),
        profile=load_profile(given["sensor"]),
        settings=settings,
        background=Path(given["background"]) if given["background"] else None,
    )
