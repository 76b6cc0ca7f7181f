# SPDX-License-Identifier: Apache-2.0
"""What a sensor's sensor_io publishes for whom, and what it reports of heads that are missing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.clock import ROSClock

from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.models.head_choice import HeadChoice
from sparsh_ros.nodes.runtime import diagnostics
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN, Report
from sparsh_ros.nodes.topics import sensor_io as sensor_io_module
from sparsh_ros.nodes.topics.sensor_io import SensorIO
from sparsh_ros.perception.buffer import SensorCounters
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import SimulatedConfig

FRAME = Frame(4_000_000_000, np.full(IMAGE_SHAPE, 100, np.uint8))
FIELD = ForceField(FRAME, np.zeros((320, 240, 3), np.float32))
ESTIMATE = Estimate("thumb", FRAME.stamp_ns, valid=True, in_contact=True, force_n=np.ones(3))
THUMB = SensorConfig("thumb", SimulatedConfig(), load_profile("digit"))


class Wire:
    """Stands for a node with topics that somebody listens to, or not."""

    def __init__(self) -> None:
        self.listened: set[str] = set()
        self.topics: list[str] = []
        self.sent: list[str] = []
        self.messages: list[object] = []

    def create_subscription(self, _type: type, topic: str, *_: object, **__: object) -> object:
        return SimpleNamespace(topic=topic, get_publisher_count=lambda: 1)

    def resolve_topic_name(self, topic: str) -> str:
        return f"/{topic}"

    def destroy_subscription(self, _subscription: object) -> None: ...

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(error=lambda *_, **__: None)

    def get_clock(self) -> ROSClock:
        return ROSClock()

    def create_publisher(
        self, _type: type, topic: str, _qos: object, **_: object
    ) -> SimpleNamespace:
        self.topics.append(topic)
        return SimpleNamespace(
            publish=lambda message: (self.sent.append(topic), self.messages.append(message)),
            get_subscription_count=lambda: int(topic in self.listened),
        )


class Perception:
    """Stands for perception: takes everything, counts nothing."""

    spec = SimpleNamespace(name="toy", weights="nowhere")
    engine = SimpleNamespace(description="none", remedy="a smaller model")

    def add_sensor(self, name: str, profile: object) -> None: ...

    def __init__(self) -> None:
        self.backgrounds: list[np.ndarray | None] = []

    def set_background(self, _name: str, image: np.ndarray | None) -> None:
        self.backgrounds.append(image)

    def push(self, name: str, frame: Frame) -> None: ...

    def counters(self, name: str) -> SensorCounters:
        return SensorCounters()


@pytest.fixture
def wire() -> Wire:
    return Wire()


def open_sensor_io(wire: Wire, *wanted: str, **missing: str) -> SensorIO:
    """A sensor_io that has seen one frame."""
    sensor_io = SensorIO(wire, THUMB, "")
    sensor_io.create_publishers(HeadChoice(wanted, missing))
    sensor_io.start(Perception(), listen=False)
    sensor_io.on_frame(FRAME)
    return sensor_io


def test_without_a_force_field_the_overlay_shows_the_force(wire: Wire) -> None:
    sensor_io = open_sensor_io(wire, "force")
    assert "force_field" not in wire.topics
    wire.listened = {"overlay", "force"}
    sensor_io.publish(ESTIMATE)
    assert wire.sent == ["force", "overlay"]


def test_with_a_force_field_the_overlay_shows_that(wire: Wire) -> None:
    sensor_io = open_sensor_io(wire, "force", "forcefield")
    wire.listened = {"overlay", "force_field", "force_with_covariance"}
    sensor_io.publish(ESTIMATE)
    assert wire.sent == ["force_with_covariance"]
    sensor_io.publish_field(FIELD)
    assert wire.sent[1:] == ["force_field", "overlay"]


@pytest.mark.parametrize("topic", ["overlay", "force_field"])
def test_a_force_field_is_wanted_while_somebody_listens(wire: Wire, topic: str) -> None:
    sensor_io = open_sensor_io(wire, "forcefield")
    assert not sensor_io.wants_field
    wire.listened = {topic}
    assert sensor_io.wants_field
    sensor_io.publish_field(FIELD)
    assert wire.sent == [topic]


@pytest.mark.parametrize("policy", ["nan", "ros"])
def test_a_force_field_that_is_not_known_is_nan(wire: Wire, policy: str) -> None:
    sensor_io = SensorIO(wire, THUMB, "")
    sensor_io.create_publishers(HeadChoice(("forcefield",), {}), policy)
    sensor_io.publish_no_field(5)
    assert not wire.sent  # nobody looks
    wire.listened = {"force_field", "overlay"}
    sensor_io.publish_no_field(5)
    assert wire.sent == ["force_field"] * (policy == "nan")
    for message in wire.messages:
        assert np.isnan(np.frombuffer(message.data, "<f4").reshape(80, 60, 3)).all()
        assert message.header.stamp.nanosec == 5


def test_a_force_field_without_weights_has_no_topic(wire: Wire) -> None:
    open_sensor_io(wire, "force", "forcefield", forcefield="no weights for forcefield")
    assert "force_field" not in wire.topics


def test_missing_heads_are_reported_and_keep_their_topics(wire: Wire) -> None:
    sensor_io = open_sensor_io(wire, "force", "slip", "grasp", slip="no slip", grasp="no grasp")
    assert {"slip", "grasp"} <= set(wire.topics)
    sensor_io.publish(ESTIMATE)
    report = sensor_io.report()
    assert (report.level, report.message) == (WARN, "no slip; no grasp")


def test_all_is_well_where_nothing_is_missing(wire: Wire) -> None:
    sensor_io = open_sensor_io(wire, "force")
    assert sensor_io.report().message == "waiting for images"
    sensor_io.publish(ESTIMATE)
    assert (sensor_io.report().level, sensor_io.report().message) == (OK, "running")
    assert "force field rate (Hz)" not in sensor_io.report().values


@pytest.mark.parametrize("listen", [True, False])
def test_only_a_background_that_is_told_anew_is_forgotten(wire: Wire, listen: bool) -> None:
    sensor_io, later = SensorIO(wire, THUMB, ""), Perception()
    sensor_io.create_publishers(HeadChoice((), {}))
    sensor_io.start(Perception(), listen)
    sensor_io.use_background(FRAME.image)
    sensor_io.stop()
    sensor_io.start(later, listen)
    (background,) = later.backgrounds
    assert (background is None) == listen


def test_frames_without_an_estimate_are_not_well(wire: Wire, monkeypatch) -> None:
    sensor_io = open_sensor_io(wire, "force")
    sensor_io.publish(ESTIMATE)
    assert sensor_io.report().level == OK
    monkeypatch.setattr(sensor_io_module, "_HANG_S", -1.0)
    assert sensor_io.report().level == OK
    sensor_io.on_frame(FRAME)
    report = sensor_io.report()
    assert report.level == WARN and "frames come, and no estimate for" in report.message


def test_markers_are_made_only_while_somebody_looks(wire: Wire) -> None:
    sensor_io = open_sensor_io(wire, "force")
    sensor_io.publish(ESTIMATE)
    assert "contact_markers" not in wire.sent
    wire.listened = {"contact_markers"}
    sensor_io.publish(ESTIMATE)
    assert wire.sent[-1] == "contact_markers"


def test_a_machine_that_is_too_slow_is_said_so_with_a_remedy(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now_s=100.0, monotonic=lambda: clock.now_s, time_ns=lambda: 0)
    monkeypatch.setattr(diagnostics, "time", clock)
    sensor_io = open_sensor_io(wire, "force")

    def run(seconds: int, estimated_every: int) -> Report:
        """Frames at 60 Hz, of which every so manieth gets its estimate; a report each second."""
        for index in range(60 * seconds):
            clock.now_s += 1 / 60
            frame = Frame(FRAME.stamp_ns + round(1e9 * clock.now_s), FRAME.image)
            sensor_io.on_frame(frame)
            if index % estimated_every == 0:
                sensor_io.publish(replace(ESTIMATE, stamp_ns=frame.stamp_ns))
            if index % 60 == 59:
                report = sensor_io.report()
        return report

    assert run(3, estimated_every=1).level == OK
    assert run(2, estimated_every=2).level == OK  # it may pass
    report = run(6, estimated_every=2)
    assert report.level == WARN
    assert report.message == "machine too slow: 30 of 60 frames/s; try a smaller model"
    assert run(3, estimated_every=1).message == "running"
