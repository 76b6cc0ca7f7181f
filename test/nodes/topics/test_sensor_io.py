# SPDX-License-Identifier: Apache-2.0
"""What a sensor's channel publishes for whom, and what it reports of heads that are missing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.clock import ROSClock

from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.models.head_choice import HeadChoice
from sparsh_ros.nodes.runtime.diagnostics import OK, WARN
from sparsh_ros.nodes.topics.sensor_io import Channel
from sparsh_ros.perception.buffer import SensorCounters
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.rig import SensorEntry

FRAME = Frame(4_000_000_000, np.full(IMAGE_SHAPE, 100, np.uint8))
FIELD = ForceField(FRAME, np.zeros((320, 240, 3), np.float32))
ESTIMATE = Estimate("thumb", FRAME.stamp_ns, valid=True, in_contact=True, force_n=np.ones(3))
THUMB = SensorEntry("thumb", "simulated", load_profile("digit"), {}, "thumb_gel_frame", None)


class Wire:
    """Stands for a node with topics that somebody listens to, or not."""

    def __init__(self) -> None:
        self.listened: set[str] = set()
        self.topics: list[str] = []
        self.sent: list[str] = []

    def create_subscription(self, _kind: type, topic: str, *_: object) -> str:
        return topic

    def destroy_subscription(self, _subscription: str) -> None: ...

    def get_clock(self) -> ROSClock:
        return ROSClock()

    def create_publisher(self, kind: type, topic: str, qos: object) -> SimpleNamespace:
        self.topics.append(topic)
        return SimpleNamespace(
            publish=lambda message: self.sent.append(topic),
            get_subscription_count=lambda: int(topic in self.listened),
        )


class Perception:
    """Stands for perception: takes everything, counts nothing."""

    spec = SimpleNamespace(name="toy", weights="nowhere")
    engine = SimpleNamespace(description="none")

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


def open_channel(wire: Wire, *wanted: str, **missing: str) -> Channel:
    """A channel that has seen one frame."""
    channel = Channel(wire, THUMB, "")
    channel.offer(HeadChoice(wanted, missing))
    channel.begin(Perception(), listen=False)
    channel.take(FRAME)
    return channel


def test_without_a_force_field_the_overlay_shows_the_force(wire: Wire) -> None:
    channel = open_channel(wire, "force")
    assert "force_field" not in wire.topics
    wire.listened = {"overlay"}
    channel.publish(ESTIMATE)
    assert wire.sent == ["force", "overlay"]


def test_with_a_force_field_the_overlay_shows_that(wire: Wire) -> None:
    channel = open_channel(wire, "force", "forcefield")
    wire.listened = {"overlay", "force_field"}
    channel.publish(ESTIMATE)
    assert wire.sent == ["force"]
    channel.publish_field(FIELD)
    assert wire.sent[1:] == ["force_field", "overlay"]


@pytest.mark.parametrize("topic", ["overlay", "force_field"])
def test_a_force_field_is_wanted_while_somebody_listens(wire: Wire, topic: str) -> None:
    channel = open_channel(wire, "forcefield")
    assert not channel.wants_field
    wire.listened = {topic}
    assert channel.wants_field
    channel.publish_field(FIELD)
    assert wire.sent == [topic]


def test_a_force_field_without_weights_has_no_topic(wire: Wire) -> None:
    open_channel(wire, "force", "forcefield", forcefield="no weights for forcefield")
    assert "force_field" not in wire.topics


def test_missing_heads_are_reported_and_keep_their_topics(wire: Wire) -> None:
    channel = open_channel(wire, "force", "slip", "grasp", slip="no slip", grasp="no grasp")
    assert {"slip", "grasp"} <= set(wire.topics)
    channel.publish(ESTIMATE)
    report = channel.report()
    assert (report.level, report.message) == (WARN, "no slip; no grasp")


def test_all_is_well_where_nothing_is_missing(wire: Wire) -> None:
    channel = open_channel(wire, "force")
    assert channel.report().message == "waiting for images"
    channel.publish(ESTIMATE)
    assert (channel.report().level, channel.report().message) == (OK, "running")
    assert "force field rate (Hz)" not in channel.report().values


@pytest.mark.parametrize("listen", [True, False])
def test_only_a_background_that_is_told_anew_is_forgotten(wire: Wire, listen: bool) -> None:
    channel, later = Channel(wire, THUMB, ""), Perception()
    channel.offer(HeadChoice((), {}))
    channel.begin(Perception(), listen)
    channel.use_background(FRAME.image)
    channel.end()
    channel.begin(later, listen)
    (background,) = later.backgrounds
    assert (background is None) == listen
