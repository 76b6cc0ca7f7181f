# SPDX-License-Identifier: Apache-2.0
"""Labels that sum up several steps or describe the contact print."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.simulation import indenters, shapes, trajectories
from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.elastomer import Elastomer
from sparsh_ros.simulation.labels import SlidingSpeed, print_axes
from sparsh_ros.simulation.simulation import TouchSimulation
from sparsh_ros.simulation.trajectories import IndenterState

GRID = GelGrid(14.3, 19.1)


def pressure_of(indenter: indenters.Indenter, theta: float = 0.0, load: float = 2.0) -> np.ndarray:
    gel = Elastomer(GRID, 3.0, 0.3, 0.4, 0.5)
    return gel.press(indenter, np.array([0.4, -0.8, theta]), load).pressure


def test_speed_is_the_mean_of_three_frames_and_zero_without_contact() -> None:
    sliding = SlidingSpeed(rate_hz=60.0)
    speeds = []
    for in_contact, slide_mm in [(True, 0.06), (True, 0.0), (True, 0.03), (False, 0.9), (True, 0)]:
        sliding.update(in_contact, slide_mm)
        speeds.append(sliding.speed_m_s)
    assert speeds == pytest.approx([1.2e-3, 1.2e-3, 1.8e-3, 0.0, 0.6e-3])


def test_slip_begins_at_the_upper_speed_and_ends_below_the_lower() -> None:
    sliding, found = SlidingSpeed(rate_hz=1e3), []
    for speed_mm_s in (0.9, 1.01, 0.7, 0.51, 0.49, 0.9, 1.01):
        for _ in range(3):
            sliding.update(True, speed_mm_s / 1e3)
        found.append(sliding.slipping)
    assert found == [False, True, True, True, False, False, True]
    sliding.update(False, 0.0)
    assert not sliding.slipping


@pytest.mark.parametrize("theta", [0.0, 0.6, -1.2])
def test_print_axes_of_a_rectangle(theta: float) -> None:
    bar = indenters.flat(1.5, 3.5, False, 0.2)  # long along y
    anisotropy, angle = print_axes(pressure_of(bar, theta), GRID)
    assert anisotropy == pytest.approx((3.5**2 - 1.5**2) / (3.5**2 + 1.5**2), abs=0.05)
    error = np.remainder(angle - theta - np.pi / 2 + np.pi / 2, np.pi) - np.pi / 2
    assert error == pytest.approx(0.0, abs=0.02)
    assert -np.pi / 2 <= angle <= np.pi / 2


@pytest.mark.parametrize(
    "indenter",
    [
        indenters.sphere(5.0),
        indenters.torus(3.0, 1.0),
        indenters.sharp(0.9, 0.3),
        indenters.flat(3.0, 3.0, False, 0.3),
    ],
    ids=["sphere", "torus", "cone", "square"],
)
def test_print_of_what_looks_the_same_turned_has_no_axis(indenter: indenters.Indenter) -> None:
    assert print_axes(pressure_of(indenter, 0.3), GRID)[0] < 0.03


def test_no_print_has_no_axis() -> None:
    assert np.isnan(print_axes(np.zeros((160, 120)), GRID)).all()


def script(
    simulation: TouchSimulation, indenter: indenters.Indenter, holds: list[IndenterState]
) -> None:
    """Makes the simulation follow `holds` instead of its own touch."""
    simulation._stream = iter([(indenter, hold) for hold in holds])


def test_solids_of_revolution_show_no_turning_even_tilted() -> None:
    for kind, round_kind in (("torus", True), ("sphere", True), ("sharp", True), ("edge", False)):
        simulation = TouchSimulation("digit", seed=1)
        indenter = shapes.draw(kind, np.random.default_rng(0))
        script(
            simulation,
            indenter,
            [IndenterState(), IndenterState(1.0), IndenterState(1.5, tilt_x=0.1)],
        )
        untouched, *pressed = (simulation.step() for _ in range(3))
        assert np.isnan(untouched.print_anisotropy)
        for sample in pressed:
            assert (sample.print_anisotropy == 0.0) == round_kind
            assert round_kind or sample.print_anisotropy > 0.3


def test_sliding_counts_in_every_step_of_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stroke whose second half stands still has slid all the same."""
    simulation = TouchSimulation("digit", seed=3, rate_hz=60.0)
    ball = indenters.sphere(5.0)
    sideways = [IndenterState(1.0, x_mm=0.3 * n) for n in range(12)]
    script(simulation, ball, sideways)
    steady = [simulation.step() for _ in sideways][-1]
    assert steady.slide_speed_m_s == pytest.approx(0.3e-3 * 60.0, rel=0.1)
    assert steady.slipping and steady.gross_slip and steady.friction_margin < 0.02

    def early(self: IndenterState, other: IndenterState, share: float) -> IndenterState:
        return other

    monkeypatch.setattr(
        trajectories.IndenterState, "blend", early
    )  # all of the motion in the first step
    script(simulation, ball, [IndenterState(1.0, x_mm=3.3 + 0.3 * n) for n in range(1, 4)])
    jerky = [simulation.step() for _ in range(3)][-1]
    assert jerky.slide_speed_m_s == pytest.approx(0.3e-3 * 60.0, rel=0.1)
    assert jerky.slipping


def test_the_pose_turns_the_same_way_as_the_print() -> None:
    simulation = TouchSimulation("digit", seed=3)
    bar = indenters.flat(1.5, 3.5, False, 0.2)
    script(simulation, bar, [IndenterState(2.0, theta=0.1 * n) for n in range(4)])
    first, *_, last = (simulation.step() for _ in range(4))
    assert last.pose[2] - first.pose[2] == pytest.approx(0.3)
    turned = np.remainder(last.print_angle - first.print_angle + np.pi / 2, np.pi) - np.pi / 2
    assert turned == pytest.approx(0.3, abs=0.03)


def test_an_object_that_is_held_still_does_not_slip() -> None:
    simulation = TouchSimulation("digit", seed=3)
    script(simulation, indenters.sphere(5.0), [IndenterState(2.0)] * 6)
    last = [simulation.step() for _ in range(6)][-1]
    assert last.slide_speed_m_s == 0.0 and not last.slipping
    assert last.friction_margin == pytest.approx(1.0)


def test_stretch_is_what_shear_stress_is_proportional_to() -> None:
    simulation = TouchSimulation("digit", seed=3)
    script(simulation, indenters.sphere(5.0), [IndenterState(2.0, x_mm=0.02 * n) for n in range(8)])
    last = [simulation.step() for _ in range(8)][-1]
    unit = simulation.instance
    stiffness = unit.tangential_ratio * unit.normal_stiffness_n_per_mm3 * 1e6
    np.testing.assert_allclose(last.shear_stress_pa, stiffness * last.skin_stretch_mm, rtol=1e-4)
    assert last.skin_stretch_mm[0].max() == pytest.approx(0.14, abs=0.01)
