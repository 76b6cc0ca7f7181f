# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about cables, hubs and sensors that are no camera."""

from __future__ import annotations

import pytest

from sparsh_ros.doctor import cameras, usb
from sparsh_ros.doctor.findings import Mark
from sparsh_ros.sensors.cameras.discovery import TactileCamera


def write_device(machine, port: str, identity: str) -> None:
    folder = machine.path(f"/sys/bus/usb/devices/{port}")
    folder.mkdir()
    for name, text in zip(("idVendor", "idProduct"), identity.split(":"), strict=True):
        (folder / name).write_text(text + "\n")


def test_sensor_on_a_slow_port(machine, plug) -> None:
    plug("digit", "D1", "1-1", speed="12")
    (problem,) = [f for f in cameras.check(machine) if f.mark is Mark.PROBLEM]
    assert "only 12 Mbit/s; it needs 480" in problem.text and "another port" in problem.remedy


def test_digit_in_its_bootloader(machine) -> None:
    write_device(machine, "1-3", "0403:0fde")
    (finding,) = usb.check_without_camera(machine, [])
    assert finding.mark is Mark.PROBLEM
    assert "port 1-3: a DIGIT in its bootloader" in finding.text and "firmware" in finding.remedy


def test_sensor_of_which_the_kernel_made_no_camera(machine, plug) -> None:
    plug("digit", "D1", "1-1")
    write_device(machine, "1-3", "0c45:636d")
    (problem,) = [f for f in cameras.check(machine) if f.mark is Mark.PROBLEM]
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
    findings = list(usb.check_bandwidth(sensors))
    assert len(findings) == bool(wanted)
    for finding in findings:
        assert finding.mark is Mark.NOTE and "No space left on device" in finding.remedy
        assert wanted in finding.text
