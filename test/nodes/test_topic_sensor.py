# SPDX-License-Identifier: Apache-2.0
"""Images of another's driver as frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fixtures.waiting import until
from sensor_msgs.msg import CompressedImage, Image

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.messages.conversions import image_to_msg
from sparsh_ros.nodes.topic_sensor import TopicSensor
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import TopicConfig
from sparsh_ros.sensors.images import encode_jpeg
from sparsh_ros.sensors.placement import Placement

MINI = load_profile("gelsight_mini")
RAW = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
S = 1_000_000_000


@pytest.fixture
def make(outsider) -> Iterator:
    """Makes a sensor that listens to a topic; it is stopped at the end."""
    made: list[TopicSensor] = []

    def make(topic: str, **placement: object) -> TopicSensor:
        config = SensorConfig(
            "palm", TopicConfig(image=topic), MINI, placement=Placement(**placement)
        )
        outsider.between_callbacks(
            lambda: made.append(TopicSensor(outsider.node, config, "image_raw"))
        )
        return made[-1]

    yield make
    for sensor in made:
        sensor.stop()
        outsider.between_callbacks(sensor._input.destroy)


def _publish_until(publisher, message: object, done) -> None:
    def is_done() -> bool:
        publisher.publish(message)
        return done()

    until(is_done)


def test_frames_are_upright_and_keep_their_stamps(outsider, make) -> None:
    publisher = outsider.node.create_publisher(Image, "/other/image", 5)
    sensor = make("/other/image", turn=180)
    until(lambda: sensor._input.publisher_count == 1)
    with sensor:
        message = image_to_msg(np.ascontiguousarray(RAW[::-1, ::-1]), 7 * S, "camera")
        _publish_until(publisher, message, lambda: sensor.latest() is not None)
        frame = sensor.latest()
    assert frame.stamp_ns == 7 * S
    np.testing.assert_array_equal(frame.image, MINI.to_canonical(RAW, "rgb"))
    outsider.destroy(publisher)


def test_without_stamps_the_time_of_arrival_counts_and_that_is_said(outsider, make, caplog) -> None:
    publisher = outsider.node.create_publisher(CompressedImage, "/other/image/compressed", 5)
    sensor = make("/other/image/compressed")
    until(lambda: sensor._input.publisher_count == 1)
    message = CompressedImage(format="jpeg", data=encode_jpeg(RAW, 95).tobytes())
    before_ns = outsider.node.get_clock().now().nanoseconds
    with sensor:
        _publish_until(publisher, message, lambda: sensor.latest() is not None)
        frame = sensor.latest()
    assert before_ns <= frame.stamp_ns <= outsider.node.get_clock().now().nanoseconds
    assert "the images have no stamps" in caplog.text
    assert frame.image.shape == (320, 240, 3)
    outsider.destroy(publisher)


def test_a_topic_without_a_publisher_is_waited_for_and_others_are_named(outsider, make) -> None:
    other = outsider.node.create_publisher(Image, "/wrist/image", 5)
    sensor = make("/none/image")
    until(lambda: outsider.node.count_publishers("/wrist/image"))
    with sensor:
        status = sensor.status()
        assert not status.connected
        assert "nobody publishes images there; topics with images:" in status.last_error
        assert "/wrist/image" in status.last_error
        publisher = outsider.node.create_publisher(Image, "/none/image", 5)
        message = image_to_msg(RAW, S, "camera")
        _publish_until(publisher, message, lambda: sensor.latest() is not None)
    outsider.destroy(other, publisher)


def test_two_publishers_are_refused(outsider, make) -> None:
    publishers = [outsider.node.create_publisher(Image, "/both/image", 5) for _ in range(2)]
    sensor = make("/both/image")
    until(lambda: sensor._input.publisher_count == 2)
    with sensor:
        message = image_to_msg(RAW, S, "camera")
        _publish_until(publishers[0], message, lambda: sensor.status().refused)
        assert "wanted one publisher, found 2" in sensor.status().last_error
        assert sensor.wait(0, 0.01) is None
    outsider.destroy(*publishers)


def test_its_own_topic_is_refused(outsider) -> None:
    config = SensorConfig("palm", TopicConfig(image="/image_raw"), MINI)
    with pytest.raises(ParameterError, match="wanted the topic of another's driver"):
        TopicSensor(outsider.node, config, "image_raw")
