# SPDX-License-Identifier: Apache-2.0
"""Height maps of indenters."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation import indenters, shapes
from sparsh_ros.simulation.contact import GelGrid

GRID = GelGrid(14.3, 19.07)


def gap_at(indenter: indenters.Indenter, pose: tuple, x: float, y: float) -> float:
    gap = indenter.gap_on(GRID.x_mm, GRID.y_mm, np.array(pose))
    return gap[np.abs(GRID.y_mm - y).argmin(), np.abs(GRID.x_mm - x).argmin()]


@pytest.mark.parametrize("kind", sorted(shapes.KINDS))
def test_every_kind_is_drawn_with_its_lowest_point_at_zero(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        indenter = shapes.draw(kind, rng)
        assert indenter.kind == kind
        assert indenter.gap_mm.min() == 0.0
        assert np.isfinite(indenter.gap_mm).all()
        assert indenter.gap_mm.max() <= indenters.FAR_MM


def test_sphere_profile() -> None:
    ball = indenters.sphere(5.0)
    assert gap_at(ball, (0, 0, 0), 3.0, 0.0) == pytest.approx(5.0 - 4.0, abs=0.06)
    assert gap_at(ball, (0, 0, 0), 7.0, 0.0) == indenters.FAR_MM


def test_pose_moves_right_up_and_counter_clockwise() -> None:
    ball = indenters.sphere(5.0)
    gap = ball.gap_on(GRID.x_mm, GRID.y_mm, np.array([2.0, 3.0, 0.0]))
    row, column = np.unravel_index(gap.argmin(), gap.shape)
    assert GRID.x_mm[column] == pytest.approx(2.0, abs=0.15)
    assert GRID.y_mm[row] == pytest.approx(3.0, abs=0.15)
    rod = indenters.cylinder(1.5, 6.0)  # along x
    quarter = (0.0, 0.0, np.pi / 4)  # now along the diagonal towards +x +y
    assert gap_at(rod, quarter, 3.0, 3.0) < 0.1
    assert gap_at(rod, quarter, 3.0, -3.0) == indenters.FAR_MM


def test_torus_profile() -> None:
    ring = indenters.torus(3.0, 1.0)
    assert gap_at(ring, (0, 0, 0), 3.0, 0.0) == pytest.approx(0.0, abs=0.02)
    assert gap_at(ring, (0, 0, 0), 3.6, 0.0) == pytest.approx(1.0 - 0.8, abs=0.1)
    assert gap_at(ring, (0, 0, 0), 0.0, 0.0) == indenters.FAR_MM


def test_any_height_function_will_do_but_nothing_at_all_will_not() -> None:
    step = indenters.from_height("step", lambda x, y: np.where(x > 0, 0.5, 0.0))
    assert gap_at(step, (0, 0, 0), 2.0, 0.0) == pytest.approx(0.5)
    with pytest.raises(ParameterError, match="nothing"):
        indenters.from_height("nothing", lambda x, y: np.full_like(x, np.nan))


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ParameterError, match="teapot.*sphere"):
        shapes.draw("teapot", np.random.default_rng(0))
