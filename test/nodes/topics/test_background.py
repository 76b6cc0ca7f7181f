# SPDX-License-Identifier: Apache-2.0
"""The background of a sensor as a topic, a service, log lines and diagnostics."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from sparsh_ros.background import BackgroundStore
from sparsh_ros.errors import RecordingError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN
from sparsh_ros.nodes.topics import background, qos
from sparsh_ros.nodes.topics.background import BackgroundTopic
from sparsh_ros.nodes.topics.sensor_io import SensorIO
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import DigitConfig, GelSight2017Config

GREY = np.full(IMAGE_SHAPE, 100, np.uint8)
GEL = GREY.copy()
GEL[160:] = 140


class Finger:
    """A sensor's background topic, fed by the test, and what became of it."""

    def __init__(self, outsider, monkeypatch: pytest.MonkeyPatch, **entry: object) -> None:
        self.serial = ""
        self.handed_over: list[np.ndarray | None] = []
        self.logged: list[str] = []
        settings = {"driver": DigitConfig(), "profile": load_profile("digit")} | entry
        self.topic = BackgroundTopic(
            outsider.node,
            "index/",
            SensorConfig("index", **settings),
            lambda: self.serial,
            self.handed_over.append,
        )
        self.outsider = outsider
        self._frames = 0
        logger = type("Logger", (), {"info": self.logged.append, "warning": self.logged.append})
        monkeypatch.setattr(outsider.node, "get_logger", lambda: logger)

    def see(self, image: np.ndarray, count: int = 31, moving: int = 0) -> None:
        """Frames of an image at 60 per second, which flickers by `moving` grey levels."""
        for _ in range(count):
            shown = cv2.add(image, np.full(IMAGE_SHAPE, self._frames // 6 % 2 * moving, np.uint8))
            self.topic.on_frame(Frame(round(self._frames * 1e9 / 60), shown))
            self._frames += 1

    def ask(self) -> Trigger.Response:
        return self.outsider.call(Trigger, "index/capture_background", Trigger.Request())


@pytest.fixture
def make(outsider, monkeypatch, tmp_path) -> Iterator:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    node = outsider.node
    before = {*node.publishers, *node.services, *node.subscriptions}
    yield lambda **entry: Finger(outsider, monkeypatch, **entry)

    def destroy_what_is_new() -> None:
        for entities, destroy in (
            (node.publishers, node.destroy_publisher),
            (node.services, node.destroy_service),
            (node.subscriptions, node.destroy_subscription),
        ):
            for entity in set(entities) - before:
                destroy(entity)

    outsider.between_callbacks(destroy_what_is_new)


def test_a_late_listener_gets_the_background_that_was_captured(make, outsider) -> None:
    finger = make()
    finger.see(GREY, 20)
    report = finger.topic.report()
    assert report.level == WARN and "wanted 5 frames over 0.5 s" in report.message
    assert report.values == {"background": "none"} and finger.handed_over == [None]
    finger.see(GREY)
    heard = outsider.listen(Image, "index/background", qos.LATCHED)
    outsider.wait_for(lambda: heard, "background")
    np.testing.assert_array_equal(decode_image(heard[0]), GREY)
    assert heard[0].header.frame_id == "index_camera_optical_frame"
    assert conversions.msg_to_stamp(heard[0].header.stamp) == 500_000_000
    np.testing.assert_array_equal(finger.handed_over[1:], [GREY])
    assert finger.logged == ["index: background captured at start"]
    report = finger.topic.report()
    assert (report.level, report.values) == (OK, {"background": "captured at start"})


def test_whoever_joins_is_sent_the_background_anew(make, outsider) -> None:
    finger = make()
    finger.see(GREY)
    arrived = threading.Event()
    heard = outsider.listen(Image, "index/background", qos.RELIABLE, lambda _: arrived.set())
    frames = iter(range(3600))
    while not arrived.wait(1 / 60):  # this listener is sent nothing old
        finger.see(GREY, 1)
        next(frames)
    np.testing.assert_array_equal(decode_image(heard[0]), GREY)
    finger.see(GREY, 5)
    assert finger.logged == ["index: background captured at start"]


def test_the_service_captures_and_says_why_it_cannot(make, monkeypatch) -> None:
    finger = make()
    answer = finger.ask()
    assert not answer.success and "index: background: wanted 5 frames" in answer.message
    finger.see(GREY)
    finger.see(GREY, moving=20)
    answer = finger.ask()
    assert (
        not answer.success and "of 255 grey levels (above 3.0); keep the gel free" in answer.message
    )
    finger.see(GREY + 50)
    answer = finger.ask()
    assert answer.success and answer.message == "index: background captured"
    finger.see(GREY, 1)
    assert [image[0, 0, 0] for image in finger.handed_over[1:]] == [100, 150]
    monkeypatch.setattr(background, "_SILENT_S", -1.0)
    answer = finger.ask()
    assert not answer.success and "found none for" in answer.message


def test_touched_at_start_is_said_once_and_stays_on_diagnostics(make) -> None:
    BackgroundStore().save("digit", "D1", GREY)
    finger = make()
    finger.serial = "D1"
    finger.see(GREY + 30, 120)
    assert finger.logged[0] == "index: background stored in an earlier run"
    assert len(finger.logged) == 2 and "touched at start" in finger.logged[1]
    report = finger.topic.report()
    assert report.level == WARN and "up to 30 grey levels" in report.message
    np.testing.assert_array_equal(finger.handed_over[1:], [GREY])


def test_another_sensor_on_the_same_plug_needs_another_background(make, outsider) -> None:
    finger = make()
    finger.serial = "D1"
    finger.see(GREY)
    finger.serial = ""  # on its way out
    finger.see(GREY, 1)
    assert len(finger.handed_over) == 2
    finger.serial = "D2"
    finger.see(GREY + 60, 20)
    assert finger.topic.report().level == WARN and finger.handed_over[-1] is None
    heard = outsider.listen(Image, "index/background", qos.LATCHED)
    outsider.wait_for(lambda: heard, "the news that there is no background")
    assert (heard[0].width, heard[0].height, len(heard[0].data)) == (0, 0, 0)
    finger.see(GREY + 60)
    _, before, none, after = finger.handed_over
    assert none is None and before[0, 0, 0] == 100 and after[0, 0, 0] == 160
    assert (
        finger.logged[1] == "index: another sensor, D2: the background of the one before is dropped"
    )
    store = BackgroundStore()
    assert store.load("digit", "D1")[0, 0, 0] == 100 and store.load("digit", "D2")[0, 0, 0] == 160


def test_whoever_publishes_backgrounds_too_is_reported_and_overruled(make, outsider) -> None:
    finger = make()
    finger.see(GREY)
    heard = outsider.listen(Image, "index/background", qos.LATCHED)
    outsider.wait_for(lambda: heard, "background")
    stray = outsider.node.create_publisher(Image, "index/background", qos.LATCHED)
    stray.publish(conversions.image_to_msg(GREY // 2, 1, ""))
    outsider.wait_for(lambda: len(heard) > 1, "the stray background")
    pause = threading.Event()
    frames = iter(range(3600))
    while finger.topic.report().level != WARN or heard[-1].data[0] != 100:
        finger.see(GREY, 1)
        pause.wait(1 / 60)
        next(frames)
    report = finger.topic.report()
    assert "wanted to be the only publisher on /index/background, found 2" in report.message
    outsider.destroy(stray)
    while finger.topic.report().level != OK:
        finger.see(GREY, 1)
        pause.wait(1 / 60)
        next(frames)


def test_perception_forgets_the_background_of_a_sensor_that_was_replaced(make, outsider) -> None:
    used: list[np.ndarray | None] = []
    heard = threading.Event()

    class Listening:
        def add_sensor(self, _name: str, _profile: object) -> None: ...
        def push(self, _name: str, _frame: Frame) -> None: ...

        def set_background(self, _name: str, image: np.ndarray | None) -> None:
            used.append(image)
            heard.set()

    finger = make()
    config = SensorConfig("index", DigitConfig(), load_profile("digit"))
    images = outsider.node.create_publisher(Image, "index/image_raw", qos.IMAGE)
    sensor_io = SensorIO(outsider.node, config, "index/")
    sensor_io.start(Listening(), listen=True)
    heard.clear()  # so far only that there is none
    for serial, frames in (("D1", 1), ("D1", 30), ("D2", 1)):
        finger.serial = serial
        finger.see(GEL, frames)
        for _ in range(1500):  # a background is looked at when the next image comes
            images.publish(conversions.image_to_msg(GEL, 1, ""))
            if heard.wait(0.02):
                break
        assert heard.is_set()
        heard.clear()
    nothing, not_yet, image, none = used
    assert nothing is not_yet is none is None
    np.testing.assert_array_equal(image, GEL)
    outsider.between_callbacks(sensor_io._input.destroy)
    outsider.destroy(images)


def test_what_an_earlier_process_published_is_withdrawn_first(make, outsider) -> None:
    finger = make()
    heard = outsider.listen(Image, "index/background", qos.LATCHED)
    finger.see(GREY, 1)
    outsider.wait_for(lambda: heard, "the news that there is none yet")
    assert len(heard[0].data) == 0 and finger.handed_over == [None]
    finger.see(GREY)
    _, image = finger.handed_over
    np.testing.assert_array_equal(image, GREY)


def test_the_file_of_the_entry_is_used_from_the_first_frame(make, tmp_path: Path) -> None:
    file = tmp_path / "free.png"
    cv2.imwrite(str(file), GREY + 7)
    finger = make(background=file)
    assert finger.topic.report().level == OK and finger.handed_over == []
    finger.see(GREY, 1)
    file.unlink()
    finger.serial = "D1"
    finger.see(GREY)
    np.testing.assert_array_equal(finger.handed_over, [GREY + 7])
    with pytest.raises(RecordingError, match="nowhere.png"):
        make(background=tmp_path / "nowhere.png")


def test_a_kind_that_needs_no_background_is_not_called_unwell(make) -> None:
    finger = make(driver=GelSight2017Config(), profile=load_profile("gelsight_2017"))
    finger.see(GREY, 250, moving=30)
    assert finger.topic.report().level == OK and finger.logged == []
