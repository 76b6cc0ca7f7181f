# SPDX-License-Identifier: Apache-2.0
"""The maze as a whole: what the hand does is what the gels feel."""

import numpy as np
import pytest

from sparsh_ros import kinematics
from sparsh_ros.errors import ParameterError
from sparsh_ros.kinematics import HandDriver
from sparsh_ros.names import WIRE_FAMILIES
from sparsh_ros.policies.touch import FINGERTIP_AXES
from sparsh_ros.simulation.maze.balance import WireFriction
from sparsh_ros.simulation.maze.expert import CALM, Disturbance, Expert, start_run
from sparsh_ros.simulation.maze.wire import arc, draw_wire, straight
from sparsh_ros.simulation.maze.world import Conditions, MazeWorld

QUIET = Conditions(WireFriction(0.3, 0.4, 10.0), 1.0, 0.0, 0.0)
GRIP_N = 6.0


def gripped(wire, seed=2):
    """A world whose hand has closed on the bead, and what drives it."""
    world = MazeWorld(wire, seed, conditions=QUIET)
    driver = HandDriver(world.start)
    for _ in range(8):
        sample = world.step(driver.joints, GRIP_N)
    assert sample.held
    return world, driver


def push(world, driver, twist, count, grip_n=GRIP_N):
    """Move the hand by a twist (mm, rad; its own frame) in each of some periods."""
    twist = np.array(twist, float) * np.array([1e-3, 1e-3, 1e-3, 1, 1, 1])
    for _ in range(count):
        sample = world.step(driver.move(twist), grip_n)
    return sample


def test_labels_of_both_fingertips_add_up_to_the_force_on_the_bead():
    world, driver = gripped(straight(0.1))
    sample = push(world, driver, [1.0, 0.2, 0.3, 0, 0, 0], 10)
    on_gels = sum(
        FINGERTIP_AXES[side] @ touch.force_n
        for side, touch in zip(("left", "right"), sample.touches, strict=True)
    )
    assert sample.hand.rotation.T @ sample.force_n == pytest.approx(-on_gels, abs=1e-6)
    assert np.linalg.norm(sample.force_n) > 0.5


def test_dragged_along_a_straight_wire_with_a_side_load_it_pulls_by_coulombs_law():
    """With the gels in the loop; their torque on the bead is small here."""
    world, driver = gripped(straight(0.1))
    push(world, driver, [0.0, 0.0, 0.4, 0, 0, 0], 5)
    sample = push(world, driver, [1.0, 0.0, 0.0, 0, 0, 0], 14)
    along, across = sample.force_n[0], np.linalg.norm(sample.force_n[1:])
    torque = world.fingertips.hold.torque_nmm
    assert across > 1.0
    assert along == pytest.approx(0.3 * (across + 0.2 * torque) + 0.4, rel=0.05)


def test_the_same_seed_gives_the_same_world():
    samples = []
    for _ in range(2):
        world = MazeWorld(draw_wire("toy", 3), 3)
        driver = HandDriver(world.start)
        samples.append(push(world, driver, [1.5, 0, 0, 0, 0, 0], 6))
    assert (samples[0].touches[1].image == samples[1].touches[1].image).all()
    assert samples[0].bead_m == samples[1].bead_m


def test_a_bead_that_is_pulled_off_sideways_is_lost_and_can_be_gripped_again():
    world, driver = gripped(straight(0.1))
    sample = push(world, driver, [0, 0, 1.5, 0, 0, 0], 14)
    assert not sample.held
    assert not any(touch.in_contact for touch in sample.touches)
    sample = push(world, driver, [0, 0, -1.5, 0, 0, 0], 14)
    assert not sample.held  # a closed gripper takes nothing in
    push(world, driver, [0, 0, 0, 0, 0, 0], 6, grip_n=0.0)
    sample = push(world, driver, [0, 0, 0, 0, 0, 0], 8)
    assert sample.held


def test_a_hand_that_does_not_turn_feels_the_bead_turn_and_slip():
    world, driver = gripped(arc(0.03, 1.6))
    turned = [push(world, driver, [0, 0, 0, 0, 0, 0], 1).touches[0].pose[2]]
    for _ in range(6):
        turned.append(push(world, driver, [0.9, 0, 0, 0, 0.06, 0], 1).touches[0].pose[2])
    assert abs(turned[-1] - turned[0]) > 0.1


def test_commands_beyond_the_arms_limits_are_cut_back():
    world = MazeWorld(straight(0.1), 0, conditions=QUIET)
    sample = world.step(world.start + 1.0, 0.0)
    assert sample.limited
    fastest = (kinematics.VELOCITY / world.rate_hz).max()
    assert np.abs(sample.joints - world.start).max() <= fastest + 1e-6


def test_a_calm_expert_finishes():
    wire = straight(0.05)
    world = MazeWorld(wire, 1)
    rng = np.random.default_rng(0)
    expert, driver = Expert(wire, world.rate_hz, rng, CALM), HandDriver(world.start)
    noise, sample = Disturbance(world.rate_hz, rng, 0.0), start_run(world)
    while not sample.finished and sample.time_s < 6.0:
        command = expert.command(sample)
        sample = world.step(driver.move(noise.apply(command.twist)), command.grip_n)
    assert sample.finished
    assert expert.regrasps == 0


@pytest.mark.parametrize("family", WIRE_FAMILIES)
def test_wires_are_drawn_by_seed_and_bend_as_toys_do(family):
    wire, again, other = draw_wire(family, 5), draw_wire(family, 5), draw_wire(family, 6)
    assert (wire.points == again.points).all()
    assert wire.points.shape != other.points.shape or (wire.points != other.points).any()
    assert 0.2 < wire.length_m < 0.4
    assert wire.tightest_radius_m > 0.01
    assert wire.nearest(wire.point(0.1)) == pytest.approx(0.1, abs=1e-3)


def test_an_unknown_family_is_refused():
    with pytest.raises(ParameterError, match="one of toy, waves, hairpins, found 'knots'"):
        draw_wire("knots", 0)


def test_fingers_that_close_beside_the_bead_push_the_arm_until_both_hold_it():
    world = MazeWorld(straight(0.1), 2, conditions=QUIET)
    driver = HandDriver(world.start)
    driver.move(np.array([0.0, 0.003, 0.0, 0.0, 0.0, 0.0]))
    for grip_n in [0.0] * 10 + [GRIP_N] * 10:
        sample = world.step(driver.joints, grip_n)
    assert sample.held
    # The arm's spring is bent by what the hand was aside.
    across_n = sample.hand.rotation[:, 1] @ sample.force_n
    assert across_n == pytest.approx(3.0 * QUIET.arm_n_per_mm, rel=0.15)
