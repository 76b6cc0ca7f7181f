# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that ship with the package: configuration and weights."""

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


def _config_folders() -> Iterator[Path]:
    """The `config` folders there are: of the wheel, of the source checkout, of the prefixes."""
    candidates = [_PACKAGE / "config"]
    if (_PACKAGE.parent / "package.xml").is_file():
        candidates.append(_PACKAGE.parent / "config")
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in [*filter(None, prefixes), sys.prefix]:
        candidates.append(Path(prefix, "share", "sparsh_ros", "config"))
    return (folder for folder in candidates if folder.is_dir())
