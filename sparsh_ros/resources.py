# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that ship with the package: configuration, weights, message types."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from sparsh_ros.errors import SparshError

_PACKAGE = Path(__file__).resolve().parent


def config_path(*parts: str) -> Path:
    """Path of a configuration file or folder, such as `config_path("sensors", "digit.yaml")`.

    Raises:
        SparshError: no installed `config` folder holds it.
    """
    folders = list(_config_folders())
    for folder in folders:
        path = folder.joinpath(*parts)
        if path.exists():
            return path
    looked = ", ".join(str(folder) for folder in folders) or "no config folder found"
    raise SparshError(
        f"config/{'/'.join(parts)}: not found (looked in: {looked}); install the package again"
    )


def weights_path(*parts: str) -> Path:
    """Path inside the folder of the weights that ship, whether or not it exists."""
    return _PACKAGE.joinpath("weights", *parts)


def message_definitions() -> list[Path]:
    """The `.msg` files of this package, sorted.

    Raises:
        SparshError: they are not installed.
    """
    # In the wheel not below `msg`: that is the name of the generated Python module.
    for folder in _folders("message_definitions", "msg"):
        if paths := sorted(folder.glob("*.msg")):
            return paths
    raise SparshError("message definitions (msg/*.msg): not found; install the package again")


def user_data_path(*parts: str) -> Path:
    """Path inside this package's folder in the user's data folder, whether or not it exists.

    That is $XDG_DATA_HOME, or ~/.local/share (XDG Base Directory Specification).

    Raises:
        SparshError: the user has no home folder.
    """
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    try:
        folder = given if given.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise SparshError(
            "user's data folder: found neither XDG_DATA_HOME nor a home folder; set XDG_DATA_HOME"
        ) from error
    return folder.joinpath("sparsh_ros", *parts)


def _config_folders() -> Iterator[Path]:
    return _folders("config", "config")


def _folders(in_wheel: str, name: str) -> Iterator[Path]:
    """The folders of a name there are: of the wheel, of the source checkout, of the prefixes."""
    candidates = [_PACKAGE / in_wheel]
    if (_PACKAGE.parent / "package.xml").is_file():
        candidates.append(_PACKAGE.parent / name)
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in [*filter(None, prefixes), sys.prefix]:
        candidates.append(Path(prefix, "share", "sparsh_ros", name))
    return (folder for folder in candidates if folder.is_dir())
