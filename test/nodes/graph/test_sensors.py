# SPDX-License-Identifier: Apache-2.0
"""The sensors that the settings of a node or a graph describe."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.graph import sensors
from sparsh_ros.nodes.graph.sensors import config_for_node, sensor_configs
from sparsh_ros.nodes.settings import SENSOR
from sparsh_ros.sensors.cameras.discovery import TactileCamera
from sparsh_ros.sensors.drivers import DigitConfig, SimulatedConfig

DEFAULTS = {name: setting.value for name, setting in SENSOR.items()}


def _params(**changed: object) -> dict[str, object]:
    return DEFAULTS | changed


def test_the_default_is_a_simulated_digit_named_after_its_kind() -> None:
    (config,) = sensor_configs(_params())
    assert (config.name, config.driver.name, config.profile.name) == ("digit", "simulated", "digit")
    assert config.driver == SimulatedConfig()


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[TactileCamera]:
    """The cameras that this machine has."""
    cameras: list[TactileCamera] = []
    monkeypatch.setattr(sensors, "Host", lambda: SimpleNamespace(cameras=lambda: cameras))
    return cameras


@pytest.mark.parametrize(
    ("changed", "driver"),
    [
        ({}, "digit"),
        ({"sensor": "gelsight_mini"}, "simulated"),
        ({"source": "simulated"}, "simulated"),
        ({"touch": "demo"}, "simulated"),
        ({"input": "press.mp4"}, "video"),
        ({"image": "/wrist/image"}, "topic"),
        ({"sensor": "gelsight_mini", "input": "http://h/stream"}, "gelsight_mini"),
    ],
)
def test_a_sensor_that_is_plugged_in_wins(plugged, changed, driver: str) -> None:
    plugged.append(TactileCamera("digit", "D1", "/dev/video0", "1-1", ""))
    (config,) = sensor_configs(_params(**changed))
    assert config.driver.name == driver


def test_without_a_sensor_it_is_simulated_and_that_is_known(plugged) -> None:
    (config,) = sensor_configs(_params())
    assert config.driver == SimulatedConfig() and config.is_stand_in
    (config,) = sensor_configs(_params(serial="D1"))
    assert config.driver == DigitConfig(serial="D1") and not config.is_stand_in
    for asked in ({"source": "simulated"}, {"touch": "demo"}):
        (config,) = sensor_configs(_params(**asked))
        assert config.driver.name == "simulated" and not config.is_stand_in


def test_a_single_sensor_may_have_a_frame_of_its_own() -> None:
    (config,) = sensor_configs(_params(frame="fingertip", source="simulated"))
    assert config.gel_frame == "fingertip"
    with pytest.raises(ParameterError, match="frame: wanted one for each sensor"):
        sensor_configs(_params(frame="fingertip", names=["a", "b"], source="simulated"))


def test_several_of_a_kind() -> None:
    serials = {"source": "camera", "serials": ["D1", "D2"]}
    configs = sensor_configs(_params(names=["thumb", "index"], **serials))
    assert [(config.name, config.driver.serial) for config in configs] == [
        ("thumb", "D1"),
        ("index", "D2"),
    ]


def test_a_background_from_a_file() -> None:
    (config,) = sensor_configs(_params(background="bare.png"))
    assert config.background == Path("bare.png")


def test_simulated_ones_differ() -> None:
    configs = sensor_configs(_params(names=["a", "b"], seed=7))
    assert [config.driver.seed for config in configs] == [7, 8]


def test_a_file_takes_the_place_of_all_other_settings() -> None:
    assert [config.name for config in sensor_configs(_params(sensors="sensors.yaml"))] == [
        *("thumb", "index", "palm")
    ]


def test_a_node_finds_its_own() -> None:
    assert config_for_node(_params()).name == "digit"
    assert config_for_node(_params(sensors="sensors.yaml", name="index")).driver.serial == "D20124"
    with pytest.raises(ParameterError, match="wanted one of thumb, index, palm, found 'pinky'"):
        config_for_node(_params(sensors="sensors.yaml", name="pinky"))
    with pytest.raises(ParameterError, match="wanted one of a, b, found ''"):
        config_for_node(_params(names=["a", "b"]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sensors": "sensors.yaml", "seed": 3, "serial": "D1"}, r"found both \(seed, serial\)"),
        ({"source": "simulated", "serial": "D1"}, "serial: has no meaning for source simulated"),
        ({"source": "camera", "touch": "demo"}, "touch: has no meaning for source camera"),
        ({"source": "camera", "sensor": "gelsight_mini", "leds": "digit-interface"}, "leds: has"),
        (
            {"source": "camera", "names": ["a", "b"], "serials": ["D1"]},
            "serials: wanted 2, .* found 1",
        ),
        ({"source": "camera", "names": ["a", "b"]}, "a and b: wanted a camera of its own for each"),
        ({"names": ["a", "a"]}, "name: wanted a different one for each, found a twice"),
        ({"names": ["a", "b"], "background": "bare.png"}, "background: wanted one for each sensor"),
        ({"names": ["left thumb"]}, "name: wanted a letter"),
    ],
)
def test_what_does_not_go_together(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        sensor_configs(_params(**changed))
