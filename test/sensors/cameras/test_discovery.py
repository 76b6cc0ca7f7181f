# SPDX-License-Identifier: Apache-2.0
"""Which cameras are found in sysfs, and which of them is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.errors import SensorError
from sparsh_ros.sensors.cameras.discovery import (
    BOOTLOADER,
    TactileCamera,
    UsbSensor,
    choose_camera,
    find_cameras,
    find_usb_sensors,
)


def write_camera(
    sysfs: Path, number: int, usb: dict[str, str], index: str = "0", name: str = "camera"
) -> None:
    """A video node below a USB port, laid out as the kernel does."""
    device = sysfs / "devices" / "usb1" / f"1-{number}"
    node = device / f"1-{number}:1.0" / "video4linux" / f"video{number}"
    node.mkdir(parents=True)
    (node / "device").symlink_to("../..")
    (node / "index").write_text(index + "\n")
    (node / "name").write_text(name + "\n")
    for key, value in usb.items():
        (device / key).write_text(value + "\n")
    links = sysfs / "class" / "video4linux"
    links.mkdir(parents=True, exist_ok=True)
    (links / node.name).symlink_to(node)


DIGIT = {"idVendor": "2833", "idProduct": "0209", "product": "DIGIT"}


def test_no_camera_and_no_sysfs(tmp_path: Path) -> None:
    assert find_cameras(tmp_path) == []


def test_digit_by_its_usb_identity(tmp_path: Path) -> None:
    write_camera(tmp_path, 4, DIGIT | {"serial": "D20123"}, name="DIGIT: DIGIT")
    assert find_cameras(tmp_path) == [
        TactileCamera("digit", "D20123", "/dev/video4", "1-4", "DIGIT")
    ]


@pytest.mark.parametrize(
    ("usb", "name"),
    [
        ({"product": "GelSight Mini R0B 28J0-AB12", "serial": "28J0AB12"}, "GelSight Mini R0B"),
        ({"product": "Arducam"}, "GelSight Mini R0B 28J0-AB12: Ge"),
        ({}, "GelSight Mini R0B 28J0-AB12: Ge"),
    ],
)
def test_gelsight_mini_has_its_serial_in_its_name(
    tmp_path: Path, usb: dict[str, str], name: str
) -> None:
    identity = {"idVendor": "1234", "idProduct": "5678"}
    write_camera(tmp_path, 0, identity | usb, name=name)
    (camera,) = find_cameras(tmp_path)
    assert (camera.sensor_type, camera.serial) == ("gelsight_mini", "28J0-AB12")


def test_gelsight_mini_by_its_usb_identity(tmp_path: Path) -> None:
    write_camera(tmp_path, 0, {"idVendor": "0c45", "idProduct": "636d", "serial": "7"})
    (camera,) = find_cameras(tmp_path)
    assert (camera.sensor_type, camera.serial, camera.name) == ("gelsight_mini", "7", "camera")


def test_other_cameras_have_no_kind_and_metadata_nodes_are_left_out(tmp_path: Path) -> None:
    write_camera(tmp_path, 0, {"idVendor": "046d", "idProduct": "081b"}, name="Webcam")
    write_camera(tmp_path, 1, DIGIT, index="1")
    write_camera(tmp_path, 2, {}, name="not on USB")
    (camera,) = find_cameras(tmp_path)
    assert (camera.sensor_type, camera.serial, camera.path) == ("", "", "/dev/video0")


def test_sorted_by_kind_and_serial_whatever_their_numbers(tmp_path: Path) -> None:
    for number, serial in ((0, "D3"), (2, "D1"), (6, "D2")):
        write_camera(tmp_path, number, DIGIT | {"serial": serial})
    assert [camera.serial for camera in find_cameras(tmp_path)] == ["D1", "D2", "D3"]


def test_node_that_vanishes_meanwhile_is_left_out(tmp_path: Path) -> None:
    links = tmp_path / "class" / "video4linux"
    links.mkdir(parents=True)
    (links / "video0").symlink_to(tmp_path / "gone")
    assert find_cameras(tmp_path) == []


def test_replug_changes_path_and_port_but_not_the_serial(host: FaultyHost) -> None:
    camera = FaultyCamera("digit", "D20123")
    host.plug(camera, "1-2")
    (before,) = host.cameras()
    host.unplug(camera)
    assert host.cameras() == []
    host.plug(camera, "1-3")
    (after,) = host.cameras()
    assert before.serial == after.serial
    assert (before.path, before.port) != (after.path, after.port)


CAMERAS = [
    TactileCamera("digit", "D1", "/dev/video2", "1-2", "DIGIT"),
    TactileCamera("digit", "D2", "/dev/video0", "1-1", "DIGIT"),
    TactileCamera("gelsight_mini", "28J0-AB12", "/dev/video4", "1-3", "GelSight Mini"),
]


def test_choice_by_serial_or_by_being_the_only_one() -> None:
    assert choose_camera(CAMERAS, "digit", "D2") is CAMERAS[1]
    assert choose_camera(CAMERAS, "gelsight_mini") is CAMERAS[2]


@pytest.mark.parametrize(
    ("cameras", "kind", "serial", "message"),
    [
        (CAMERAS, "digit", "", r"DIGIT: wanted one, found 2 on USB \(D1, D2\); name the one"),
        (CAMERAS, "digit", "D9", r"DIGIT D9: not on USB \(found D1, D2\); check the cable"),
        (CAMERAS[2:], "digit", "", r"DIGIT: not on USB \(found none\); check the cable, then `sp"),
        (CAMERAS[:2], "gelsight_mini", "", r"GelSight Mini: not on USB \(found none\)"),
        (CAMERAS[:1] * 2, "digit", "D1", r"DIGIT D1: several .*\(ports 1-2, 1-2\); unplug one"),
    ],
)
def test_choice_that_cannot_be_made(
    cameras: list[TactileCamera], kind: str, serial: str, message: str
) -> None:
    with pytest.raises(SensorError, match=message) as caught:
        choose_camera(cameras, kind, serial)
    assert "\n" not in str(caught.value)


def write_usb(sysfs: Path, port: str, identity: str) -> None:
    """A USB device without a driver."""
    device = sysfs / "bus" / "usb" / "devices" / port
    device.mkdir(parents=True)
    for name, text in zip(("idVendor", "idProduct"), identity.split(":"), strict=True):
        (device / name).write_text(text + "\n")


def test_gel_sensors_on_usb_without_a_camera(tmp_path: Path) -> None:
    for port, identity in (
        *(("1-2", "0403:0fde"), ("1-1.4", "2833:0209"), ("2-1", "0c45:636d")),
        *(("usb1", "1d6b:0002"), ("1-3", "0403:6001")),
    ):
        write_usb(tmp_path, port, identity)
    (tmp_path / "bus" / "usb" / "devices" / "1-1:1.0").mkdir()  # an interface has no identity
    assert find_usb_sensors(tmp_path) == [
        UsbSensor("digit", "1-1.4"),
        UsbSensor(BOOTLOADER, "1-2"),
        UsbSensor("gelsight_mini", "2-1"),
    ]


@pytest.mark.parametrize(("text", "wanted"), [("480", 480), ("1.5", 1.5), ("unknown", 0)])
def test_usb_speed(tmp_path: Path, text: str, wanted: float) -> None:
    write_camera(tmp_path, 0, DIGIT | {"speed": text})
    (camera,) = find_cameras(tmp_path)
    assert camera.speed_mbit_s == wanted


def test_label() -> None:
    assert CAMERAS[2].label == "GelSight Mini 28J0-AB12"
    assert TactileCamera("", "", "/dev/video0", "1-1", "Webcam").label == "camera"
