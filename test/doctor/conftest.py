# SPDX-License-Identifier: Apache-2.0
"""A machine for the doctor, made of files in a temporary folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sparsh_ros.bench.faulty_camera import FaultyCamera, FaultyHost
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.sensors.v4l2_modes import OfferedMode

MODES = {
    "digit": [OfferedMode("YUYV", 320, 240, ((60.0, 60.0), (30.0, 30.0)))],
    "gelsight_mini": [OfferedMode("MJPG", 3280, 2464, ((25.0, 25.0),))],
    "": [],
}


@dataclass(frozen=True)
class FakeMachine(Machine):
    """A machine whose cameras answer, or refuse, as they are told.

    Attributes:
        answers: by device node, what its camera offers, or the error with which it refuses.
        group: that of all device nodes.
        now, later: groups of the user, and those that count from the next login on.
    """

    answers: dict[str, list[OfferedMode] | OSError] = field(default_factory=dict)
    group: str = "video"
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)

    def modes(self, device: str) -> list[OfferedMode]:
        """See Machine."""
        answer = self.answers[device]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def user(self) -> str:
        """See Machine."""
        return "ada"

    def group_of(self, device: str) -> str:
        """See Machine."""
        return self.group

    def session_groups(self) -> set[str]:
        """See Machine."""
        return self.now

    def is_member(self, group: str) -> bool:
        """See Machine."""
        return group in self.later

    def start(self, pid: int, command: str, *opened: str) -> None:
        """Have a process run that holds files open."""
        folder = self.path(f"/proc/{pid}")
        (folder / "fd").mkdir(parents=True)
        (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode() + b"\0")
        for number, path in enumerate(opened, 3):
            (folder / "fd" / str(number)).symlink_to(path)


class Plugs:
    """Plugs cameras that work into a machine."""

    def __init__(self, machine: FakeMachine) -> None:
        """Begin without cameras."""
        self._machine = machine
        self._host = FaultyHost(machine.path("/sys"))

    def __call__(self, kind: str, serial: str, port: str, speed: str = "480") -> str:
        """Plug a camera in; returns its device node."""
        camera = FaultyCamera(kind, serial)
        self._host.plug(camera, port)
        usb = self._machine.path(f"/sys/devices/usb1/{port}")
        (usb / "speed").write_text(speed + "\n")
        listed = self._machine.path(f"/sys/bus/usb/devices/{port}")
        listed.symlink_to(usb)
        self._machine.path(camera.path).touch()
        self._machine.answers[camera.path] = MODES[kind]
        return camera.path


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """A machine with USB and udev, and without cameras, ROS or GPU."""
    for folder in ("sys/bus/usb/devices", "dev", "proc", "etc", "run/udev"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "run/udev/control").touch()
    return FakeMachine(tmp_path, {"PATH": "/nowhere"})


@pytest.fixture
def plug(machine: FakeMachine) -> Plugs:
    """Plugs a camera into `machine`: kind, serial number, port and speed in Mbit/s."""
    return Plugs(machine)
