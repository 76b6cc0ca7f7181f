# SPDX-License-Identifier: Apache-2.0
"""Cameras that fail: what is counted, what is opened anew, and that nothing leaks."""

from __future__ import annotations

import errno
import gc
import os
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fixtures.waiting import LONG_S, until

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.frames import Frame
from sparsh_ros.sensors import Sensor, load_profile, open_sensor
from sparsh_ros.sensors.health.watchdog import (
    EMPTY,
    FROZEN,
    GREEN,
    HANG,
    TORN,
    USB,
    VANISHED,
    WRONG_SIZE,
)

STREAM_FAULTS = (HANG, EMPTY, TORN, GREEN, WRONG_SIZE, FROZEN, USB)
FRAME_FAULTS = (EMPTY, TORN, GREEN, WRONG_SIZE, USB)


@pytest.fixture
def camera(host: FaultyHost) -> FaultyCamera:
    camera = FaultyCamera("digit", "D1")
    host.plug(camera, "1-1")
    return camera


@pytest.fixture
def sensor(host: FaultyHost, camera: FaultyCamera) -> Sensor:
    with open_sensor("digit", host=host, serial="D1") as sensor:
        assert sensor.wait(0, LONG_S)
        yield sensor
    assert camera.in_use == 0


def next_frame(sensor: Sensor) -> Frame:
    frame = sensor.wait(sensor.latest().sequence, LONG_S)
    assert frame is not None
    return frame


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_fault_that_lasts_is_mended_by_opening_anew(
    sensor: Sensor, camera: FaultyCamera, fault: str
) -> None:
    camera.inject(fault)
    until(lambda: camera.opened == 2)
    frame = next_frame(sensor)
    following = sensor.wait(frame.sequence, LONG_S)
    assert not np.array_equal(frame.image, following.image)
    status = sensor.status()
    assert status.faults[fault] >= 1 and set(status.faults) == {fault}
    assert (status.errors, status.reopened) == (1, 1)
    assert status.connected and camera.in_use == 1


@pytest.mark.parametrize("fault", FRAME_FAULTS)
def test_single_broken_frames_cost_those_frames_only(
    sensor: Sensor, camera: FaultyCamera, fault: str
) -> None:
    for count in (1, 2, 3):
        camera.inject(fault, frames=1)
        until(lambda count=count: sensor.status().refused == count)
        next_frame(sensor)
    status = sensor.status()
    assert status.faults == {fault: 3}
    assert (status.errors, status.reopened, camera.opened) == (0, 0, 1)


@pytest.mark.parametrize("number", [errno.EIO, errno.EPROTO, errno.EPIPE, errno.ETIMEDOUT])
def test_transfer_that_fails_is_a_usb_error_and_opens_anew_at_once(
    sensor: Sensor, camera: FaultyCamera, number: int
) -> None:
    camera.read_error = number
    until(lambda: camera.opened == 2)
    next_frame(sensor)
    status = sensor.status()
    assert status.usb_errors == 1 and status.faults == {USB: 1}
    assert (status.errors, status.reopened, status.refused) == (1, 1, 0)
    assert "USB transfer failed" in status.last_error and "check cable" in status.last_error


def test_repeated_images_are_never_handed_out(sensor: Sensor, camera: FaultyCamera) -> None:
    camera.inject(FROZEN)
    images = []
    while camera.opened == 1 or len(images) < 5:
        images.append(next_frame(sensor).image)
    for former, later in pairwise(images):
        assert not np.array_equal(former, later)
    assert sensor.status().faults[FROZEN] == sensor.status().refused + 1


def test_dark_frames_of_a_camera_that_starts_are_passed_over(
    host: FaultyHost, camera: FaultyCamera
) -> None:
    camera.dark_frames = 3
    frames = [None]
    with open_sensor("digit", host=host) as sensor:
        for fault in ("", HANG):
            camera.inject(fault)
            for _ in range(10):
                frames.append(sensor.wait(frames[-1].sequence if frames[-1] else 0, LONG_S))
    assert camera.opened == 2
    assert min(frame.image.mean() for frame in frames[1:]) > 90
    assert sensor.status().skipped >= 2 * 3


def test_replug_into_another_port_and_under_another_index(
    sensor: Sensor, camera: FaultyCamera, host: FaultyHost
) -> None:
    other = FaultyCamera("digit", "D2")
    for port in ("1-2", "1-3", "1-1"):
        path, opened = camera.path, camera.opened
        host.unplug(camera)
        until(lambda: not sensor.status().connected)
        if other.path:
            host.unplug(other)
        host.plug(other, "1-9")
        until(lambda: "not on USB (found D2)" in sensor.status().last_error)
        host.plug(camera, port)
        assert camera.path != path
        until(lambda opened=opened: camera.opened > opened)
        next_frame(sensor)
    status = sensor.status()
    assert status.faults == {VANISHED: 3} and status.reopened == 3
    assert other.opened == 0


@pytest.mark.parametrize("kind", ["digit", "gelsight_mini"])
def test_camera_without_a_serial_asked_for_is_not_mistaken_for_another(
    host: FaultyHost, kind: str
) -> None:
    first, second = FaultyCamera(kind, "28J0-AB11"), FaultyCamera(kind, "28J0-AB12")
    host.plug(first, "1-1")
    profile = replace(load_profile(kind), width=320, height=240)
    with open_sensor(kind, profile, host=host) as sensor:
        assert sensor.wait(0, LONG_S)
        host.unplug(first)
        host.plug(second, "1-2")
        until(lambda: "28J0-AB11: not on USB (found 28J0-AB12)" in sensor.status().last_error)
        host.plug(first, "1-3")
        next_frame(sensor)
    assert (first.opened, second.opened) == (2, 0)


def test_camera_that_hangs_from_its_start_is_opened_anew(
    camera: FaultyCamera, host: FaultyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsh_ros.sensors.health.watchdog.FIRST_FRAME_TIMEOUT_S", 0.5)
    camera.start_s = 3_600.0
    with open_sensor("digit", host=host) as sensor:
        until(lambda: sensor.status().faults.get(HANG, 0) == 2)
        camera.start_s = 0.0
        assert sensor.wait(0, LONG_S)


def test_camera_in_use_by_another_program_is_waited_for(
    camera: FaultyCamera, host: FaultyHost
) -> None:
    camera.busy = True
    with open_sensor("digit", host=host) as sensor:
        assert "another program uses it" in sensor.status().last_error
        camera.busy = False
        assert sensor.wait(0, LONG_S)


@pytest.mark.parametrize("fault", [HANG, VANISHED])
def test_stop_while_the_camera_fails(host: FaultyHost, camera: FaultyCamera, fault: str) -> None:
    sensor = open_sensor("digit", host=host)
    with sensor:
        assert sensor.wait(0, LONG_S)
        if fault == HANG:
            camera.inject(HANG)
        else:
            host.unplug(camera)
    assert camera.in_use == 0 and not sensor.status().running


def test_lost_frames_are_counted(host: FaultyHost) -> None:
    camera = FaultyCamera("digit", "D1")
    host.plug(camera, "1-1")
    with open_sensor("digit", host=host) as sensor:
        frame = sensor.wait(0, LONG_S)
        camera.lose(7)
        sensor.wait(frame.sequence + 2, LONG_S)
        assert sensor.status().skipped >= 7
        camera.lose(5)
        camera.inject(TORN)
        until(lambda: camera.opened == 2)
    status = sensor.status()
    assert camera.made == status.frames + status.skipped + status.faults[TORN]


def test_nothing_leaks(host: FaultyHost, camera: FaultyCamera) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    before = held()
    with open_sensor("digit", host=host) as sensor:
        sensor.wait(0, LONG_S)
        for round_ in range(1, 6):
            camera.inject((EMPTY, TORN, GREEN, WRONG_SIZE, HANG)[round_ - 1])
            until(lambda opened=1 + round_: camera.opened == opened)
            next_frame(sensor)
            assert camera.in_use == 1
    assert held() == before


def test_trouble_of_one_sensor_is_no_trouble_of_another(host: FaultyHost) -> None:
    cameras = [FaultyCamera("digit", "D1"), FaultyCamera("digit", "D2", seed=1)]
    mini = FaultyCamera("gelsight_mini", "28J0-AB12")
    for port, camera in enumerate([*cameras, mini]):
        host.plug(camera, f"1-{port}")
    profile = replace(load_profile("gelsight_mini"), width=640, height=480)
    sensors = [open_sensor("digit", host=host, serial=camera.serial) for camera in cameras]
    sensors.append(open_sensor("gelsight_mini", profile, host=host))
    for sensor in sensors:
        sensor.start()
    try:
        assert all(sensor.wait(0, LONG_S) for sensor in sensors)
        host.unplug(cameras[0])
        until(lambda: not sensors[0].status().connected)
        for sensor in sensors[1:]:
            assert sensor.wait(sensor.latest().sequence + 10, LONG_S)
            assert (sensor.status().errors, sensor.status().reopened) == (0, 0)
    finally:
        for sensor in sensors:
            sensor.stop()
