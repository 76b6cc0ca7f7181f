# SPDX-License-Identifier: Apache-2.0
"""The node's `source:=camera` reaches the driver of the sensor, with its settings."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import numpy as np
import pytest
import rclpy
from rclpy.publisher import Publisher

from sparsh_ros.frames import IMAGE_SHAPE, Frame
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


def test_an_image_that_the_middleware_refuses_costs_only_itself(asked: list, monkeypatch) -> None:
    rclpy.init(args=["--ros-args", "-p", "source:=camera"])
    node = SensorNode()
    node.trigger_configure()
    frame = Frame(10**18, np.zeros(IMAGE_SHAPE, np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "publish", Mock(side_effect=RuntimeError("cannot publish")))
        node._publish(frame)
    node._publish(frame)
    (report,) = node._reports().values()
    assert (report.values["images not sent"], report.values["images published"]) == (1, 1)
    node.close()
    node.destroy_node()


def test_a_gelsight_on_the_network(asked: list) -> None:
    url = "http://127.0.0.1:8080/?action=stream"
    _make("source:=camera", "sensor:=gelsight_mini", f"input:='{url}'")
    assert asked == [(GelSightMiniConfig(input=url), "gelsight_mini")]


def test_the_second_of_two(asked: list) -> None:
    _make("source:=camera", "names:=[thumb, index]", "serials:=[D1, D2]", "name:=index")
    assert asked[0][0] == DigitConfig(serial="D2")
