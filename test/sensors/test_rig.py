# SPDX-License-Identifier: Apache-2.0
"""The sensors of a robot, read from a file: what it may hold, and how mistakes in it are told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sparsh_ros.errors import ParameterError
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import driver_settings, load_profile
from sparsh_ros.sensors.cameras.digit import DigitSensor
from sparsh_ros.sensors.rig import SensorEntry, check_rig, load_rig, rig_path
from sparsh_ros.sensors.simulated import SimulatedSensor

THUMB = {"name": "thumb", "driver": "digit", "serial": "D20123"}


@pytest.fixture
def rig_of(tmp_path: Path) -> Callable[..., tuple[SensorEntry, ...]]:
    """Writes these sensors to a file and reads it."""

    def load(*sensors: object) -> tuple[SensorEntry, ...]:
        path = tmp_path / "hand.yaml"
        path.write_text(yaml.safe_dump({"sensors": list(sensors)}))
        return load_rig(path)

    return load


def test_the_example_that_ships() -> None:
    thumb, index, palm = load_rig("hand.yaml")
    assert [entry.driver for entry in (thumb, index, palm)] == ["digit", "digit", "gelsight_mini"]
    assert (thumb.gel_frame, index.gel_frame) == ("thumb_gel_frame", "index_fingertip")
    assert index.optical_frame == "index_camera_optical_frame"
    assert index.settings == {"serial": "D20124", "intensity": 12}
    assert palm.profile == load_profile("gelsight_mini")
    assert thumb.background is None
    assert isinstance(thumb.open(), DigitSensor)


def test_one_sensor_may_differ_from_its_kind(rig_of) -> None:
    changes = {"gel_width_mm": 13, "force_scale_n": [1.0, 2.0, 3.0]}
    (entry,) = rig_of(THUMB | {"profile": changes})
    assert (entry.profile.gel_width_mm, entry.profile.force_scale_n) == (13, (1.0, 2.0, 3.0))
    assert entry.profile.fps == load_profile("digit").fps


def test_kinds_may_be_mixed_and_simulated(rig_of) -> None:
    _, palm = rig_of(
        THUMB, {"name": "palm", "driver": "simulated", "kind": "gelsight_mini", "seed": 3}
    )
    sensor = palm.open()
    assert isinstance(sensor, SimulatedSensor) and sensor.profile.name == "gelsight_mini"


def test_relative_paths_start_at_the_file(rig_of, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (entry,) = rig_of(
        {"name": "a", "driver": "video", "input": "frames", "background": "frames/bare.png"}
    )
    assert Path(entry.settings["input"]) == tmp_path / "frames"
    assert entry.background == tmp_path / "frames" / "bare.png"


def test_urls_and_numbers_of_cameras_stay_what_they_are(rig_of) -> None:
    url = "http://127.0.0.1:8080/?action=stream"
    rig = rig_of(
        {"name": "a", "driver": "video", "input": url},
        {"name": "b", "driver": "video", "input": 2},
        {"name": "c", "driver": "gelsight_mini", "input": url},
    )
    assert [entry.settings["input"] for entry in rig] == [url, 2, url]


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ("thumb", "sensor 1: wanted keys and values, found 'thumb'"),
        ({"driver": "digit"}, "sensor 1: name: wanted one, found none"),
        ({"name": "thumb"}, "sensor thumb: driver: wanted one, one of simulated, .*found none"),
        (THUMB | {"driver": "digitt"}, "sensor thumb: driver: .* found 'digitt'"),
        (THUMB | {"name": "left thumb"}, "name: wanted a letter, .* found 'left thumb'"),
        (THUMB | {"serial": 20123}, "sensor thumb: serial: wanted text, found 20123"),
        (THUMB | {"touch": "demo"}, "sensor thumb: touch: driver digit wants .*serial.*'demo'"),
        (THUMB | {"stream": "QVG"}, "sensor thumb: stream: wanted QVGA or VGA, found 'QVG'"),
        (THUMB | {"rate_hz": True}, "sensor thumb: rate_hz: wanted a number, found True"),
        (THUMB | {"rate_hz": 25}, "sensor thumb: frame rate of QVGA: wanted 60 or 30 Hz, found 25"),
        (THUMB | {"kind": "digit"}, "sensor thumb: kind: only for driver simulated or video"),
        (THUMB | {"frame": 7}, "sensor thumb: frame: wanted text, found 7"),
        (THUMB | {"profile": "digit"}, "profile: wanted fields to change, found 'digit'"),
        (THUMB | {"profile": {"gel": 3}}, "profile: wanted one of width, .* found 'gel'"),
        (THUMB | {"profile": {"fps": -1}}, "profile: fps: wanted a number above 0, found -1"),
        ({"name": "thumb", "driver": "video"}, "sensor thumb: driver video: .*'input'"),
        ({"name": "thumb", "driver": "video", "input": ""}, "sensor thumb: video input: wanted"),
        (
            {"name": "thumb", "driver": "simulated", "kind": "finger"},
            "sensor thumb: kind: wanted one of digit, .* found 'finger'",
        ),
    ],
)
def test_mistakes_are_told_with_file_sensor_and_key(rig_of, sensor, message: str) -> None:
    with pytest.raises(ParameterError, match=rf"hand\.yaml: .*{message}"):
        rig_of(sensor)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (THUMB | {"serial": "D20124"}, "found thumb twice"),
        (THUMB | {"name": "index"}, "thumb and index: wanted a camera of its own for each"),
        ({"name": "index", "driver": "digit"}, "thumb and index: wanted a camera of its own"),
    ],
)
def test_sensors_that_exclude_each_other(rig_of, second, message: str) -> None:
    with pytest.raises(ParameterError, match=rf"hand\.yaml: .*{message}"):
        rig_of(THUMB, second)


@pytest.mark.parametrize("content", ["", "sensors:", "sensors: {}", "- thumb", "sensor: [1]", "}"])
def test_a_file_that_holds_no_sensors(tmp_path: Path, content: str) -> None:
    path = tmp_path / "hand.yaml"
    path.write_text(content)
    with pytest.raises(ParameterError, match=r"hand\.yaml: (wanted the one key|cannot be read)"):
        load_rig(path)


def test_a_missing_file_is_told_with_what_to_do() -> None:
    with pytest.raises(ParameterError, match="found none at .*foot.yaml.*copy config/hand.yaml"):
        rig_path("foot.yaml")


def test_a_file_here_comes_before_the_one_that_ships(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert rig_path("hand.yaml") == rig_path("config/hand.yaml") == config_path("hand.yaml")
    (tmp_path / "hand.yaml").touch()
    assert rig_path("hand.yaml") == tmp_path / "hand.yaml"


def test_a_missing_library_is_left_to_the_machine_of_the_sensor(rig_of, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "digit_interface", None)
    (entry,) = rig_of(THUMB | {"leds": "digit-interface"})
    assert entry.settings["leds"] == "digit-interface"


def test_settings_of_drivers_are_what_a_file_can_hold() -> None:
    assert driver_settings("digit")["rate_hz"] == (float, type(None))
    assert {"profile", "clock", "host"}.isdisjoint(driver_settings("video"))


def test_a_camera_on_the_network_is_no_other_on_usb(rig_of) -> None:
    url = {"driver": "gelsight_mini", "input": "http://h/stream"}
    on_usb = {"name": "b", "driver": "gelsight_mini"}
    assert len(rig_of({"name": "a", **url}, on_usb)) == 2
    with pytest.raises(ParameterError, match="a and c: wanted a camera of its own for each"):
        rig_of({"name": "a", **url}, on_usb, {"name": "c", **url})


def test_recordings_may_be_shared() -> None:
    entries = [
        SensorEntry(name, "video", load_profile("digit"), {"input": "a.mp4"}) for name in "ab"
    ]
    check_rig(entries)
