# SPDX-License-Identifier: Apache-2.0
"""How gel sensors are connected: USB speed, shared cables, devices that are no camera (yet)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sparsh_ros.doctor.findings import Finding, note, ok, problem
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.sensors.cameras.discovery import BOOTLOADER, LABELS, TactileCamera, find_usb_sensors
from sparsh_ros.sensors.cameras.v4l2 import Mode
from sparsh_ros.sensors.profiles import load_profile

_USB2_MBIT_S = 480
# USB 2.0 gives streams at most 80 % of its time (section 5.6.4), one camera at most 24.6 MB/s
# (3 x 1024 bytes in each of 8000 microframes). How much a JPEG takes is up to the camera.
_STREAMS_MB_S = 0.8 * _USB2_MBIT_S / 8
_CAMERA_MB_S = 24.6


def check_connection(sensor: TactileCamera) -> Finding:
    """Where the sensor is, and whether its connection is fast enough."""
    where = f"{sensor.label}: USB port {sensor.port}, {sensor.path}"
    if 0 < sensor.speed_mbit_s < _USB2_MBIT_S:
        return problem(
            f"{where}, only {sensor.speed_mbit_s:g} Mbit/s; it needs {_USB2_MBIT_S}",
            f"plug {sensor.label} into another port, without hub, with another cable",
        )
    if not sensor.serial:
        return note(f"{where}; it has no serial number, so plug in only one of its kind")
    return ok(f"{where}, {sensor.speed_mbit_s:g} Mbit/s" if sensor.speed_mbit_s else where)


def check_without_camera(machine: Machine, sensors: Sequence[TactileCamera]) -> Iterator[Finding]:
    """Gel sensors on USB of which the kernel made no camera."""
    ports = {sensor.port for sensor in sensors}
    for device in find_usb_sensors(machine.path("/sys")):
        if device.kind == BOOTLOADER:
            yield problem(
                f"USB port {device.port}: a DIGIT in its bootloader, which gives no images",
                f"unplug the DIGIT at port {device.port} and plug it in again; if it comes back as "
                "before, write its firmware anew, see https://digit.ml",
            )
        elif device.port not in ports:
            yield problem(
                f"USB port {device.port}: a {LABELS[device.kind]} without a video device",
                "`sudo modprobe uvcvideo` (the driver of USB cameras), then unplug the sensor at "
                f"port {device.port} and plug it in again",
            )


def check_bandwidth(sensors: Sequence[TactileCamera]) -> Iterator[Finding]:
    """Whether the sensors behind one USB 2 cable may ask for more than it carries."""
    behind: dict[str, list[TactileCamera]] = defaultdict(list)
    for sensor in sensors:
        if sensor.speed_mbit_s <= _USB2_MBIT_S:
            behind[sensor.port.partition(".")[0]].append(sensor)
    for port, sharing in behind.items():
        wanted = sum(map(_demand_mb_s, sharing))
        if wanted > _STREAMS_MB_S:
            yield note(
                f"{len(sharing)} sensors share the USB 2 cable at port {port} and may ask for "
                f"{wanted:.0f} MB/s, of which it carries {_STREAMS_MB_S:.0f}",
                f'if a sensor behind port {port} says "No space left on device" or loses frames, '
                "plug it into another port of the computer",
            )


def _demand_mb_s(sensor: TactileCamera) -> float:
    mode = Mode.of(load_profile(sensor.kind))
    plain = 2 * mode.width * mode.height * mode.fps / 1e6
    return plain if mode.fourcc == "YUYV" else _CAMERA_MB_S
