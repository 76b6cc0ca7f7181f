# SPDX-License-Identifier: Apache-2.0
"""The bead's balance against closed forms, within 5 %."""

import numpy as np
import pytest

from sparsh_ros.simulation.maze.balance import WireFriction, solve

FRICTION = WireFriction(coefficient=0.3, drag_n=0.4, hole_mm=10.0)
GEL = np.diag([7.0, 20.0, 7.0])
ARM = 1.0
X, Y, Z = np.eye(3)


def drag_along(points, tangent_at, torque_nmm=0.0):
    """Command the hand, at first about a bead at the origin, along points; force and ways."""
    hand, force, ways = np.zeros(3), np.zeros(3), []
    for point in points:
        error = point - hand
        step = solve(FRICTION, tangent_at(sum(ways)), error, force, GEL, ARM, torque_nmm)
        hand, force = hand + step.hand_mm, step.force_n
        ways.append(step.bead_mm)
    return force, ways


def straight(length_mm=20.0, step_mm=0.1):
    return np.arange(0.0, length_mm, step_mm)[:, None] * X


def series(gel):
    return gel * ARM / (gel + ARM)


@pytest.mark.parametrize("torque_nmm", [0.0, 8.0])
def test_on_a_straight_wire_the_pull_is_coulombs_law(torque_nmm):
    side_mm = 3.0
    force, ways = drag_along(straight() + side_mm * Y, lambda _s: X, torque_nmm)
    across = series(GEL[1, 1]) * side_mm
    pull = 0.3 * (across + 2.0 * torque_nmm / 10.0) + 0.4
    assert force[1] == pytest.approx(across, rel=0.05)
    assert force[0] == pytest.approx(pull, rel=0.05)
    assert ways[-1] == pytest.approx(0.1, rel=0.05)


def test_below_friction_the_bead_stays():
    force, ways = drag_along(straight(length_mm=0.4), lambda _s: X)
    assert sum(ways) == 0.0
    assert force[0] == pytest.approx(series(GEL[0, 0]) * 0.3, rel=0.05)


def test_pulled_within_the_cone_of_friction_it_never_moves():
    """However hard: a pull at more than the angle of friction to the normal is needed."""
    steep = np.arctan(0.3)
    for angle, moves in ((0.8 * steep, False), (1.3 * steep, True)):
        force = 50.0 * np.array([np.sin(angle), np.cos(angle), 0.0])
        step = solve(WireFriction(0.3, 0.0), X, np.zeros(3), force, 1e-3 * np.eye(3), ARM)
        assert (step.bead_mm > 0.0) == moves


def test_on_a_constant_bend_the_pull_is_coulombs_law_of_the_load_across():
    radius, outside = 25.0, 2.0
    angles = np.arange(0.0, 1.2, 0.004)
    circle = np.stack([np.sin(angles), np.zeros_like(angles), 1.0 - np.cos(angles)], 1)
    inwards = np.stack([-np.sin(angles), np.zeros_like(angles), np.cos(angles)], 1)
    points = radius * circle - outside * inwards

    def tangent(way_mm):
        return np.array([np.cos(way_mm / radius), 0.0, np.sin(way_mm / radius)])

    force, ways = drag_along(points, tangent)
    here = tangent(sum(ways))
    along = force @ here
    across = np.linalg.norm(force - along * here)
    assert across == pytest.approx(series(7.0) * outside, rel=0.05)
    assert along == pytest.approx(0.3 * across + 0.4, rel=0.05)


def test_a_string_of_beads_over_a_bend_obeys_the_capstan_equation():
    """Each bead just slides under the tension before it: tension grows by exp(mu angle)."""
    coefficient, angle, beads = 0.3, 1.5, 60
    friction, turn = WireFriction(coefficient, 0.0), angle / beads
    tension = 1.0
    for index in range(beads):
        middle = np.array([np.cos((index + 0.5) * turn), 0.0, np.sin((index + 0.5) * turn)])
        before = np.array([np.cos(index * turn), 0.0, np.sin(index * turn)])
        after = np.array([np.cos((index + 1) * turn), 0.0, np.sin((index + 1) * turn)])
        low, high = tension, 2.0 * tension
        for _ in range(30):
            pull = 0.5 * (low + high)
            force = pull * after - tension * before
            step = solve(friction, middle, np.zeros(3), force, 1e-3 * np.eye(3), ARM)
            low, high = (low, pull) if step.bead_mm > 0.0 else (pull, high)
        tension = high
    assert tension == pytest.approx(np.exp(coefficient * angle), rel=0.05)
