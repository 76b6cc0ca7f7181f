# SPDX-License-Identifier: Apache-2.0
"""Which gel sensors are plugged in, read from sysfs.

Cameras are told apart by their serial number only: the number in /dev/video* changes with every
replug. One USB camera may own several video nodes, of which the first (index 0) gives the images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsh_ros.errors import SensorError

SYSFS = Path("/sys")
BOOTLOADER = "bootloader"
LABELS = {"digit": "DIGIT", "gelsight_mini": "GelSight Mini", "": "camera"}  # types in words

_USB_IDS = {"2833:0209": "digit", "0c45:636d": "gelsight_mini"}
_BOOTLOADER_ID = "0403:0fde"  # of a DIGIT that waits for new firmware
_MINI = re.compile(r"GelSight Mini\b.*?\b([0-9A-Z]{4}-?[0-9A-Z]{4})\b")


@dataclass(frozen=True, slots=True)
class TactileCamera:
    """A camera that is plugged in.

    Attributes:
        sensor_type: "digit", "gelsight_mini", or empty for any other camera, such as that of a
            home-built GelSight 2017.
        serial: Serial number, empty where the camera has none.
        path: Its device node, such as "/dev/video0"; another one after every replug.
        port: The USB port it is on, such as "1-2.4".
        name: What the camera calls itself.
        speed_mbit_s: Of its USB connection, 480 for USB 2; 0 where it is not known.
    """

    sensor_type: str
    serial: str
    path: str
    port: str
    name: str
    speed_mbit_s: float = 0.0

    @property
    def label(self) -> str:
        """Type and serial number in words, such as "DIGIT D20123"."""
        return f"{LABELS[self.sensor_type]} {self.serial}".rstrip()


@dataclass(frozen=True, slots=True)
class UsbSensor:
    """A gel sensor on USB, whether or not the kernel made a camera of it.

    Attributes:
        sensor_type: "digit", "gelsight_mini", or BOOTLOADER for a DIGIT without firmware.
        port: As in TactileCamera.
    """

    sensor_type: str
    port: str


def find_cameras(sysfs_root: Path = SYSFS) -> list[TactileCamera]:
    """All USB cameras, sorted by type, serial number and port.

    A camera that is unplugged while it is looked at is left out.
    """
    nodes = (sysfs_root / "class" / "video4linux").glob("video*")
    cameras = [camera for node in nodes if (camera := _camera(node)) is not None]
    return sorted(cameras, key=lambda camera: (camera.sensor_type, camera.serial, camera.port))


def find_usb_sensors(sysfs_root: Path = SYSFS) -> list[UsbSensor]:
    """All gel sensors on USB that their vendor and product numbers tell, sorted by port."""
    types = _USB_IDS | {_BOOTLOADER_ID: BOOTLOADER}
    devices = (sysfs_root / "bus" / "usb" / "devices").glob("*")
    found = ((device.name, types.get(_identity(device))) for device in devices)
    return [UsbSensor(sensor_type, port) for port, sensor_type in sorted(found) if sensor_type]


def choose_camera(
    cameras: Sequence[TactileCamera], sensor_type: str, serial: str = ""
) -> TactileCamera:
    """The camera of this type with that serial number, or the only one of its type.

    Args:
        cameras: What is plugged in, see `find_cameras`.
        sensor_type: As in TactileCamera.
        serial: Serial number; empty where only one such camera is plugged in.

    Raises:
        SensorError: There is no such camera, or there are several; names the serial numbers found.
    """
    label = LABELS[sensor_type]
    candidates = [camera for camera in cameras if camera.sensor_type == sensor_type]
    matches = [camera for camera in candidates if not serial or camera.serial == serial]
    if len(matches) == 1:
        return matches[0]
    found = ", ".join(camera.serial or camera.path for camera in candidates) or "none"
    if matches and not serial:
        raise SensorError(
            f"{label}: wanted one, found {len(matches)} on USB ({found}); "
            "name the one you mean by its serial number"
        )
    if matches:
        ports = ", ".join(camera.port for camera in matches)
        raise SensorError(
            f"{label} {serial}: several cameras have this serial number (ports {ports}); unplug one"
        )
    named = f"{label} {serial}" if serial else label
    raise SensorError(
        f"{named}: not on USB (found {found}); check the cable, then `sparsh-ros doctor`"
    )


def _camera(node: Path) -> TactileCamera | None:
    # Both links are followed: class/video4linux/video0 -> ../1-2/1-2:1.0/video4linux/video0, and
    # its `device` -> the USB interface, whose folder lies in that of the USB device.
    usb = (node / "device").resolve().parent
    identity = _identity(usb)
    if identity == ":" or _read(node / "index") not in ("0", ""):
        return None
    name = _read(usb / "product") or _read(node / "name")
    mini = _MINI.search(name) or _MINI.search(_read(node / "name"))
    sensor_type = "gelsight_mini" if mini else _USB_IDS.get(identity, "")
    serial = mini[1] if mini else _read(usb / "serial")
    speed = _speed(_read(usb / "speed"))
    return TactileCamera(sensor_type, serial, f"/dev/{node.name}", usb.name, name, speed)


def _identity(usb: Path) -> str:
    return f"{_read(usb / 'idVendor')}:{_read(usb / 'idProduct')}"


def _speed(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # "unknown", or unplugged meanwhile
        return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
