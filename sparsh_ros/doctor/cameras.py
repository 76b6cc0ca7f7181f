# SPDX-License-Identifier: Apache-2.0
"""The gel sensors that are plugged in: connection, rights, modes, and who uses them."""

from __future__ import annotations

import errno
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from textwrap import shorten

from sparsh_ros.doctor import ros, udev
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.doctor.report import Finding, note, ok, problem
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.cameras.discovery import (
    BOOTLOADER,
    LABELS,
    TactileCamera,
    find_cameras,
    find_usb_sensors,
)
from sparsh_ros.sensors.cameras.v4l2 import Mode
from sparsh_ros.sensors.cameras.v4l2_modes import OfferedMode
from sparsh_ros.sensors.profiles import load_profile

_WITHOUT = "without a sensor, `sparsh-ros demo` runs on a simulated DIGIT"
_FORMATS = ("YUYV", "MJPG")  # that the drivers decode
_USB2_MBIT_S = 480
# USB 2.0 gives streams at most 80 % of its time (section 5.6.4), one camera at most 24.6 MB/s
# (3 x 1024 bytes in each of 8000 microframes). How much a JPEG takes is up to the camera.
_STREAMS_MB_S = 0.8 * _USB2_MBIT_S / 8
_CAMERA_MB_S = 24.6


def check(machine: Machine) -> Iterator[Finding]:
    """What there is to say about each sensor, and about all of them together."""
    found = find_cameras(machine.path("/sys"))
    sensors = [camera for camera in found if camera.sensor_type]
    yield from check_without_camera(machine, sensors)
    if not sensors:
        yield _none(machine)
    for sensor in sensors:
        yield from _check_one(machine, sensor)
    yield from _check_serials(sensors)
    yield from check_bandwidth(sensors)
    for camera in found:
        if not camera.sensor_type:
            yield note(
                f'another camera, "{camera.name}", at {camera.path}: if it is that of a GelSight '
                f"2017, give the driver gelsight_2017 the input {camera.path}"
            )


def first_use(machine: Machine) -> str:
    """How to start what is plugged in."""
    sensors = [camera for camera in find_cameras(machine.path("/sys")) if camera.sensor_type]
    if not ros.has_client():
        return (
            "read the sensor from Python as examples/touch_without_ros.py does; topics need ROS 2"
        )
    if len(sensors) == 1:
        return f"`sparsh-ros run --source camera --sensor {sensors[0].sensor_type}`"
    return (
        f"copy {config_path('sensors.yaml')}, put a name and a serial number for each sensor into "
        "the copy, then `sparsh-ros run --sensors COPY`"
    )


def check_without_camera(machine: Machine, sensors: Sequence[TactileCamera]) -> Iterator[Finding]:
    """Gel sensors on USB of which the kernel made no camera."""
    ports = {sensor.port for sensor in sensors}
    for device in find_usb_sensors(machine.path("/sys")):
        if device.sensor_type == BOOTLOADER:
            yield problem(
                f"USB port {device.port}: a DIGIT in its bootloader, which gives no images",
                f"unplug the DIGIT at port {device.port} and plug it in again; if it comes back as "
                "before, write its firmware anew, see https://digit.ml",
            )
        elif device.port not in ports:
            yield problem(
                f"USB port {device.port}: a {LABELS[device.sensor_type]} without a video device",
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


def _none(machine: Machine) -> Finding:
    if not machine.path("/sys/bus/usb/devices").is_dir():
        return problem(
            "no DIGIT or GelSight Mini: this system has no USB at all (a container?)",
            "give the container the camera, `docker run --device /dev/video0 ...`, or work on the "
            f"host; {_WITHOUT}",
        )
    return problem(
        "no DIGIT or GelSight Mini on USB",
        "plug one straight into this computer, with a cable that carries data; "
        f"`sudo dmesg --follow` shows whether it answers; {_WITHOUT}",
    )


def _check_one(machine: Machine, sensor: TactileCamera) -> Iterator[Finding]:
    yield _check_connection(sensor)
    if not machine.path(sensor.path).exists():
        yield problem(
            f"{sensor.label}: {sensor.path} is missing (a container, or udev has stopped)",
            f"give the container the camera: `docker run --device {sensor.path}`; on the host: "
            "`sudo udevadm trigger`",
        )
        return
    try:
        modes = machine.modes(sensor.path)
    except OSError as error:
        yield _refused(machine, sensor, error)
    else:
        yield _check_modes(sensor, modes)
    yield from _check_users(machine, sensor)


def _check_connection(sensor: TactileCamera) -> Finding:
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


def _refused(machine: Machine, sensor: TactileCamera, error: OSError) -> Finding:
    refused = f"{sensor.label}: {sensor.path} cannot be opened ({error.strerror})"
    if error.errno == errno.EBUSY:
        return problem(refused, f"stop the other program that uses {sensor.label}")
    if error.errno not in (errno.EACCES, errno.EPERM):
        return problem(
            refused,
            f"unplug {sensor.label}, wait 5 s, plug it in again; then try another port or cable",
        )
    group = machine.group_of(sensor.path)
    if group == "root" or group in machine.session_groups():
        return problem(f"{refused}: the rights of group {group} do not help", f"`{udev.INSTALL}`")
    if machine.is_member(group):
        return problem(
            f"{refused}: you are in group {group} only from the next login on",
            "log out and in again, or restart the machine",
        )
    return problem(
        f"{refused}: you are not in group {group}",
        f"`sudo usermod -aG {group} {machine.user()}`, then log out and in again",
    )


def _check_modes(sensor: TactileCamera, modes: Sequence[OfferedMode]) -> Finding:
    wanted = Mode.of(load_profile(sensor.sensor_type))
    size = f"{wanted.width}x{wanted.height}"
    usable = [
        mode
        for mode in modes
        if (mode.width, mode.height) == (wanted.width, wanted.height) and mode.fourcc in _FORMATS
    ]
    if not usable:
        offered = ", ".join(f"{mode.width}x{mode.height} {mode.fourcc}" for mode in modes) or "none"
        return problem(
            f"{sensor.label}: wanted {size} {' or '.join(_FORMATS)}, found {offered}",
            f"plug {sensor.label} into another port, without a hub; if it stays so, update its "
            "firmware",
        )
    formats = " and ".join(dict.fromkeys(mode.fourcc for mode in usable))
    if any(mode.has_rate(wanted.fps) for mode in usable):
        return ok(f"{sensor.label}: may be opened; offers {size} at {wanted.fps:g}/s ({formats})")
    rates = sorted({f"{high:g}" for mode in usable for _, high in mode.rates}, key=float)
    return note(
        f"{sensor.label}: wanted {size} at {wanted.fps:g} frames/s, found {', '.join(rates)}; the "
        "driver takes what it gets and says so"
    )


def _check_users(machine: Machine, sensor: TactileCamera) -> Iterator[Finding]:
    own = os.getpid()
    users = [user for user in machine.processes_using(sensor.path) if user.pid != own]
    for user in users:
        command = shorten(user.command, 60, placeholder=" ...")
        yield note(
            f"{sensor.label}: in use by process {user.pid} ({command}); only one program at a time "
            "gets its images"
        )
    if not users:
        seen = "" if os.geteuid() == 0 else ", as far as may be seen without root"
        yield ok(f"{sensor.label}: no other program uses it{seen}")


def _check_serials(sensors: Sequence[TactileCamera]) -> Iterator[Finding]:
    labels = Counter(sensor.label for sensor in sensors)
    for label, number in labels.items():
        if number > 1:
            ports = ", ".join(sensor.port for sensor in sensors if sensor.label == label)
            yield problem(
                f"{number} sensors are called {label} (ports {ports}): a driver cannot tell them "
                "apart",
                f"unplug all but one {label}",
            )


def _demand_mb_s(sensor: TactileCamera) -> float:
    mode = Mode.of(load_profile(sensor.sensor_type))
    plain = 2 * mode.width * mode.height * mode.fps / 1e6
    return plain if mode.fourcc == "YUYV" else _CAMERA_MB_S
