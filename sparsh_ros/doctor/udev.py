# SPDX-License-Identifier: Apache-2.0
"""The udev rules of gel cameras: whether they are there, and how they get there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sparsh_ros.doctor.machine import Machine
from sparsh_ros.doctor.report import Finding, note, ok
from sparsh_ros.errors import SparshError
from sparsh_ros.resources import config_path

NAME = "70-sparsh-ros.rules"
TARGET = f"/etc/udev/rules.d/{NAME}"
INSTALL = "sparsh-ros doctor --install-udev"

# Where udev reads rules; the first file of a name counts.
_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_APPLY = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--subsystem-match=video4linux", "--settle"),
)


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the rules are there and are those of this version."""
    if not machine.path("/run/udev/control").exists():
        yield note(
            "udev does not run here, as in most containers: names and rights of cameras come from "
            f"the host; rules for it: {shipped()}"
        )
        return
    path = _installed(machine)
    if path is None:
        yield note(
            f"{NAME} is not installed",
            f"`{INSTALL}`: rights, and names in /dev/tactile that stay the same on every port",
        )
    elif not _is_ours(path):
        yield note(f"{path} is not of this package", f"rename {path}, then `{INSTALL}`")
    elif path.read_bytes() != shipped().read_bytes():
        yield note(f"{path} is of another version, or was edited", f"`{INSTALL}` replaces it")
    else:
        yield ok(f"{path} is up to date")


def install(
    machine: Machine, execute: Callable[[Sequence[str]], None] | None = None
) -> Iterator[str]:
    """Put the rules where udev reads them and apply them; yields what was done.

    Safe to repeat. An older version of the file is kept beside it, under its name with ".old".

    Args:
        machine: where to.
        execute: runs a command, None for `subprocess`; raises OSError or CalledProcessError.

    Raises:
        SparshError: a file of that name is not ours, or may not be written; or udev does not
            answer. The message names the command to run instead.
    """
    target = machine.path(TARGET)
    try:
        if target.exists() and not _is_ours(target):
            raise SparshError(
                f"{target}: wanted a file of sparsh_ros to replace, found another one; rename it, "
                f"then `{INSTALL}`"
            )
        yield from _write(target, shipped().read_bytes())
    except OSError as error:
        raise SparshError(
            f"{target}: cannot be written ({error.strerror}); run\n  {_by_hand()}"
        ) from error
    for command in _APPLY:
        yield f"ran {shlex.join(command)}"
        try:
            (execute or _execute)(command)
        except (OSError, subprocess.SubprocessError) as error:
            raise SparshError(
                f"{shlex.join(command)}: failed ({_reason(error)}); the rules hold from the next "
                "start of the machine, or once a sensor is plugged in again"
            ) from error


def shipped() -> Path:
    """The file of rules that comes with this package."""
    return config_path("udev", NAME)


def _write(target: Path, content: bytes) -> Iterator[str]:
    if target.is_file() and target.read_bytes() == content:
        yield f"{target} is up to date"
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        old = target.with_name(f"{NAME}.old")
        shutil.copyfile(target, old)
        yield f"kept the version before as {old}"
    # Never half a file where udev reads it.
    draft = target.with_name(f"{NAME}.new")
    draft.write_bytes(content)
    draft.chmod(0o644)
    os.replace(draft, target)
    yield f"wrote {target}"


def _installed(machine: Machine) -> Path | None:
    paths = (machine.path(f"{folder}/{NAME}") for folder in _FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file, shipped().open("rb") as ours:
        return file.readline() == ours.readline()


def _by_hand() -> str:
    # Not this program under sudo, which would drop the environment that it is found in.
    copy = ("install", "-m", "644", str(shipped()), TARGET)
    return " && ".join(f"sudo {shlex.join(command)}" for command in (copy, *_APPLY))


def _execute(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)


def _reason(error: Exception) -> str:
    said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return said[-1] if said else type(error).__name__
