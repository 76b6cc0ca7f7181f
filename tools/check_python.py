# SPDX-License-Identifier: Apache-2.0
"""Stops `make` with a sentence where this interpreter cannot build the environment."""

import importlib.util
import sys
import sysconfig
from pathlib import Path

WANTED = (3, 11)


def problem() -> str:
    """What is wrong with this interpreter, and what to do about it; "" where nothing is."""
    found = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < WANTED:
        wanted = f"{WANTED[0]}.{WANTED[1]}"
        return f"is Python {found}, wanted {wanted} or newer; try make PYTHON=/path/to/python3"
    if not importlib.util.find_spec("ensurepip"):
        return f"has no venv module; install it: apt install python{found}-venv"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.is_file():
        return f"has no headers ({header}); install them: apt install python{found}-dev"
    return ""


if problem():
    sys.exit(f"{sys.executable} {problem()}")
