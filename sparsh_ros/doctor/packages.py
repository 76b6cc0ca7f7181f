# SPDX-License-Identifier: Apache-2.0
"""The Python packages that everything else needs."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
from collections.abc import Iterator

from sparsh_ros import __version__
from sparsh_ros.doctor.findings import Finding, ok, problem
from sparsh_ros.doctor.machine import Machine

# Name to import, and to install.
_NEEDED = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "onnxruntime": "onnxruntime",
    "yaml": "PyYAML",
}
_OPTIONAL = ("torch", "safetensors", "digit_interface", "cv_bridge", "tf_transformations")


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the needed packages can be imported, which versions, and what else is here."""
    versions = [f"sparsh_ros {__version__}", f"Python {platform.python_version()}"]
    for name, project in _NEEDED.items():
        try:
            version = getattr(importlib.import_module(name), "__version__", "")
        except Exception as error:  # a broken build may raise anything
            yield problem(
                f"{name} cannot be imported: {_first_line(error)}",
                f"`{sys.executable} -m pip install --force-reinstall {project}`",
            )
        else:
            versions.append(f"{name} {version}".rstrip())
    yield ok(", ".join(versions))
    here = [name for name in _OPTIONAL if importlib.util.find_spec(name)]
    missing = [name for name in _OPTIONAL if name not in here]
    yield ok(f"optional: {', '.join(here) or 'none'}; not here: {', '.join(missing) or 'none'}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
