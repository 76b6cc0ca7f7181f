# SPDX-License-Identifier: Apache-2.0
"""Images, stamps, forces and poses as messages and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image

STAMP_NS = 1_795_000_000_123_456_789


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (320, 240, 3), np.uint8)


def test_an_image_survives_the_message(image: np.ndarray) -> None:
    message = conversions.image_to_msg(image, STAMP_NS, "thumb_camera_optical_frame")
    assert (message.height, message.width, message.step) == (320, 240, 720)
    assert message.header.frame_id == "thumb_camera_optical_frame"
    assert conversions.msg_to_stamp(message.header.stamp) == STAMP_NS
    np.testing.assert_array_equal(decode_image(message), image)


def test_a_view_of_an_image_survives_the_message(image: np.ndarray) -> None:
    flipped = image[::-1]
    message = conversions.image_to_msg(flipped, STAMP_NS, "")
    np.testing.assert_array_equal(decode_image(message), flipped)


def test_a_field_fits_a_datagram_and_holds_the_mean_of_each_part() -> None:
    values = np.random.default_rng(0).normal(size=(320, 240, 3)).astype(np.float32)
    values[..., 2] = np.nan
    message = conversions.field_to_msg(values, 3 * 10**9, "thumb_gel_frame")
    assert (message.encoding, message.height, message.width) == ("32FC3", 80, 60)
    assert message.step == 60 * 3 * 4 and len(message.data) == 80 * message.step < 2**16 - 4096
    assert (message.header.stamp.sec, message.header.frame_id) == (3, "thumb_gel_frame")
    found = np.frombuffer(message.data, "<f4").reshape(80, 60, 3)
    means = values.reshape(80, 4, 60, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found[..., :2], means[..., :2], atol=1e-6)
    assert np.isnan(found[..., 2]).all()


def test_jpeg(image: np.ndarray) -> None:
    message = conversions.image_to_jpeg_msg(image, STAMP_NS, "camera", quality=80)
    assert bytes(message.data[:2]) == b"\xff\xd8"
    assert "jpeg" in message.format


@pytest.mark.parametrize("interval_s", [0.0, 5 / 60, 1.5])
def test_intervals(interval_s: float) -> None:
    message = conversions.interval_to_msg(interval_s)
    assert conversions.msg_to_interval(message) == pytest.approx(interval_s, abs=1e-9)


def test_an_unknown_interval_is_zero() -> None:
    assert conversions.msg_to_interval(conversions.interval_to_msg(math.nan)) == 0.0


def test_force_is_a_wrench_without_torque() -> None:
    message = conversions.force_to_msg(np.array([0.1, -0.2, 3.0]), STAMP_NS, "thumb_gel_frame")
    force, torque = message.wrench.force, message.wrench.torque
    assert (force.x, force.y, force.z) == (0.1, -0.2, 3.0)
    assert all(map(math.isnan, (torque.x, torque.y, torque.z)))


def test_an_unknown_rotation_stays_unknown() -> None:
    rotation = conversions.yaw_to_quaternion(math.nan)
    assert math.isnan(rotation.w) and math.isnan(conversions.quaternion_to_yaw(rotation))


@pytest.mark.parametrize("yaw", [-3.0, -0.01, 0.0, 0.5, 3.1])
def test_a_rotation_survives_the_quaternion(yaw: float) -> None:
    assert conversions.quaternion_to_yaw(conversions.yaw_to_quaternion(yaw)) == pytest.approx(yaw)


def test_a_planar_pose_lies_in_the_plane_of_the_gel() -> None:
    covariance = np.array([[1.0, 0.1, 0.2], [0.1, 2.0, 0.3], [0.2, 0.3, 3.0]])
    message = conversions.pose_to_msg(np.array([0.001, 0.002, 0.5]), covariance, STAMP_NS, "gel")
    position = message.pose.pose.position
    assert (position.x, position.y, position.z) == (0.001, 0.002, 0.0)
    full = message.pose.covariance.reshape(6, 6)
    np.testing.assert_array_equal(full[np.ix_((0, 1, 5), (0, 1, 5))], covariance)
    assert np.isnan(full[2:5, :]).all() and np.isnan(full[:, 2:5]).all()


def test_an_unknown_pose_is_nan_throughout() -> None:
    message = conversions.pose_to_msg(np.full(3, np.nan), np.full((3, 3), np.nan), STAMP_NS, "gel")
    position, turned = message.pose.pose.position, message.pose.pose.orientation
    numbers = (position.x, position.y, position.z, turned.x, turned.y, turned.z, turned.w)
    assert all(map(math.isnan, numbers))
