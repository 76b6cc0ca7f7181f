# SPDX-License-Identifier: Apache-2.0
"""The node's `source:=camera` reaches the driver of the sensor, with its settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy

from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.sensors import Sensor, SensorProfile, config
from sparsh_ros.sensors.drivers import DigitConfig, DriverConfig, GelSightMiniConfig


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list]:
    """What `create_sensor` was asked for; the sensor itself is made for real."""
    calls, create_sensor = [], config.create_sensor

    def spy(driver: DriverConfig, profile: SensorProfile) -> Sensor:
        calls.append((driver, profile.name))
        return create_sensor(driver, profile)

    monkeypatch.setattr(config, "create_sensor", spy)
    yield calls
    rclpy.try_shutdown()


def _make(*parameters: str) -> None:
    rclpy.init(args=["--ros-args", *(w for p in parameters for w in ("-p", p))])
    node = SensorNode()
    node.trigger_configure()
    node.close()
    node.destroy_node()


def test_a_digit_with_its_settings(asked: list) -> None:
    _make("source:=camera", "serial:=D20123", "stream:=VGA", "fps:=15.0", "intensity:=7")
    config = DigitConfig(serial="D20123", stream="VGA", fps=15.0, intensity=7)
    assert asked == [(config, "digit")]


def test_a_gelsight_on_the_network(asked: list) -> None:
    url = "http://127.0.0.1:8080/?action=stream"
    _make("source:=camera", "sensor:=gelsight_mini", f"input:='{url}'")
    assert asked == [(GelSightMiniConfig(input=url), "gelsight_mini")]


def test_the_second_of_two(asked: list) -> None:
    _make("source:=camera", "names:=[thumb, index]", "serials:=[D1, D2]", "name:=index")
    assert asked[0][0] == DigitConfig(serial="D2")
