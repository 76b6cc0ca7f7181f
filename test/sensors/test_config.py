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
from sparsh_ros.sensors import create_sensor, load_profile
from sparsh_ros.sensors.cameras.digit import DigitSensor
from sparsh_ros.sensors.config import SensorConfig, check_sensors, load_sensors, sensors_file
from sparsh_ros.sensors.drivers import DigitConfig, VideoConfig, driver_config
from sparsh_ros.sensors.simulated import SimulatedSensor

THUMB = {"name": "thumb", "driver": "digit", "serial": "D20123"}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[SensorConfig, ...]]:
    """Writes these sensors to a file and reads it."""

    def load(*sensors: object) -> tuple[SensorConfig, ...]:
        path = tmp_path / "sensors.yaml"
        path.write_text(yaml.safe_dump({"sensors": list(sensors)}))
        return load_sensors(path)

    return load


def test_the_example_that_ships() -> None:
    thumb, index, palm = load_sensors("sensors.yaml")
    assert [config.driver.name for config in (thumb, index, palm)] == [
        "digit",
        "digit",
        "gelsight_mini",
    ]
    assert (thumb.gel_frame, index.gel_frame) == ("thumb_gel_frame", "index_fingertip")
    assert index.optical_frame == "index_camera_optical_frame"
    assert index.driver == DigitConfig(serial="D20124", intensity=12)
    assert palm.profile == load_profile("gelsight_mini")
    assert thumb.background is None
    assert isinstance(thumb.open(), DigitSensor)


def test_one_sensor_may_differ_from_its_kind(read) -> None:
    changes = {"gel_width_mm": 13, "force_scale_n": [1.0, 2.0, 3.0]}
    (config,) = read(THUMB | {"profile": changes})
    assert (config.profile.gel_width_mm, config.profile.force_scale_n) == (13, (1.0, 2.0, 3.0))
    assert config.profile.fps == load_profile("digit").fps


def test_kinds_may_be_mixed_and_simulated(read) -> None:
    _, palm = read(
        THUMB, {"name": "palm", "driver": "simulated", "sensor_type": "gelsight_mini", "seed": 3}
    )
    sensor = palm.open()
    assert isinstance(sensor, SimulatedSensor) and sensor.profile.name == "gelsight_mini"


def test_relative_paths_start_at_the_file(read, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (config,) = read(
        {"name": "a", "driver": "video", "input": "frames", "background": "frames/bare.png"}
    )
    assert Path(config.driver.input) == tmp_path / "frames"
    assert config.background == tmp_path / "frames" / "bare.png"


def test_urls_and_numbers_of_cameras_stay_what_they_are(read) -> None:
    url = "http://127.0.0.1:8080/?action=stream"
    configs = read(
        {"name": "a", "driver": "video", "input": url},
        {"name": "b", "driver": "video", "input": 2},
        {"name": "c", "driver": "gelsight_mini", "input": url},
    )
    assert [config.driver.input for config in configs] == [url, "2", url]


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ("thumb", "sensor 1: wanted keys and values, found 'thumb'"),
        ({"driver": "digit"}, "sensor 1: name: wanted one, found none"),
        ({"name": "thumb"}, "sensor thumb: driver: wanted one, one of simulated, .*found none"),
        (THUMB | {"driver": "digitt"}, "sensor thumb: driver: .* found 'digitt'"),
        (THUMB | {"name": "left thumb"}, "name: wanted a letter, .* found 'left thumb'"),
        (THUMB | {"serial": 20123}, "sensor thumb: serial: wanted text, found 20123"),
        (
            THUMB | {"touch": "demo"},
            "sensor thumb: touch: driver digit has no such setting",
        ),
        (THUMB | {"stream": "QVG"}, "sensor thumb: stream: wanted QVGA or VGA, found 'QVG'"),
        (THUMB | {"fps": True}, "sensor thumb: fps: wanted a number, found True"),
        (THUMB | {"fps": 25}, "sensor thumb: fps of QVGA: wanted 60 or 30, found 25"),
        (
            THUMB | {"sensor_type": "digit"},
            "sensor_type: only for driver simulated or video",
        ),
        (THUMB | {"frame": 7}, "sensor thumb: frame: wanted text, found 7"),
        (THUMB | {"profile": "digit"}, "profile: wanted fields to change, found 'digit'"),
        (THUMB | {"profile": {"gel": 3}}, "profile: wanted one of width, .* found 'gel'"),
        (THUMB | {"profile": {"fps": -1}}, "profile: fps: wanted a number above 0, found -1"),
        ({"name": "thumb", "driver": "video"}, "sensor thumb: input: wanted a video file"),
        ({"name": "thumb", "driver": "video", "input": ""}, "sensor thumb: input: wanted"),
        (
            {"name": "thumb", "driver": "simulated", "sensor_type": "finger"},
            "sensor thumb: sensor_type: wanted one of digit, .* found 'finger'",
        ),
    ],
)
def test_mistakes_are_told_with_file_sensor_and_key(read, sensor, message: str) -> None:
    with pytest.raises(ParameterError, match=rf"sensors\.yaml: .*{message}"):
        read(sensor)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (THUMB | {"serial": "D20124"}, "found thumb twice"),
        (THUMB | {"name": "index"}, "thumb and index: wanted a camera of its own for each"),
        ({"name": "index", "driver": "digit"}, "thumb and index: wanted a camera of its own"),
    ],
)
def test_sensors_that_exclude_each_other(read, second, message: str) -> None:
    with pytest.raises(ParameterError, match=rf"sensors\.yaml: .*{message}"):
        read(THUMB, second)


@pytest.mark.parametrize("content", ["", "sensors:", "sensors: {}", "- thumb", "sensor: [1]", "}"])
def test_a_file_that_holds_no_sensors(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sensors.yaml"
    path.write_text(content)
    with pytest.raises(ParameterError, match=r"sensors\.yaml: (wanted the one key|cannot be read)"):
        load_sensors(path)


def test_a_missing_file_is_told_with_what_to_do() -> None:
    with pytest.raises(ParameterError, match="found none at .*foot.yaml.*copy config/sensors.yaml"):
        sensors_file("foot.yaml")


def test_a_file_here_comes_before_the_one_that_ships(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        sensors_file("sensors.yaml")
        == sensors_file("config/sensors.yaml")
        == config_path("sensors.yaml")
    )
    (tmp_path / "sensors.yaml").touch()
    assert sensors_file("sensors.yaml") == tmp_path / "sensors.yaml"


def test_a_missing_library_is_left_to_the_machine_of_the_sensor(read, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "digit_interface", None)
    (config,) = read(THUMB | {"leds": "digit-interface"})
    assert config.driver.leds == "digit-interface"


def test_a_config_can_be_compared_and_read_back() -> None:
    config = driver_config("digit", serial="D1", fps=30)
    assert config == DigitConfig(serial="D1", fps=30.0) != DigitConfig(serial="D2", fps=30.0)
    assert create_sensor(config).config == config


def test_a_camera_on_the_network_is_no_other_on_usb(read) -> None:
    url = {"driver": "gelsight_mini", "input": "http://h/stream"}
    on_usb = {"name": "b", "driver": "gelsight_mini"}
    assert len(read({"name": "a", **url}, on_usb)) == 2
    with pytest.raises(ParameterError, match="a and c: wanted a camera of its own for each"):
        read({"name": "a", **url}, on_usb, {"name": "c", **url})


def test_recordings_may_be_shared() -> None:
    driver = VideoConfig(input="a.mp4")
    check_sensors([SensorConfig(name, driver, load_profile("digit")) for name in "ab"])
