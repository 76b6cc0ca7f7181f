# SPDX-License-Identifier: Apache-2.0
"""The gel's mechanics against the analytic laws of the elastic foundation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sparsh_ros.simulation import contact, indenters, shapes
from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.elastomer import Elastomer

GRID = GelGrid(width_mm=14.3, height_mm=19.07)
STIFFNESS = 0.3  # N/mm^3
RATIO = 0.4
FRICTION = 0.15  # low, so that the stroke to gross slip is short beside the contact radius


def elastomer(friction: float = FRICTION) -> Elastomer:
    return Elastomer(GRID, 3.0, STIFFNESS, RATIO, friction)


@pytest.mark.parametrize("radius", [3.0, 5.0, 8.0])
@pytest.mark.parametrize("depth", [0.3, 0.8])
def test_sphere_load_follows_the_foundation_law(radius: float, depth: float) -> None:
    gap = indenters.sphere(radius).gap_on(GRID.x_mm, GRID.y_mm, np.array([0.3, -0.7, 0.4]))
    load = contact.normal_force(contact.overlap(gap, depth), STIFFNESS, GRID.cell_area_mm2)
    # F = pi k R depth^2 holds for the parabola; the exact sphere has pi k depth^2 (R - depth/3).
    assert load == pytest.approx(np.pi * STIFFNESS * depth**2 * (radius - depth / 3), rel=0.02)
    if depth / radius < 0.12:
        assert load == pytest.approx(np.pi * STIFFNESS * radius * depth**2, rel=0.05)


def test_contact_radius_of_a_sphere() -> None:
    gap = indenters.sphere(6.0).gap_on(GRID.x_mm, GRID.y_mm, np.zeros(3))
    area = np.count_nonzero(contact.overlap(gap, 0.4)) * GRID.cell_area_mm2
    assert np.sqrt(area / np.pi) == pytest.approx(np.sqrt(2 * 6.0 * 0.4), rel=0.05)


@pytest.mark.parametrize("load", [0.05, 1.0, 5.0])
@pytest.mark.parametrize("kind", ["sphere", "flat", "torus", "blobs"])
def test_depth_for_load_inverts_the_load(kind: str, load: float) -> None:
    indenter = shapes.draw(kind, np.random.default_rng(3))
    gap = indenter.gap_on(GRID.x_mm, GRID.y_mm, np.zeros(3))
    depth = contact.depth_for_load(load, gap, STIFFNESS, GRID.cell_area_mm2, limit_mm=50.0)
    found = contact.normal_force(contact.overlap(gap, depth), STIFFNESS, GRID.cell_area_mm2)
    assert found == pytest.approx(load, rel=1e-3)


def test_depth_is_limited() -> None:
    gap = indenters.sharp(0.5, 0.2).gap_on(GRID.x_mm, GRID.y_mm, np.zeros(3))
    depth = contact.depth_for_load(1e6, gap, STIFFNESS, GRID.cell_area_mm2, limit_mm=1.0)
    assert depth == pytest.approx(gap.min() + 1.0)


@pytest.mark.parametrize("psi", [0.25, 0.5, 0.75])
def test_partial_slip_of_a_sphere(psi: float) -> None:
    gel, ball, load, radius = elastomer(), indenters.sphere(6.0), 3.0, 6.0
    gel.press(ball, np.zeros(3), load)
    depth = np.sqrt(load / (np.pi * STIFFNESS * radius))
    stroke = psi * FRICTION * depth / RATIO
    steps = 20
    for step in range(1, steps + 1):
        state = gel.press(ball, np.array([0.0, stroke * step / steps, 0.0]), load)
    expected = FRICTION * load * (1 - (1 - psi) ** 2)
    assert state.force_n[1] == pytest.approx(expected, rel=0.05)
    assert state.force_n[0] == pytest.approx(0.0, abs=0.01 * expected)
    # What still sticks carries the full stroke; the stick radius is c = a sqrt(1 - psi).
    stuck = np.isclose(state.traction[1], RATIO * STIFFNESS * stroke, rtol=1e-3)
    stick_radius = np.sqrt(np.count_nonzero(stuck) * GRID.cell_area_mm2 / np.pi)
    assert stick_radius == pytest.approx(np.sqrt(2 * radius * depth * (1 - psi)), rel=0.05)


def test_slip_starts_at_the_rim_and_ends_gross() -> None:
    gel, ball = elastomer(), indenters.sphere(6.0)
    gel.press(ball, np.zeros(3), 3.0)
    shares = [gel.press(ball, np.array([0.02 * k, 0.0, 0.0]), 3.0).slip_share for k in range(1, 40)]
    assert shares[0] < 0.3
    assert all(later >= earlier - 0.05 for earlier, later in pairwise(shares))
    assert shares[-1] > 0.95


def test_gross_sliding_obeys_coulomb() -> None:
    gel, ball = elastomer(), indenters.sphere(5.0)
    for step in range(60):
        state = gel.press(ball, np.array([0.03 * step, 0.0, 0.0]), 2.0)
    assert state.force_n[0] == pytest.approx(FRICTION * 2.0, rel=0.03)


def test_reversal_gives_the_hysteresis_of_masing() -> None:
    gel, ball, load = elastomer(), indenters.sphere(6.0), 3.0
    gel.press(ball, np.zeros(3), load)
    turn, back = 0.15, 0.05
    for x in [*np.linspace(0, turn, 15), *np.linspace(turn, back, 15)]:
        state = gel.press(ball, np.array([x, 0.0, 0.0]), load)
    full = FRICTION * np.sqrt(load / (np.pi * STIFFNESS * 6.0)) / RATIO

    def first_loading(stroke: float) -> float:
        return FRICTION * load * (1 - (1 - stroke / full) ** 2)

    # Unloading follows the first loading curve, doubled in both directions (Masing's rule).
    expected = first_loading(turn) - 2 * first_loading((turn - back) / 2)
    assert state.force_n[0] == pytest.approx(expected, rel=0.05, abs=0.01)
    assert state.force_n[0] < 0.5 * first_loading(back)


def test_twist_gives_torsion_without_net_force() -> None:
    gel, punch = elastomer(0.8), indenters.flat(3.0, 3.0, True, 0.3)
    gel.press(punch, np.zeros(3), 3.0)
    for angle in np.linspace(0, 0.1, 10):
        state = gel.press(punch, np.array([0.0, 0.0, angle]), 3.0)
    torque = np.sum(GRID.x_mm * state.traction[1] - GRID.y_mm[:, None] * state.traction[0])
    assert torque > 0.0  # the object turns the gel counter-clockwise with it
    assert np.hypot(*state.force_n[:2]) < 0.02


def test_skin_follows_the_object_and_is_dragged_along() -> None:
    gel, ball = elastomer(0.8), indenters.sphere(4.0)
    gel.press(ball, np.zeros(3), 3.0)
    for x in np.linspace(0, 0.3, 10):
        gel.press(ball, np.array([x, 0.0, 0.0]), 3.0)
        skin = gel.shape_skin()
    row, column = contact.ROWS // 2, contact.COLUMNS // 2
    assert skin.surface_mm[row, column] == pytest.approx(skin.surface_mm.max(), rel=0.1)
    assert skin.displacement_mm[0, row, column] == pytest.approx(0.3, abs=0.05)
    assert abs(skin.displacement_mm[0, 2, 2]) < 0.05
    # Ahead of the object the skin is compressed and rises, behind it sinks.
    offset = int(3.2 / GRID.spacing_mm[0])
    ahead, behind = skin.surface_mm[row, column + offset], skin.surface_mm[row, column - offset]
    assert ahead < behind


def test_lifting_off_forgets_the_load_path() -> None:
    gel, ball = elastomer(0.8), indenters.sphere(4.0)
    gel.press(ball, np.zeros(3), 3.0)
    gel.press(ball, np.array([0.3, 0.0, 0.0]), 3.0)
    lifted = gel.press(ball, np.array([0.3, 0.0, 0.0]), 0.0)
    assert not lifted.force_n.any() and not gel.shape_skin().surface_mm.any()
    again = gel.press(ball, np.array([0.3, 0.0, 0.0]), 3.0)
    assert np.hypot(*again.force_n[:2]) < 1e-6


def test_object_beside_the_gel_touches_nothing() -> None:
    state = elastomer().press(indenters.sphere(4.0), np.array([60.0, 0.0, 0.0]), 3.0)
    assert not state.force_n.any()


def test_a_turning_object_moves_its_points_around_its_centre() -> None:
    gel, punch = elastomer(0.9), indenters.flat(3.5, 3.5, True, 0.3)
    gel.press(punch, np.array([0.5, -1.0, 0.0]), 4.0)
    stretch = gel.press(punch, np.array([0.5, -1.0, 0.01]), 4.0).stretch_mm
    # Counter-clockwise: what lies right of the centre moves up, what lies above it moves left.
    x, y = np.meshgrid(GRID.x_mm - 0.5, GRID.y_mm + 1.0)
    inside = np.hypot(x, y) < 2.5
    np.testing.assert_allclose(stretch[0][inside], -0.01 * y[inside], atol=1e-4)
    np.testing.assert_allclose(stretch[1][inside], 0.01 * x[inside], atol=1e-4)


def test_skin_touched_anew_starts_from_where_it_was_dragged_to() -> None:
    gel, ball = elastomer(1.0), indenters.sphere(6.0)
    gel.press(ball, np.zeros(3), 1.0)
    for x in np.linspace(0.0, 0.3, 12):
        before = gel.press(ball, np.array([x, 0.0, 0.0]), 1.0)
        skin = gel.shape_skin()
    after = gel.press(ball, np.array([0.3, 0.0, 0.0]), 3.0)
    new = (after.pressure > 0.02) & (before.pressure == 0.0)
    assert np.count_nonzero(new) > 100
    dragged = skin.displacement_mm[0][new].mean()
    assert dragged > 0.1
    assert after.stretch_mm[0][new].mean() == pytest.approx(dragged, rel=0.15)


def test_the_way_through_the_air_drags_nothing() -> None:
    gel, ball = elastomer(1.0), indenters.sphere(6.0)
    gel.press(ball, np.array([-3.0, 0.0, 0.0]), 0.0)
    state = gel.press(ball, np.array([1.0, 0.5, 0.3]), 2.0)
    assert not state.stretch_mm.any() and state.slide_mm == 0.0


def test_margin_of_friction_follows_partial_slip() -> None:
    gel, ball, load, radius = elastomer(), indenters.sphere(6.0), 3.0, 6.0
    assert gel.press(ball, np.zeros(3), load).friction_margin == pytest.approx(1.0)
    full = FRICTION * np.sqrt(load / (np.pi * STIFFNESS * radius)) / RATIO
    for stroke in np.linspace(0.0, 0.5 * full, 20):
        state = gel.press(ball, np.array([stroke, 0.0, 0.0]), load)
    # All points are pulled the same way, so that the margin is 1 - Q / (mu F) = (1 - psi)^2.
    assert state.friction_margin == pytest.approx(0.25, abs=0.02)
    for stroke in np.linspace(0.5 * full, 2.0 * full, 20):
        state = gel.press(ball, np.array([stroke, 0.0, 0.0]), load)
    assert state.friction_margin == pytest.approx(0.0, abs=1e-3)
    assert np.isnan(gel.press(ball, np.zeros(3), 0.0).friction_margin)
