# SPDX-License-Identifier: Apache-2.0
"""The node's `source:=camera` reaches the driver of the sensor, with its settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy

from sparsh_ros.nodes.sensor import SensorNode
from sparsh_ros.sensors import rig


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list]:
    """What `open_sensor` was asked for; the sensor itself is made for real."""
    calls, open_sensor = [], rig.open_sensor

    def spy(driver, profile, **own):
        calls.append((driver, profile.name, own))
        return open_sensor(driver, profile, **own)

    monkeypatch.setattr(rig, "open_sensor", spy)
    yield calls
    rclpy.try_shutdown()


def _make(*parameters: str) -> None:
    rclpy.init(args=["--ros-args", *(w for p in parameters for w in ("-p", p))])
    node = SensorNode()
    node.trigger_configure()
    node.close()
    node.destroy_node()


def test_a_digit_with_its_settings(asked: list) -> None:
    _make("source:=camera", "serial:=D20123", "stream:=VGA", "rate_hz:=15.0", "intensity:=7")
    settings = {"serial": "D20123", "stream": "VGA", "intensity": 7, "leds": "v4l2"}
    assert asked == [("digit", "digit", settings | {"rate_hz": 15.0})]


def test_a_gelsight_on_the_network(asked: list) -> None:
    url = "http://127.0.0.1:8080/?action=stream"
    _make("source:=camera", "sensor:=gelsight_mini", f"input:='{url}'")
    own = {"serial": "", "input": url, "rate_hz": None}
    assert asked == [("gelsight_mini", "gelsight_mini", own)]


def test_the_second_of_two(asked: list) -> None:
    _make("source:=camera", "names:='thumb, index'", "serial:='D1, D2'", "name:=index")
    assert asked[0][2]["serial"] == "D2"
