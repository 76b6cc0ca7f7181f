# SPDX-License-Identifier: Apache-2.0
"""Simulated touches: labels, motion and reproducibility."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation import trajectories
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation
from sparsh_ros.simulation.trajectories import TOUCHES


def steps(simulation: TouchSimulation, count: int) -> list[TouchSample]:
    return [simulation.step() for _ in range(count)]


@pytest.mark.parametrize("sensor", ["digit", "gelsight_mini", "gelsight_2017"])
def test_frames_are_standard_images(sensor: str) -> None:
    sample = TouchSimulation(sensor, seed=1).step()
    assert sample.image.shape == (320, 240, 3)
    assert sample.image.dtype == np.uint8


@pytest.mark.parametrize("touch", sorted(TOUCHES))
def test_labels_agree_with_each_other(touch: str) -> None:
    simulation = TouchSimulation("digit", seed=5, touch=touch)
    samples = steps(simulation, 300)
    assert {sample.in_contact for sample in samples} == {True, False}
    for sample in samples:
        shear, normal = np.hypot(*sample.force_n[:2]), sample.force_n[2]
        assert shear <= simulation.instance.friction * normal + 1e-3
        assert 0.0 <= sample.slip_share <= 1.0
        assert sample.in_contact == (normal > 0.0) == (not np.isnan(sample.pose).any())
        if sample.slipping:
            assert sample.in_contact and sample.slide_speed_m_s >= 0.5e-3
        if sample.gross_slip:
            assert sample.in_contact and sample.slip_share >= 0.9
            assert shear > 0.5 * simulation.instance.friction * normal or touch != "protocol"


def test_force_labels_are_the_integral_of_the_stress_fields() -> None:
    simulation = TouchSimulation("digit", seed=2, touch="protocol")
    sample = next(s for s in iter(simulation.step, None) if s.force_n[2] > 1.0)
    area_m2 = (
        simulation.instance.gel_width_mm
        * simulation.instance.gel_height_mm
        * 1e-6
        / sample.normal_stress_pa.size
    )
    assert sample.normal_stress_pa.sum() * area_m2 == pytest.approx(sample.force_n[2], rel=1e-3)
    shear = sample.shear_stress_pa.sum(axis=(1, 2)) * area_m2
    assert shear == pytest.approx(sample.force_n[:2], abs=1e-3)


def test_a_stroke_slips_and_the_shear_force_points_along_it() -> None:
    simulation = TouchSimulation("digit", seed=11, touch="protocol")
    for before, after in pairwise(steps(simulation, 600)):
        if before.in_contact and after.gross_slip:
            motion = (after.pose - before.pose)[:2]
            if not motion.any():  # it slides back where its load is taken away
                continue
            assert np.dot(motion, after.force_n[:2]) > 0.0
            return
    pytest.fail("600 frames of strokes without gross slip")


def test_objects_move_little_between_frames() -> None:
    for before, after in pairwise(steps(TouchSimulation("digit", seed=3), 600)):
        if before.in_contact and after.in_contact:
            assert np.hypot(*(after.pose - before.pose)[:2]) < 1.5e-3


def test_the_same_seed_gives_the_same_touch_and_another_seed_another() -> None:
    ours, same, other = (
        [sample.image for sample in steps(TouchSimulation("digit", seed=seed), 40)]
        for seed in (7, 7, 8)
    )
    assert all(np.array_equal(a, b) for a, b in zip(ours, same, strict=True))
    assert not np.array_equal(ours[-1], other[-1])


@pytest.mark.parametrize("touch", ["random", "protocol", "demo"])
def test_a_rest_comes_before_the_same_touch(touch: str) -> None:
    plain = TouchSimulation(seed=4, touch=touch)
    rested = TouchSimulation(seed=4, touch=touch, rest_s=0.25)
    assert not any(rested.step().in_contact for _ in range(15))
    forces = [(plain.step().force_n, rested.step().force_n) for _ in range(60)]
    assert any(force[2] > 0 for force, _ in forces)
    np.testing.assert_array_equal(*zip(*forces, strict=True))


def test_small_simulations_tell_the_same() -> None:
    full, small = (TouchSimulation("digit", seed=2, downscale=scale) for scale in (1, 4))
    pairs = [(full.step(), small.step()) for _ in range(150)]
    assert pairs[0][1].image.shape == (80, 60, 3)
    assert pairs[0][1].normal_stress_pa.shape == (80, 60)
    forces = np.array([[a.force_n, b.force_n] for a, b in pairs])
    assert np.abs(forces[:, 0]).max() > 0.5
    np.testing.assert_allclose(forces[:, 1], forces[:, 0], atol=0.02 * np.abs(forces).max())
    speeds = np.array([[a.slide_speed_m_s, b.slide_speed_m_s] for a, b in pairs])
    np.testing.assert_allclose(speeds[:, 1], speeds[:, 0], atol=1e-3)
    assert np.mean([a.slipping == b.slipping for a, b in pairs]) > 0.95


def test_a_long_touch_holds_on_for_ten_seconds() -> None:
    simulation = TouchSimulation("digit", seed=6, touch="long", rate_hz=20.0, downscale=4)
    contact = [sample.in_contact for sample in steps(simulation, 900)]
    lengths = [len(run) for run in "".join("x" if c else " " for c in contact).split()]
    assert max(lengths) >= 200  # ten seconds
    assert not all(contact)


def test_loads_of_every_magnitude() -> None:
    touch = trajectories.TrajectorySampler(np.random.default_rng(0), ("sphere",), 60.0, 15.0)
    loads = np.array([touch.draw_load() for _ in range(5000)])
    assert 0.2 <= loads.min() < 0.25 and 13.5 < loads.max() <= 15.0
    assert np.median(loads) == pytest.approx(np.sqrt(0.2 * 15.0), rel=0.15)


def test_only_chosen_shapes_touch_and_loads_stay_below_the_maximum() -> None:
    simulation = TouchSimulation("digit", seed=4, touch="protocol", maximum_load_n=1.0)
    assert max(sample.force_n[2] for sample in steps(simulation, 400)) <= 1.0 + 1e-3
    simulation = TouchSimulation("digit", seed=4, kinds=["torus"])
    steps(simulation, 3)
    assert simulation._indenter.kind == "torus"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sensor": "tactip"}, "tactip"),
        ({"touch": "caress"}, "caress"),
        ({"kinds": ["teapot"]}, "teapot"),
        ({"rate_hz": 0.0}, "rate_hz"),
        ({"maximum_load_n": -1.0}, "maximum_load_n"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict, named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        TouchSimulation(**settings)
