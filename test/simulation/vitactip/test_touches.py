# SPDX-License-Identifier: Apache-2.0
"""The simulated ViTacTip: labels are true, and the image shows what is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparsh_ros.simulation.elastomer import SkinState
from sparsh_ros.simulation.indenters import sphere
from sparsh_ros.simulation.vitactip import optics
from sparsh_ros.simulation.vitactip.instance import VARIANTS, draw_instance, tip_grid
from sparsh_ros.simulation.vitactip.objects import MATERIALS, draw_edge, made_of
from sparsh_ros.simulation.vitactip.touches import NONE, Plan, plan_touch, touch

SIZE = 64
TIP = replace(draw_instance(3), noise=0.0, turn_rad=0.0, zoom=1.0)


def _rng():
    return np.random.default_rng(0)


def _take(plan, variant="vitactip", tip=TIP):
    return touch(plan, tip, variant, SIZE, _rng())


def _ball(x=0.0, y=0.0, load=2.0, drag=(0.0, 0.0), material=2):
    item = made_of(sphere(2.5), MATERIALS[material], np.random.default_rng(5))
    pose = np.array([x, y, 0.0])
    return Plan(item, pose, load, np.array(drag), shape=0, material=material)


def test_the_label_of_force_is_the_load_and_the_drag():
    _, labels = _take(_ball(load=2.0, drag=(0.8, -0.4)))
    assert labels.force[2] == pytest.approx(2.0, rel=0.02)
    assert labels.force[0] > 0.2 and labels.force[1] < -0.1
    assert np.hypot(*labels.force[:2]) <= TIP.friction * 2.0 * 1.001


def test_the_label_of_contact_is_where_the_ball_is():
    _, labels = _take(_ball(x=1.5, y=-1.0))
    # The dome falls away: it is touched a little nearer to its middle.
    assert labels.contact[0] == pytest.approx(1.5, abs=0.35)
    assert labels.contact[1] == pytest.approx(-1.0, abs=0.25)
    assert 0.0 < labels.contact[0] <= 1.5


def test_a_dark_ball_is_seen_where_it_is_through_clear_skin_only():
    free = {variant: _take(_ball(x=50.0), variant)[0].astype(float) for variant in VARIANTS}
    for variant in ("vitactip", "vitac"):
        change = np.abs(free[variant] - _take(_ball(x=3.0, y=3.0), variant)[0]).mean(axis=2)
        upper_right = change[8:32, 32:56].mean()  # y points up
        assert upper_right > 3.0 * change[32:56, 8:32].mean() and upper_right > 10.0
    hidden = [_take(_ball(material=m), "tactip")[0] for m in (1, 2)]
    np.testing.assert_allclose(*hidden, atol=3)


def test_pins_move_with_the_skin():
    image = {drag: _take(_ball(drag=(drag, 0.0)), "tactip")[0].astype(int) for drag in (0.0, 1.0)}
    assert np.abs(image[0.0] - image[1.0])[24:40, 24:40].mean() > 8.0
    bare = {drag: _take(_ball(drag=(drag, 0.0)), "vitac")[0].astype(int) for drag in (0.0, 1.0)}
    assert np.abs(bare[0.0] - bare[1.0]).mean() < np.abs(image[0.0] - image[1.0]).mean()


def test_pins_lean_away_from_what_is_pressed_in():
    grid = tip_grid()
    bump = np.exp(-(grid.x_mm[None] ** 2 + grid.y_mm[:, None] ** 2) / 8.0)
    skin = SkinState(bump, np.zeros((2, *grid.shape), np.float32))
    shifts = optics._pin_shifts(TIP, skin)
    near = (np.linalg.norm(TIP.pins_mm, axis=1) - 2.2) ** 2 < 0.1  # the innermost ring
    assert near.sum() == 6
    outwards = (shifts * TIP.pins_mm).sum(axis=1)[near] / 2.2
    assert (outwards > 0.3).all()


def test_the_edge_lies_as_its_label_says():
    item = draw_edge(_rng(), 2)  # dark rubber
    plan = Plan(item, np.array([2.0, 0.0, np.radians(90.0 + 20.0)]), 3.0, np.zeros(2))
    image, labels = _take(plan, "vitac")
    assert labels.edge[0] == pytest.approx(2.0) and labels.edge[2] == pytest.approx(20.0)
    assert 0.2 < labels.edge[1] < 2.5
    assert labels.shape == NONE and np.isnan(labels.force).all()
    change = _take(replace(plan, pose=np.array([80.0, 0.0, 0.0])), "vitac")[0].astype(float) - image
    weight = np.clip(change.mean(axis=2), 0.0, None) ** 2
    axis = ((np.arange(SIZE) + 0.5) / SIZE - 0.5) * 20.0
    upper, lower = weight[20], weight[43]  # at y = 3.6 and -3.6 mm
    across = [(axis * part).sum() / part.sum() for part in (upper, lower)]
    slope = (across[0] - across[1]) / (axis[43] - axis[20])
    assert np.degrees(np.arctan(slope)) == pytest.approx(-20.0, abs=6.0)


def test_a_dragged_edge_crosses_elsewhere():
    item = draw_edge(_rng(), 0)
    pose = np.array([0.0, 0.0, np.radians(90.0 + 45.0)])
    _, labels = _take(Plan(item, pose, 3.0, np.array([0.0, 1.0])))
    assert labels.edge[0] == pytest.approx(1.0)


@pytest.mark.parametrize("task", range(3))
def test_each_task_has_its_labels(task):
    _, labels = _take(plan_touch(np.random.default_rng(task), task))
    known = [
        labels.shape >= 0,
        labels.material >= 0,
        not np.isnan(labels.contact).any(),
        labels.grating >= 0,
        not np.isnan(labels.edge).any(),
    ]
    assert known == [[1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]][task]


def test_equal_seeds_give_equal_images_and_tips_differ():
    plan = _ball()
    np.testing.assert_array_equal(_take(plan)[0], _take(plan)[0])
    other = _take(plan, tip=draw_instance(4))[0].astype(int)
    assert np.abs(other - _take(plan)[0]).mean() > 5.0
    assert len({m.name for m in MATERIALS}) == len(MATERIALS)
