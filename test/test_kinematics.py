# SPDX-License-Identifier: Apache-2.0
"""Kinematics of the arm against known poses and numerical derivatives."""

import numpy as np
import pytest

from sparsh_ros import kinematics
from sparsh_ros.errors import ParameterError
from sparsh_ros.kinematics import CarefulDriver, HandDriver, Pose


def test_the_ready_pose_is_where_franka_says():
    """Position of the flange in the ready pose, as the arm's own library gives it."""
    flange = kinematics.flange(kinematics.READY)
    assert flange.position == pytest.approx([0.30689, 0.0, 0.59028], abs=1e-4)
    tip = kinematics.forward(kinematics.READY)
    assert tip.rotation == pytest.approx(np.diag([1.0, -1.0, -1.0]), abs=1e-9)


def test_the_jacobian_is_the_derivative_of_the_pose():
    joints = kinematics.READY + np.linspace(-0.3, 0.3, 7)
    tip, matrix = kinematics.jacobian(joints)
    for index in range(7):
        moved = joints + 1e-6 * np.eye(7)[index]
        change = kinematics.pose_error(kinematics.forward(moved), tip) / 1e-6
        assert change == pytest.approx(matrix[:, index], abs=1e-5)


def test_inverse_kinematics_finds_back():
    joints = kinematics.READY + 0.1 * np.array([1, -1, 1, 1, -1, 1, -1])
    wanted = kinematics.forward(joints)
    found = kinematics.forward(kinematics.inverse(wanted, kinematics.READY))
    assert np.abs(kinematics.pose_error(wanted, found)).max() < 1e-4


def test_what_is_out_of_reach_is_refused():
    far = Pose(np.array([1.5, 0.0, 0.3]), np.diag([1.0, -1.0, -1.0]))
    with pytest.raises(ParameterError, match="wanted a pose at"):
        kinematics.inverse(far, kinematics.READY)


def test_the_driver_moves_the_hand_in_its_own_frame():
    driver = HandDriver(kinematics.READY)
    before = kinematics.forward(driver.joints)
    for _ in range(20):
        driver.move(np.array([0.0, 0.0, 5e-4, 0.0, 0.0, 0.0]))  # downwards
    after = kinematics.forward(driver.joints)
    assert after.position - before.position == pytest.approx([0.0, 0.0, -0.01], abs=3e-4)


def in_hand(before, after):
    error = kinematics.pose_error(after, before)
    return np.concatenate([before.rotation.T @ error[:3], before.rotation.T @ error[3:]])


@pytest.mark.parametrize("elbow", [-2.35, -2.7, -2.9])
def test_a_careful_driver_is_late_rather_than_elsewhere(elbow):
    start = kinematics.READY.copy()
    start[3], start[5] = elbow, 0.5
    period_s, before = 1 / 12, kinematics.forward(start)
    twist = np.array([1e-3, 0.0, 0.0, -0.05, -0.2, 0.2])
    driver = CarefulDriver(start, period_s)
    joints = driver.move(twist)
    done = in_hand(before, kinematics.forward(joints))
    share = done[4] / twist[4]
    assert 0.1 < share < 0.9  # from rest
    assert done[:3] == pytest.approx(share * twist[:3], abs=5e-5)
    assert done[3:] == pytest.approx(share * twist[3:], abs=2e-3)
    astray = in_hand(before, kinematics.forward(HandDriver(start).move(twist)))[:3] - twist[:3]
    assert np.linalg.norm(astray) > 5e-4
    for _ in range(6):  # into a singular place, at ever more speed
        before, joints = joints, driver.move(5.0 * twist)
        assert not kinematics.beyond_limits(joints, before, period_s)


def test_a_hand_that_can_turn_no_further_still_goes_where_it_should():
    start = kinematics.READY.copy()
    start[5] = kinematics.LOWER[5] + 0.08
    driver, twist = CarefulDriver(start, 1 / 12), np.array([1e-3, 0.0, 0.0, 0.0, -0.06, 0.0])
    for _ in range(12):
        before = kinematics.forward(driver.joints)
        done = in_hand(before, kinematics.forward(driver.move(twist)))
        assert done[:3] == pytest.approx(twist[:3], abs=6e-4)
    assert driver.joints[5] == pytest.approx(kinematics.LOWER[5], abs=0.02)
    assert abs(done[4]) < 0.05  # slower than wanted


def test_a_careful_driver_goes_on_from_its_copy_and_starts_anew_from_rest():
    driver, twist = CarefulDriver(kinematics.READY, 1 / 12), np.array([0, 0, 0, 0, 0, 0.2])
    for _ in range(3):
        driver.move(twist)
    begun, joints = driver.copy(), driver.joints
    ahead = begun.move(twist)
    assert driver.joints is joints
    assert driver.move(twist) == pytest.approx(ahead)
    driver.stay()
    assert np.abs(driver.move(twist) - ahead).max() < 0.9 * np.abs(ahead - joints).max()


@pytest.mark.parametrize(
    ("change", "word"),
    [(0.0, ""), (0.5, "rad/s"), (9.0, "within"), (np.nan, "not a number")],
)
def test_commands_beyond_limits_are_named(change, word):
    joints = kinematics.READY.copy()
    joints[3] += change
    found = kinematics.beyond_limits(joints, kinematics.READY, 0.1)
    assert (word in found) if word else found == ""


def test_rotation_vectors_and_matrices_are_inverse():
    for vector in ([0.0, 0.0, 0.0], [0.3, -0.2, 0.9], [2.0, 1.0, -1.5]):
        matrix = kinematics.rotation_matrix(np.array(vector))
        assert kinematics.rotation_vector(matrix) == pytest.approx(vector, abs=1e-9)
