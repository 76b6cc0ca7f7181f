# SPDX-License-Identifier: Apache-2.0
"""Estimates as messages: which topics there are, and what they say of what is not known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from sparsh_ros.models.classes import GRASPS, TEXTILES
from sparsh_ros.models.head_choice import HEADS
from sparsh_ros.nodes.topics.estimates import EstimatePublisher
from sparsh_ros.perception.postprocess import Estimate

STAMP_NS = 5_000_000_007


class Wire:
    """Stands for a node; keeps what is published, by topic."""

    def __init__(self, unheard: tuple[str, ...] = ()) -> None:
        self.sent: dict[str, object] = {}
        self.unheard = unheard

    def create_publisher(self, kind: type, topic: str, qos: object, **_: object) -> SimpleNamespace:
        def publish(message: object) -> None:
            assert isinstance(message, kind)
            self.sent[topic] = message

        return SimpleNamespace(
            publish=publish, get_subscription_count=lambda: int(topic not in self.unheard)
        )


def published(estimate: Estimate, heads: tuple[str, ...] = HEADS) -> dict[str, object]:
    wire = Wire()
    EstimatePublisher(wire, "thumb/", "thumb_gel_frame", heads).publish(estimate)
    return wire.sent


def test_every_head_asked_for_has_its_topic() -> None:
    topics = published(Estimate("thumb", STAMP_NS))
    assert list(topics)[0] == "thumb/slip"
    assert sorted(topics) == sorted(
        f"thumb/{name}"
        for name in (
            *("slip", "force", "force_with_covariance"),
            *("pose_change", "pose", "grasp", "textile", "material", "roughness", "hardness"),
            *("objectfolder1", "objectfolder2"),
        )
    )
    assert list(published(Estimate("thumb", STAMP_NS), ("grasp",))) == ["thumb/grasp"]


def test_what_nobody_listens_to_is_not_sent() -> None:
    wire = Wire(unheard=("slip", "pose"))
    publisher = EstimatePublisher(wire, "", "gel", ("slip", "force", "pose"))
    publisher.publish(Estimate("", STAMP_NS))
    assert list(wire.sent) == ["force", "force_with_covariance", "pose_change"]


def test_all_carry_stamp_and_frame() -> None:
    for message in published(Estimate("thumb", STAMP_NS)).values():
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
        assert message.header.frame_id == "thumb_gel_frame"


@pytest.mark.parametrize("valid", [False, True])
def test_heads_without_weights_claim_nothing(valid: bool) -> None:
    # Valid: another head, such as the textile's, knows something.
    topics = published(Estimate("thumb", STAMP_NS, valid=valid, interval_s=0.083))
    for name in ("slip", "force_with_covariance", "pose_change", "grasp", "textile"):
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


def test_motion_is_valid_where_one_axis_is_known_and_says_which() -> None:
    covariance = np.full((3, 3), np.nan)
    covariance[:2, :2] = np.diag([1e-8, 4e-8])
    estimate = Estimate(
        *("thumb", STAMP_NS),
        valid=True,
        pose_change=np.array([1e-4, 2e-4, np.nan]),
        pose_change_covariance=covariance,
    )
    message = published(estimate, ("pose",))["thumb/pose_change"]
    assert message.valid and (message.dx_known, message.dy_known) == (True, True)
    assert not message.dtheta_known and math.isnan(message.dtheta)
    assert (message.dx, message.covariance[4]) == (1e-4, 4e-8)


def test_motion_of_an_invalid_estimate_is_not_known() -> None:
    message = published(Estimate("thumb", STAMP_NS, pose_change=np.zeros(3)), ("pose",))
    change = message["thumb/pose_change"]
    assert not (change.valid or change.dx_known or change.dy_known or change.dtheta_known)


@pytest.mark.parametrize(
    ("in_contact", "known", "stated"), [(None, False, False), (False, True, False), (True,) * 3]
)
def test_contact_is_known_or_said_not_to_be(in_contact, known: bool, stated: bool) -> None:
    estimate = Estimate(
        *("thumb", STAMP_NS),
        valid=True,
        in_contact=in_contact,
        slip_probability=0.9,
        slipping=True,
    )
    messages = published(estimate, ("slip", "force"))
    for name in ("slip", "force_with_covariance"):
        message = messages[f"thumb/{name}"]
        assert (message.contact_known, message.in_contact) == (known, stated), name
    assert messages["thumb/slip"].valid and messages["thumb/slip"].slipping


def test_how_it_slips_and_how_sure_that_is() -> None:
    estimate = Estimate(
        *("thumb", STAMP_NS),
        valid=True,
        force_n=np.array([0.5, -0.25, 3.0]),
        force_covariance=np.diag([1.0, 2.0, 3.0]),
        slip_probability=0.5,
        slide_speed_m_s=0.002,
        slide_speed_variance=1e-7,
        slip_share=0.25,
        slip_share_variance=0.01,
        friction_margin=0.75,
        friction_margin_variance=0.02,
        delta_force_covariance=np.diag([4.0, 5.0, 6.0]),
    )
    messages = published(estimate, ("slip", "force"))
    slip, force = messages["thumb/slip"], messages["thumb/force_with_covariance"]
    found = (slip.slide_speed, slip.slip_share, slip.friction_margin)
    assert found == pytest.approx((0.002, 0.25, 0.75))
    found = (slip.slide_speed_variance, slip.slip_share_variance, slip.friction_margin_variance)
    assert found == pytest.approx((1e-7, 0.01, 0.02))
    np.testing.assert_array_equal(np.diag(slip.delta_force_covariance.reshape(3, 3)), [4, 5, 6])
    assert force.valid and (force.force.x, force.force.y, force.force.z) == (0.5, -0.25, 3.0)
    np.testing.assert_array_equal(np.diag(force.covariance.reshape(3, 3)), [1, 2, 3])


def test_what_a_model_does_not_tell_of_slip_is_nan() -> None:
    slip = published(Estimate("thumb", STAMP_NS, valid=True, slip_probability=0.5), ("slip",))
    slip = slip["thumb/slip"]
    numbers = (slip.slide_speed, slip.slip_share, slip.friction_margin)
    variances = (slip.slide_speed_variance, slip.slip_share_variance, slip.friction_margin_variance)
    assert slip.valid and all(map(math.isnan, numbers + variances))
    assert np.isnan(slip.delta_force_covariance).all()
