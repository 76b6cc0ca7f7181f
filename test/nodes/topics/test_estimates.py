# SPDX-License-Identifier: Apache-2.0
"""Estimates as messages: which topics there are, and what they say of what is not known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from sparsh_ros.models.head_choice import HEADS
from sparsh_ros.models.spec import GRASPS, TEXTILES
from sparsh_ros.nodes.topics.estimates import EstimatePublisher
from sparsh_ros.perception.postprocess import Estimate

STAMP_NS = 5_000_000_007


class Wire:
    """Stands for a node; keeps what is published, by topic."""

    def __init__(self) -> None:
        self.sent: dict[str, object] = {}

    def create_publisher(self, kind: type, topic: str, qos: object) -> SimpleNamespace:
        def publish(message: object) -> None:
            assert isinstance(message, kind)
            self.sent[topic] = message

        return SimpleNamespace(publish=publish)


def published(estimate: Estimate, heads: tuple[str, ...] = HEADS) -> dict[str, object]:
    wire = Wire()
    EstimatePublisher(wire, "thumb/", "thumb_gel_frame", heads).publish(estimate)
    return wire.sent


def test_every_head_asked_for_has_its_topic() -> None:
    topics = published(Estimate("thumb", STAMP_NS))
    assert list(topics)[0] == "thumb/slip"
    assert sorted(topics) == sorted(
        f"thumb/{name}" for name in ("slip", "force", "pose_change", "pose", "grasp", "textile")
    )
    assert list(published(Estimate("thumb", STAMP_NS), ("grasp",))) == ["thumb/grasp"]


def test_all_carry_stamp_and_frame() -> None:
    for message in published(Estimate("thumb", STAMP_NS)).values():
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
        assert message.header.frame_id == "thumb_gel_frame"


@pytest.mark.parametrize("valid", [False, True])
def test_heads_without_weights_claim_nothing(valid: bool) -> None:
    # Valid: another head, such as the textile's, knows something.
    topics = published(Estimate("thumb", STAMP_NS, valid=valid, interval_s=0.083))
    for name in ("slip", "pose_change", "grasp", "textile"):
        assert not topics[f"thumb/{name}"].valid, name
    assert math.isnan(topics["thumb/slip"].probability)
    assert math.isnan(topics["thumb/slip"].delta_force.x)
    assert math.isnan(topics["thumb/force"].wrench.force.z)
    assert math.isnan(topics["thumb/pose_change"].dx)
    assert math.isnan(topics["thumb/pose"].pose.pose.position.x)


@pytest.mark.parametrize(("head", "names"), [("grasp", GRASPS), ("textile", TEXTILES)])
def test_an_unknown_class_is_none_of_them(head: str, names: tuple[str, ...]) -> None:
    message = published(Estimate("thumb", STAMP_NS), (head,))[f"thumb/{head}"]
    assert (message.class_id, message.class_name) == (-1, "")
    assert math.isnan(message.probability)
    assert tuple(message.class_names) == names
    assert len(message.probabilities) == len(names) and np.isnan(message.probabilities).all()


def test_the_most_probable_class_is_named() -> None:
    probabilities = np.full(20, 0.4 / 19)
    probabilities[3] = 0.6
    estimate = Estimate("thumb", STAMP_NS, interval_s=0.25, valid=True, textile=probabilities)
    message = published(estimate, ("textile",))["thumb/textile"]
    assert message.valid and (message.class_id, message.class_name) == (3, "denim")
    assert message.probability == pytest.approx(0.6)
    np.testing.assert_allclose(message.probabilities, probabilities, rtol=1e-6)
    assert message.interval.nanosec == 250_000_000


def test_a_stable_grasp() -> None:
    estimate = Estimate("thumb", STAMP_NS, valid=True, grasp=np.array([0.1, 0.9]))
    message = published(estimate, ("grasp",))["thumb/grasp"]
    assert (message.class_id, message.class_name) == (1, "stable")
