# SPDX-License-Identifier: Apache-2.0
"""DIGIT and GelSight: settings, choice of the camera, what their frames look like."""

from __future__ import annotations

import sys
import time
import types
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.errors import MissingDependencyError, ParameterError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.sensors import Sensor, load_profile, open_sensor
from sparsh_ros.sensors.cameras import gelsight
from sparsh_ros.sensors.cameras.v4l2_abi import CONTROL_ZOOM

LONG_S = 30.0
# The Mini's own 8 megapixels take the simulated camera long to make.
SMALL_MINI = replace(load_profile("gelsight_mini"), width=640, height=480)


def plugged(host: FaultyHost, kind: str, serial: str, port: str = "1-1") -> FaultyCamera:
    camera = FaultyCamera(kind, serial)
    host.plug(camera, port)
    return camera


def first_frame(sensor: Sensor) -> object:
    with sensor:
        return sensor.wait(0, LONG_S)


def test_only_digit_is_found_and_its_leds_are_lit(host: FaultyHost) -> None:
    camera = plugged(host, "digit", "D20123")
    sensor = open_sensor("digit", host=host)
    before_ns = time.time_ns()
    frame = first_frame(sensor)
    assert frame.image.shape == IMAGE_SHAPE
    assert before_ns <= frame.stamp_ns <= time.time_ns()
    assert camera.controls == {CONTROL_ZOOM: 0xFFF}
    assert sensor.status().last_error == "" and sensor.profile.name == "digit"
    assert sensor.serial == "D20123"


def test_digit_is_chosen_by_its_serial(host: FaultyHost) -> None:
    left = plugged(host, "digit", "D1", "1-1")
    right = plugged(host, "digit", "D2", "1-2")
    assert first_frame(open_sensor("digit", host=host, serial="D2", intensity=3))
    assert (left.opened, right.opened) == (0, 1)
    assert right.controls == {CONTROL_ZOOM: 0x333}


def test_several_or_missing_digits_are_explained_and_waited_for(host: FaultyHost) -> None:
    plugged(host, "digit", "D1", "1-1")
    plugged(host, "digit", "D2", "1-2")
    with open_sensor("digit", host=host) as sensor:
        assert "found 2 on USB (D1, D2)" in sensor.status().last_error
    with open_sensor("digit", host=host, serial="D3") as sensor:
        assert "DIGIT D3: not on USB (found D1, D2)" in sensor.status().last_error
        plugged(host, "digit", "D3", "1-3")
        assert sensor.wait(0, LONG_S)


def test_stamp_is_the_moment_of_the_grab(host: FaultyHost) -> None:
    plugged(host, "digit", "D1")
    frames = []
    with open_sensor("digit", host=host) as sensor:
        while len(frames) < 20:
            frames.append(sensor.wait(frames[-1].sequence if frames else 0, LONG_S))
    # They keep the camera's own beat, however late the frames were fetched.
    beats = [(frame.stamp_ns - frames[0].stamp_ns) * 60e-9 for frame in frames]
    assert sorted(abs(beat - round(beat)) for beat in beats)[10] < 0.1


def test_stamp_of_a_camera_on_another_clock(host: FaultyHost) -> None:
    plugged(host, "digit", "D1")
    sensor = open_sensor("digit", host=host, clock=lambda: 10**18)
    assert sensor._stamp(None) == 10**18
    assert sensor._stamp(12345) == 10**18
    assert sensor._stamp(time.monotonic_ns() + 10**10) == 10**18
    assert 0 <= 10**18 - sensor._stamp(time.monotonic_ns() - 10**8) - 10**8 < 9 * 10**8


def test_vga_comes_with_a_warning(host: FaultyHost) -> None:
    plugged(host, "digit", "D1")
    sensor = open_sensor("digit", host=host, stream="VGA", fps=15.0)
    assert first_frame(sensor)
    assert "VGA" in sensor.status().last_error and "QVGA is sound" in sensor.status().last_error


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stream": "HD"}, "stream: wanted QVGA or VGA, found 'HD'"),
        ({"fps": 25.0}, "fps of QVGA: wanted 60 or 30, found 25"),
        ({"stream": "VGA", "fps": 60.0}, "fps of VGA: wanted 30 or 15, found 60"),
        ({"intensity": 16}, "intensity: wanted 0 to 15, found 16"),
        ({"intensity": True}, "intensity: wanted a whole number"),
        ({"leds": "lamp"}, "leds: wanted v4l2 or digit-interface, found 'lamp'"),
        ({"colour": "red"}, "colour: driver digit has no such setting; it has serial, "),
    ],
)
def test_digit_settings_that_cannot_be_used(settings: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        open_sensor("digit", **settings)


def test_camera_that_takes_another_size_is_used_with_a_warning(host: FaultyHost) -> None:
    plugged(host, "digit", "D1").largest = (160, 120)
    sensor = open_sensor("digit", host=host)
    assert first_frame(sensor)
    assert "size: wanted (320, 240), found (160, 120)" in sensor.status().last_error


def test_leds_through_digit_interface_where_asked_for(
    host: FaultyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    class Digit:
        def __init__(self, serial: str) -> None:
            calls.append(serial)

        def connect(self) -> None:
            calls.append("connect")

        def set_intensity(self, intensity: int) -> None:
            calls.append(intensity)

        def disconnect(self) -> None:
            calls.append("disconnect")

    camera = plugged(host, "digit", "D1")
    monkeypatch.setitem(sys.modules, "digit_interface", types.SimpleNamespace(Digit=Digit))
    assert first_frame(open_sensor("digit", host=host, leds="digit-interface", intensity=7))
    assert calls == ["D1", "connect", 7, "disconnect"]
    assert camera.controls == {}


def test_digit_interface_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "digit_interface", None)
    with pytest.raises(MissingDependencyError, match="pip install digit-interface"):
        open_sensor("digit", leds="digit-interface")


def test_gelsight_mini_by_serial(host: FaultyHost) -> None:
    plugged(host, "digit", "D1", "1-1")
    plugged(host, "gelsight_mini", "28J0-AB11", "1-2")
    camera = plugged(host, "gelsight_mini", "28J0-AB12", "1-3")
    sensor = open_sensor("gelsight_mini", SMALL_MINI, host=host, serial="28J0-AB12")
    assert first_frame(sensor).image.shape == IMAGE_SHAPE
    assert camera.opened == 1 and camera.controls == {}
    assert sensor.serial == "28J0-AB12"
    assert open_sensor("gelsight_mini").profile.name == "gelsight_mini"


def test_gelsight_2017_is_any_other_camera(host: FaultyHost) -> None:
    plugged(host, "digit", "D1", "1-1")
    camera = plugged(host, "", "2F2E1A50", "1-2")
    for settings in ({}, {"serial": "2F2E1A50"}, {"input": camera.path}, {"input": 2}):
        sensor = open_sensor("gelsight_2017", host=host, **settings)
        assert first_frame(sensor) and sensor.serial == "2F2E1A50"
    assert camera.opened == 4


def test_gelsight_by_a_name_that_udev_gives(
    host: FaultyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = plugged(host, "gelsight_mini", "28J0-AB12")
    name = "/dev/v4l/by-id/usb-GelSight_Mini_R0B_28J0-AB12-video-index0"
    links = SimpleNamespace(path=SimpleNamespace(realpath={name: camera.path}.get))
    monkeypatch.setattr(gelsight, "os", links)
    sensor = open_sensor("gelsight_mini", SMALL_MINI, host=host, input=name)
    assert first_frame(sensor) and sensor.serial == "28J0-AB12"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"serial": "1", "input": "0"}, "wanted a serial number or an input, found both"),
        ({"input": "http://h/x", "fps": 25.0}, "a stream sets its own pace"),
        ({"input": "rtsp://h/x"}, "wanted an http URL or a video device, found 'rtsp://h/x'"),
    ],
)
def test_gelsight_settings_that_cannot_be_used(settings: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        open_sensor("gelsight_mini", **settings)


def test_true_rate_of_a_slow_mini_is_reported(host: FaultyHost) -> None:
    plugged(host, "gelsight_mini", "28J0-AB12").true_rate_hz = 40.0
    profile = replace(SMALL_MINI, fps=60.0)
    with open_sensor("gelsight_mini", profile, host=host) as sensor:
        last = 0
        while "rate" not in sensor.status().faults:
            last = sensor.wait(last, LONG_S).sequence
        assert "wanted 60 frames/s, found " in sensor.status().last_error
        assert sensor.status().reopened == 0
