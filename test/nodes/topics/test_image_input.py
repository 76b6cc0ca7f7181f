# SPDX-License-Identifier: Apache-2.0
"""Which images and backgrounds perception takes from the topics, and what it says of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN
from sparsh_ros.nodes.topics import image_input, qos
from sparsh_ros.nodes.topics.image_input import ImageInput
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import DigitConfig

CONFIG = SensorConfig("palm", DigitConfig(), load_profile("digit"))
GEL = np.random.default_rng(0).integers(40, 200, (20, 15, 3), np.uint8)
GEL = np.ascontiguousarray(GEL.repeat(16, axis=0).repeat(16, axis=1))
NEGATIVE = 255 - GEL


class Camera:
    """A node that publishes images and backgrounds as a sensor node does."""

    def __init__(self, node: Node, images: QoSProfile = qos.IMAGE) -> None:
        self.node = node
        self.images = node.create_publisher(Image, "/palm/image_raw", images)
        self.backgrounds = node.create_publisher(Image, "/palm/background", qos.LATCHED)
        self._frames = 0

    def show(self, image: np.ndarray = GEL) -> None:
        self._frames += 1
        self.images.publish(conversions.image_to_msg(image, self._frames, "camera"))

    def tell(self, background: np.ndarray | None) -> None:
        message = Image()
        if background is not None:
            message = conversions.image_to_msg(background, 1, "camera")
        self.backgrounds.publish(message)


class Heard:
    def __init__(self, node: Node) -> None:
        self.frames: list[Frame] = []
        self.backgrounds: list[np.ndarray | None] = []
        self.input = ImageInput(
            *(node, "/palm/", CONFIG),
            on_frame=lambda frame, _sent_ns: self.frames.append(frame),
            on_background=self.backgrounds.append,
        )


@pytest.fixture
def heard(outsider) -> Iterator[Heard]:
    made = Heard(outsider.node)
    yield made
    outsider.between_callbacks(made.input.destroy)


@pytest.fixture
def nodes(outsider) -> Iterator[Callable[[str], Node]]:
    """Makes nodes of other processes, as far as topics can tell."""
    made = []

    def make(name: str) -> Node:
        made.append(rclpy.create_node(name, context=outsider.node.context))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


@pytest.fixture
def camera(nodes) -> Camera:
    return Camera(nodes("camera"))


def repeat(action: Callable[[], None], condition: Callable[[], bool], what: str) -> None:
    """Does something again and again until a condition holds."""
    pause = threading.Event()
    for _ in range(1500):
        action()
        pause.wait(0.02)
        if condition():
            return
    raise AssertionError(f"never came: {what}")


def test_frames_come_with_their_stamps(heard, camera) -> None:
    repeat(camera.show, lambda: len(heard.frames) > 2, "frames")
    stamps = [frame.stamp_ns for frame in heard.frames]
    assert stamps == sorted(set(stamps))
    np.testing.assert_array_equal(heard.frames[0].image, GEL)
    assert heard.input.report().level == OK


def test_a_driver_that_publishes_best_effort_is_heard(heard, nodes) -> None:
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera = Camera(nodes("driver"), best_effort)
    repeat(camera.show, lambda: bool(heard.frames), "frames")


def test_two_publishers_are_refused_until_one_goes(heard, camera, nodes) -> None:
    repeat(camera.show, lambda: bool(heard.frames), "frames")
    second = Camera(nodes("second"))

    def both() -> None:
        camera.show()
        second.show(NEGATIVE)

    repeat(both, lambda: heard.input.refused > 3, "refused images")
    report = heard.input.report()
    assert report.level == WARN
    assert "/palm/image_raw: wanted one publisher, found 2 (/camera, /second)" in report.message
    assert not any((frame.image == NEGATIVE).all() for frame in heard.frames)
    before = len(heard.frames)
    camera.show()
    assert len(heard.frames) == before
    second.node.destroy_publisher(second.images)
    repeat(camera.show, lambda: len(heard.frames) > before, "frames after the second has gone")
    assert "wanted one publisher" not in heard.input.report().message


def test_the_background_of_the_sensor_is_taken_and_taken_back(heard, camera) -> None:
    camera.tell(GEL)
    repeat(camera.show, lambda: bool(heard.backgrounds), "the background")
    np.testing.assert_array_equal(heard.backgrounds[0], GEL)
    camera.tell(None)
    repeat(camera.show, lambda: len(heard.backgrounds) > 1, "that there is none any more")
    assert heard.backgrounds[1] is None and heard.input.report().level == OK


def test_a_stray_background_is_refused_and_the_next_of_the_sensor_taken(
    heard, camera, nodes
) -> None:
    camera.tell(GEL)
    repeat(camera.show, lambda: bool(heard.backgrounds), "the background")
    other = nodes("stranger")
    stranger = other.create_publisher(Image, "/palm/background", qos.LATCHED)
    stranger.publish(conversions.image_to_msg(GEL // 2 + 40, 1, "camera"))
    repeat(camera.show, lambda: heard.input.report().level == WARN, "that it was refused")
    report = heard.input.report()
    assert "wanted a background from the node of the images" in report.message
    assert len(heard.backgrounds) == 1
    if heard.input._image_sender is None:  # Jazzy does not tell who sent a message
        other.destroy_publisher(stranger)
        backgrounds = heard.input._backgrounds
        repeat(camera.show, lambda: backgrounds.publisher_count == 1, "the end of the stranger")
    camera.tell(GEL)
    repeat(camera.show, lambda: len(heard.backgrounds) > 1, "the background once more")
    np.testing.assert_array_equal(heard.backgrounds[1], GEL)
    assert heard.input.report().level == OK


@pytest.mark.parametrize(
    ("background", "sentence"),
    [
        (np.zeros(IMAGE_SHAPE, np.uint8), "wanted a lit gel"),
        (np.full(IMAGE_SHAPE, 90, np.uint8), "found one colour"),
        (NEGATIVE, "differs from the image"),
        (GEL[:100], "image"),
    ],
)
def test_a_background_that_does_not_fit_is_refused(heard, camera, background, sentence) -> None:
    camera.tell(background)
    repeat(camera.show, lambda: heard.input.report().level == WARN, "that it was refused")
    assert sentence in heard.input.report().message and heard.backgrounds == []


def test_a_background_that_may_be_of_another_unit_is_taken_with_a_warning(heard, camera) -> None:
    camera.tell(GEL // 2 + 50)
    repeat(camera.show, lambda: bool(heard.backgrounds), "the background")
    report = heard.input.report()
    assert report.level == WARN and "the background of another one" in report.message
    camera.tell(GEL)
    repeat(camera.show, lambda: heard.input.report().level == OK, "the own background")


def test_many_refused_images_are_not_well(heard, camera) -> None:
    repeat(camera.show, lambda: bool(heard.frames), "frames")

    def every_other() -> None:
        camera.show()
        camera.show(GEL[:100])

    repeat(every_other, lambda: heard.input.refused > 5, "refused images")
    report = heard.input.report()
    assert report.level == WARN and "images/s are refused" in report.message
    assert len(heard.frames) > 3


def test_what_nobody_foresaw_costs_one_message(heard, camera, monkeypatch) -> None:
    def fail(_message: Image) -> None:
        raise ZeroDivisionError("who would have thought")

    repeat(camera.show, lambda: bool(heard.frames), "frames")
    monkeypatch.setattr(image_input, "decode_image", fail)
    repeat(camera.show, lambda: heard.input._images.failed > 0, "a failure")
    monkeypatch.undo()
    before = len(heard.frames)
    repeat(camera.show, lambda: len(heard.frames) > before, "frames after the failure")
