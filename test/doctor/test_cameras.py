# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about the sensors that are plugged in."""

from __future__ import annotations

import errno
import os

import pytest

from sparsh_ros.doctor import cameras, ros
from sparsh_ros.doctor.report import Finding, Mark
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.cameras.discovery import TactileCamera
from sparsh_ros.sensors.cameras.v4l2_modes import OfferedMode


def write_device(machine, port: str, identity: str) -> None:
    folder = machine.path(f"/sys/bus/usb/devices/{port}")
    folder.mkdir()
    for name, text in zip(("idVendor", "idProduct"), identity.split(":"), strict=True):
        (folder / name).write_text(text + "\n")


def problems(machine) -> list[Finding]:
    return [finding for finding in cameras.check(machine) if finding.mark is Mark.PROBLEM]


def texts(machine, mark: Mark) -> str:
    return "\n".join(finding.text for finding in cameras.check(machine) if finding.mark is mark)


def test_sensor_that_works(machine, plug) -> None:
    path = plug("digit", "D20123", "1-2.4")
    assert {finding.mark for finding in cameras.check(machine)} == {Mark.OK}
    said = texts(machine, Mark.OK)
    assert f"DIGIT D20123: USB port 1-2.4, {path}, 480 Mbit/s" in said
    assert "offers 320x240 at 60/s (YUYV)" in said
    assert "no other program uses it" in said


def test_first_use_names_the_kind_and_a_file_for_several(machine, plug, monkeypatch) -> None:
    monkeypatch.setattr(ros, "has_client", lambda: True)
    plug("gelsight_mini", "28J0-AB12", "1-1")
    assert cameras.first_use(machine) == "`sparsh-ros run --source camera --sensor gelsight_mini`"
    plug("digit", "D1", "1-2")
    assert f"copy {config_path('sensors.yaml')}" in cameras.first_use(machine)
    assert "`sparsh-ros run --sensors COPY`" in cameras.first_use(machine)
    monkeypatch.setattr(ros, "has_client", lambda: False)
    assert "from Python" in cameras.first_use(machine)


def test_no_sensor_says_what_to_do_and_how_to_go_on(machine, plug) -> None:
    plug("", "", "1-1")
    (problem,) = problems(machine)
    assert problem.text == "no DIGIT or GelSight Mini on USB"
    assert "dmesg" in problem.remedy and "sparsh-ros demo" in problem.remedy
    assert 'another camera, "Webcam C310", at /dev/video0' in texts(machine, Mark.NOTE)


def test_no_usb_at_all_is_told_as_a_container(machine) -> None:
    machine.path("/sys/bus/usb/devices").rmdir()
    (problem,) = problems(machine)
    assert "no USB at all" in problem.text and "docker run --device" in problem.remedy


def test_device_node_that_the_container_lacks(machine, plug) -> None:
    path = plug("digit", "D1", "1-1")
    machine.path(path).unlink()
    (problem,) = problems(machine)
    assert f"{path} is missing" in problem.text and f"--device {path}" in problem.remedy


@pytest.mark.parametrize(
    ("group", "now", "later", "text", "remedy"),
    [
        ("video", set(), set(), "not in group video", "`sudo usermod -aG video ada`, then log out"),
        ("video", set(), {"video"}, "only from the next login", "log out and in again"),
        ("video", {"video"}, {"video"}, "do not help", "`sparsh-ros doctor --install-udev`"),
        ("root", set(), set(), "do not help", "`sparsh-ros doctor --install-udev`"),
    ],
)
def test_missing_rights(machine, plug, group, now, later, text, remedy) -> None:
    path = plug("digit", "D1", "1-1")
    machine.answers[path] = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    object.__setattr__(machine, "group", group)
    machine.now.update(now)
    machine.later.update(later)
    (problem,) = problems(machine)
    assert text in problem.text and "Permission denied" in problem.text
    assert problem.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EBUSY, "stop the other program that uses DIGIT D1"),
        (errno.EIO, "unplug DIGIT D1, wait"),
    ],
)
def test_camera_that_cannot_be_opened(machine, plug, number: int, remedy: str) -> None:
    path = plug("digit", "D1", "1-1")
    machine.answers[path] = OSError(number, os.strerror(number))
    (problem,) = problems(machine)
    assert os.strerror(number) in problem.text and problem.remedy.startswith(remedy)


def test_size_that_is_not_offered(machine, plug) -> None:
    path = plug("digit", "D1", "1-1")
    machine.answers[path] = [OfferedMode("YUYV", 160, 120, ((60, 60),))]
    (problem,) = problems(machine)
    assert "wanted 320x240 YUYV or MJPG, found 160x120 YUYV" in problem.text


def test_rate_that_is_not_offered_is_a_note(machine, plug) -> None:
    path = plug("gelsight_mini", "28J0-AB12", "1-1")
    machine.answers[path] = [OfferedMode("MJPG", 3280, 2464, ((18, 18), (9, 9)))]
    assert problems(machine) == []
    assert "wanted 3280x2464 at 25 frames/s, found 9, 18" in texts(machine, Mark.NOTE)


def test_who_uses_a_sensor(machine, plug) -> None:
    first, second = plug("digit", "D1", "1-1"), plug("digit", "D2", "1-2")
    machine.start(812, "/usr/bin/python3 /opt/lib/sparsh_ros/sensor", "/dev/null", second)
    machine.start(os.getpid(), "sparsh-ros doctor", first)  # the doctor itself does not count
    machine.start(7, "cheese", "/dev/video9")
    notes = texts(machine, Mark.NOTE)
    assert notes.count("in use") == 1
    assert "DIGIT D2: in use by process 812 (/usr/bin/python3 /opt/lib/sparsh_ros/sensor)" in notes


def test_without_root_not_all_users_can_be_seen(machine, plug, monkeypatch) -> None:
    plug("digit", "D1", "1-1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "as far as may be seen without root" in texts(machine, Mark.OK)


def test_serial_number_that_two_sensors_have(machine, plug) -> None:
    for port, serial in (("1-1", "D1"), ("1-2", "D1"), ("1-3", "D2")):
        plug("digit", serial, port)
    (problem,) = problems(machine)
    assert "2 sensors are called DIGIT D1 (ports 1-1, 1-2)" in problem.text


def test_sensor_without_a_serial_number(machine, plug) -> None:
    plug("digit", "", "1-1")
    assert "no serial number" in texts(machine, Mark.NOTE)


def test_sensor_on_a_slow_port(machine, plug) -> None:
    plug("digit", "D1", "1-1", speed="12")
    (problem,) = problems(machine)
    assert "only 12 Mbit/s; it needs 480" in problem.text and "another port" in problem.remedy


def test_digit_in_its_bootloader(machine) -> None:
    write_device(machine, "1-3", "0403:0fde")
    (finding,) = cameras.check_without_camera(machine, [])
    assert finding.mark is Mark.PROBLEM
    assert "port 1-3: a DIGIT in its bootloader" in finding.text and "firmware" in finding.remedy


def test_sensor_of_which_the_kernel_made_no_camera(machine, plug) -> None:
    plug("digit", "D1", "1-1")
    write_device(machine, "1-3", "0c45:636d")
    (problem,) = problems(machine)
    assert problem.text == "USB port 1-3: a GelSight Mini without a video device"
    assert "modprobe uvcvideo" in problem.remedy


@pytest.mark.parametrize(
    ("kinds", "ports", "speed", "wanted"),
    [
        (["gelsight_mini"] * 3, ["1-2.1", "1-2.2", "1-2.4.1"], 480, "port 1-2 and may ask for 74"),
        (
            ["digit"] * 6,
            [f"1-2.{n}" for n in range(6)],
            480,
            "may ask for 55 MB/s, of which it carries 48",
        ),
        (["digit"] * 5, [f"1-2.{n}" for n in range(5)], 480, ""),
        (["gelsight_mini"] * 2, ["1-1", "1-2"], 480, ""),
        (["gelsight_mini"] * 2, ["2-1.1", "2-1.2"], 5000, ""),
    ],
)
def test_sensors_behind_one_cable(kinds, ports, speed, wanted) -> None:
    sensors = [
        TactileCamera(kind, f"S{n}", f"/dev/video{n}", port, "", speed)
        for n, (kind, port) in enumerate(zip(kinds, ports, strict=True))
    ]
    findings = list(cameras.check_bandwidth(sensors))
    assert len(findings) == bool(wanted)
    for finding in findings:
        assert finding.mark is Mark.NOTE and "No space left on device" in finding.remedy
        assert wanted in finding.text
