# SPDX-License-Identifier: Apache-2.0
"""What the doctor looks at: files below a root folder, the environment, the user, the cameras."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsh_ros.sensors.cameras.v4l2_modes import OfferedMode


@dataclass(frozen=True, slots=True)
class Process:
    """A running program.

    Attributes:
        pid: its process number.
        command: how it was started.
    """

    pid: int
    command: str


@dataclass(frozen=True)
class Machine:
    """This machine; tests make one of a folder.

    Attributes:
        root: the folder that holds sys, proc, dev, etc and run.
        environ: environment variables.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def path(self, absolute: str) -> Path:
        """Where a file of the machine lies, given as "/etc/..."."""
        return self.root / absolute.lstrip("/")

    def modes(self, device: str) -> list[OfferedMode]:
        """What a camera offers; raises OSError where it cannot be opened."""
        # Not above, because it needs OpenCV, of which the doctor may have to say that it is broken.
        from sparsh_ros.sensors.cameras.v4l2_modes import offered_modes

        return offered_modes(str(self.path(device)))

    def user(self) -> str:
        """Name of the user, or their number where it has no name."""
        try:
            return pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            return str(os.geteuid())

    def group_of(self, device: str) -> str:
        """The group that may use a device node."""
        return _group_name(self.path(device).stat().st_gid)

    def session_groups(self) -> set[str]:
        """Groups that this process is in."""
        return {_group_name(number) for number in (os.getegid(), *os.getgroups())}

    def is_member(self, group: str) -> bool:
        """Whether the user belongs to a group, even if only from the next login on."""
        try:
            return self.user() in grp.getgrnam(group).gr_mem
        except KeyError:
            return False

    def processes_using(self, device: str) -> list[Process]:
        """Programs that hold a device node open, without those that only root may look into."""
        folders = (folder for folder in self.path("/proc").glob("[0-9]*"))
        return [
            Process(int(folder.name), _command(folder))
            for folder in sorted(folders, key=lambda folder: int(folder.name))
            if device in _open_files(folder)
        ]


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _open_files(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            yield os.readlink(link)
    except OSError:  # of another user, or ended meanwhile
        return


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown"
    return " ".join(filter(None, words)) or "unknown"
