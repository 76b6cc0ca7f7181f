# SPDX-License-Identifier: Apache-2.0
"""The messages survive the wire: fields, types, unknown numbers, token bytes."""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Vector3
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from sparsh_ros.msg import Classification, Features, ForceWithCovariance, PoseChange, Slip

HEADER = Header(stamp=Time(sec=12, nanosec=345_678_901), frame_id="thumb_gel_frame")
INTERVAL = Duration(nanosec=83_333_333)


def _round_trip(message):
    return deserialize_message(serialize_message(message), type(message))


def test_slip() -> None:
    slip = Slip(
        header=HEADER,
        valid=True,
        contact_known=True,
        in_contact=True,
        slipping=True,
        slide_speed=0.5,
        slide_speed_variance=0.25,
        slip_share=0.125,
        friction_margin=0.75,
        probability=0.75,
        threshold=0.5,
        delta_force=Vector3(x=0.1, y=-0.2, z=1.5),
        interval=INTERVAL,
    )
    received = _round_trip(slip)
    assert (received.slide_speed, received.slide_speed_variance) == (0.5, 0.25)
    assert (received.slip_share, received.friction_margin) == (0.125, 0.75)
    assert received.contact_known and received.in_contact and received.slipping
    assert received.delta_force == slip.delta_force and received.header == HEADER


def test_nothing_is_known_unless_it_is_said_to_be() -> None:
    assert not Slip().valid and not Slip().contact_known
    assert not ForceWithCovariance().valid and not ForceWithCovariance().contact_known
    assert not PoseChange().valid
    assert not Features().valid
    assert not Classification().valid


def test_pose_change() -> None:
    covariance = [1e-6, 0.0, 1e-7, 0.0, 2e-6, 0.0, 1e-7, 0.0, 3e-4]
    change = PoseChange(
        header=HEADER,
        valid=True,
        dx=1e-4,
        dy=-2e-4,
        dtheta=0.01,
        interval=INTERVAL,
        covariance=covariance,
    )
    received = _round_trip(change)
    assert (received.dx, received.dy, received.dtheta) == (1e-4, -2e-4, 0.01)
    assert received.header == HEADER and received.interval == INTERVAL and received.valid
    np.testing.assert_array_equal(received.covariance, covariance)


def test_classification() -> None:
    textile = Classification(
        header=HEADER,
        valid=True,
        class_id=1,
        class_name="satin",
        probability=0.75,
        class_names=["cotton", "satin"],
        probabilities=[0.25, 0.75],
        interval=INTERVAL,
    )
    assert _round_trip(textile) == textile


def test_unknown_numbers_stay_unknown() -> None:
    unknown = PoseChange(dx=math.nan, covariance=[math.nan] * 9)
    received = _round_trip(unknown)
    assert math.isnan(received.dx) and np.isnan(received.covariance).all()
    assert math.isnan(_round_trip(Slip(probability=math.nan)).probability)


def test_features_carry_tokens_as_little_endian_float16() -> None:
    tokens = np.random.default_rng(0).normal(size=(300, 192)).astype("<f2")
    message = Features(
        header=HEADER,
        valid=True,
        model="sparsh-sim-micro",
        interval=INTERVAL,
        shape=tokens.shape,
        data=array.array("B", tokens.tobytes()),
    )
    received = _round_trip(message)
    assert (received.model, received.interval, received.header) == (
        "sparsh-sim-micro",
        INTERVAL,
        HEADER,
    )
    decoded = np.frombuffer(received.data, "<f2").reshape(received.shape)
    np.testing.assert_array_equal(decoded, tokens)
