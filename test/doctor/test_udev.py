# SPDX-License-Identifier: Apache-2.0
"""The udev rules: whether they are there, and their installation below a folder."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from sparsh_ros.doctor import udev
from sparsh_ros.doctor.report import Mark
from sparsh_ros.errors import SparshError
from sparsh_ros.sensors.cameras.discovery import find_usb_sensors

APPLY = [
    ["udevadm", "control", "--reload"],
    ["udevadm", "trigger", "--subsystem-match=video4linux", "--settle"],
]


class Commands:
    """Takes note of commands in place of running them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seen: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> None:
        """Note one."""
        self.seen.append(list(command))


def target(machine) -> Path:
    return machine.path(udev.TARGET)


def test_installation_writes_the_rules_and_applies_them(machine) -> None:
    commands = Commands()
    done = list(udev.install(machine, commands))
    assert target(machine).read_bytes() == udev.shipped().read_bytes()
    assert target(machine).stat().st_mode & 0o777 == 0o644
    assert commands.seen == APPLY
    assert done[0] == f"wrote {target(machine)}" and "ran udevadm control --reload" in done
    assert os.listdir(target(machine).parent) == [udev.NAME]


def test_installation_can_be_repeated(machine) -> None:
    for _ in range(2):
        commands = Commands()
        done = list(udev.install(machine, commands))
    assert done[0] == f"{target(machine)} is up to date"
    assert commands.seen == APPLY
    assert os.listdir(target(machine).parent) == [udev.NAME]


def test_installation_keeps_the_version_before(machine) -> None:
    first_line = udev.shipped().read_text().splitlines()[0]
    target(machine).parent.mkdir(parents=True)
    target(machine).write_text(f"{first_line}\n# edited\n")
    done = list(udev.install(machine, Commands()))
    assert target(machine).read_bytes() == udev.shipped().read_bytes()
    old = target(machine).with_name(f"{udev.NAME}.old")
    assert old.read_text() == f"{first_line}\n# edited\n"
    assert any(str(old) in line for line in done)


def test_installation_leaves_the_file_of_somebody_else(machine) -> None:
    target(machine).parent.mkdir(parents=True)
    target(machine).write_text("# mine\n")
    commands = Commands()
    with pytest.raises(SparshError, match="found another one; rename it") as caught:
        list(udev.install(machine, commands))
    assert str(target(machine)) in str(caught.value)
    assert target(machine).read_text() == "# mine\n" and commands.seen == []


def test_installation_without_rights_names_the_command(machine, monkeypatch) -> None:
    def refuse(*_arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    commands = Commands()
    with pytest.raises(SparshError, match="Permission denied") as caught:
        list(udev.install(machine, commands))
    command = str(caught.value).splitlines()[1].strip()
    assert command == (
        f"sudo install -m 644 {udev.shipped()} {udev.TARGET} && sudo udevadm control --reload && "
        "sudo udevadm trigger --subsystem-match=video4linux --settle"
    )
    assert commands.seen == []


def test_file_that_cannot_be_read_is_told_in_the_same_way(machine, monkeypatch) -> None:
    target(machine).parent.mkdir(parents=True)
    target(machine).touch()

    def refuse(*_arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SparshError, match="Permission denied.*\n  sudo install"):
        list(udev.install(machine, Commands()))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file"), "No such file"),
        (subprocess.CalledProcessError(1, "udevadm", stderr="a\nno daemon\n"), r"\(no daemon\)"),
    ],
)
def test_udev_that_does_not_answer(machine, error: Exception, reason: str) -> None:
    def fail(_command: Sequence[str]) -> None:
        raise error

    with pytest.raises(SparshError, match=reason) as caught:
        list(udev.install(machine, fail))
    assert "next start of the machine" in str(caught.value)
    assert target(machine).is_file()


def test_rules_are_missing_current_old_or_of_somebody_else(machine) -> None:
    (finding,) = udev.check(machine)
    assert finding.mark is Mark.NOTE and "--install-udev" in finding.remedy
    list(udev.install(machine, Commands()))
    (finding,) = udev.check(machine)
    assert finding.mark is Mark.OK and "up to date" in finding.text
    with target(machine).open("a") as file:
        file.write("# edited\n")
    (finding,) = udev.check(machine)
    assert finding.mark is Mark.NOTE and "another version" in finding.text
    target(machine).write_text("# mine\n")
    (finding,) = udev.check(machine)
    assert finding.mark is Mark.NOTE and "not of this package" in finding.text


def test_rules_that_a_distribution_installed(machine) -> None:
    path = machine.path(f"/usr/lib/udev/rules.d/{udev.NAME}")
    path.parent.mkdir(parents=True)
    path.write_bytes(udev.shipped().read_bytes())
    (finding,) = udev.check(machine)
    assert finding.mark is Mark.OK and str(path) in finding.text


def test_container_without_udev(machine) -> None:
    machine.path("/run/udev/control").unlink()
    (finding,) = udev.check(machine)
    assert finding.mark is Mark.NOTE and str(udev.shipped()) in finding.text


def test_the_rules_know_the_sensors_that_the_drivers_know(machine) -> None:
    rules = udev.shipped().read_text()
    for number, kind in enumerate(("2833:0209", "0c45:636d")):
        vendor, product = kind.split(":")
        device = machine.path(f"/sys/bus/usb/devices/1-{number}")
        device.mkdir()
        (device / "idVendor").write_text(vendor)
        (device / "idProduct").write_text(product)
        assert f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"' in rules
    kinds = {sensor.sensor_type for sensor in find_usb_sensors(machine.path("/sys"))}
    assert kinds == {"digit", "gelsight_mini"}
