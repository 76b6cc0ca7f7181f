# SPDX-License-Identifier: Apache-2.0
"""The gel sensors that are plugged in: connection, rights, modes, and who uses them."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import shorten

from sparsh_ros.doctor import ros, udev, usb
from sparsh_ros.doctor.findings import Finding, note, ok, problem
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.cameras.discovery import TactileCamera, find_cameras
from sparsh_ros.sensors.cameras.v4l2 import Mode
from sparsh_ros.sensors.cameras.v4l2_modes import OfferedMode
from sparsh_ros.sensors.profiles import load_profile

_WITHOUT = "without a sensor, `sparsh-ros demo` runs on a simulated DIGIT"
_FORMATS = ("YUYV", "MJPG")  # that the drivers decode


def check(machine: Machine) -> Iterator[Finding]:
    """What there is to say about each sensor, and about all of them together."""
    found = find_cameras(machine.path("/sys"))
    sensors = [camera for camera in found if camera.kind]
    yield from usb.check_without_camera(machine, sensors)
    if not sensors:
        yield _none(machine)
    for sensor in sensors:
        yield from _check_one(machine, sensor)
    yield from _check_serials(sensors)
    yield from usb.check_bandwidth(sensors)
    for camera in found:
        if not camera.kind:
            yield note(
                f'another camera, "{camera.name}", at {camera.path}: if it is that of a GelSight '
                f"2017, give the driver gelsight_2017 the input {camera.path}"
            )


def first_use(machine: Machine) -> str:
    """How to start what is plugged in."""
    sensors = [camera for camera in find_cameras(machine.path("/sys")) if camera.kind]
    if not ros.has_client():
        return (
            "read the sensor from Python as examples/touch_without_ros.py does; topics need ROS 2"
        )
    if len(sensors) == 1:
        return f"`sparsh-ros run --source camera --sensor {sensors[0].kind}`"
    return (
        f"copy {config_path('hand.yaml')}, put a name and a serial number for each sensor into the "
        "copy, then `sparsh-ros run --sensors COPY`"
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
    yield usb.check_connection(sensor)
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
    wanted = Mode.of(load_profile(sensor.kind))
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
