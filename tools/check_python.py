# SPDX-License-Identifier: Apache-2.0
"""Stops `make` with a sentence where this interpreter cannot build the environment.

python tools/check_python.py kilted        # or jazzy
"""

import importlib.util
import sys
import sysconfig
from pathlib import Path

OLDEST = (3, 11)
NEWEST = {"jazzy": (3, 12)}  # that the NumPy of its time has wheels for


def problem(distribution: str) -> str:
    """What is wrong with this interpreter, and what to do about it; "" where nothing is."""
    found, newest = sys.version_info[:2], NEWEST.get(distribution, sys.version_info[:2])
    text = ".".join(map(str, found))
    if not OLDEST <= found <= newest:
        wanted = ".".join(map(str, OLDEST))
        wanted += " or newer" if found < OLDEST else f" to {'.'.join(map(str, newest))}"
        return f"is Python {text}, wanted {wanted}; try make PYTHON=/path/to/python3"
    if not importlib.util.find_spec("ensurepip"):
        return f"has no venv module; install it: apt install python{text}-venv"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.is_file():
        return f"has no headers ({header}); install them: apt install python{text}-dev"
    return ""


if __name__ == "__main__":
    said = problem(*sys.argv[1:])
    if said:
        sys.exit(f"{sys.executable} {said}")
