# SPDX-License-Identifier: Apache-2.0
"""The user's data folder, which keeps the backgrounds of the sensors."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sparsh_ros.doctor.findings import Finding, ok, problem
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.errors import SparshError
from sparsh_ros.resources import user_data_path


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the folder can be written to, and which backgrounds it holds."""
    try:
        folder = user_data_path("backgrounds")
    except SparshError as error:
        yield problem(f"{error}; backgrounds will not be kept", "`export XDG_DATA_HOME=FOLDER`")
        return
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield problem(
            f"{folder}: cannot be written to, because of {existing}; backgrounds will not be kept",
            f"`sudo install -d -o {machine.user()} {folder}`, or set XDG_DATA_HOME to a folder of "
            "yours",
        )
    else:
        yield ok(f"{folder} can be written to")
    stored = sorted(path.stem for path in folder.glob("*.png"))
    yield ok(f"backgrounds kept: {', '.join(stored) or 'none yet'}")
