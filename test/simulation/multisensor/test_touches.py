# SPDX-License-Identifier: Apache-2.0
"""Touches that sensors share: the same object at the same place, its picture, its sentence."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sparsh_ros.simulation.indenters import sphere
from sparsh_ros.simulation.multisensor.captions import caption
from sparsh_ros.simulation.multisensor.picture import photograph
from sparsh_ros.simulation.multisensor.touches import (
    FRAMES,
    TouchPlan,
    draw_gels,
    plan_touch,
    touch,
)
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.simulation.trajectories import IndenterState
from sparsh_ros.simulation.vitactip.objects import MATERIALS, made_of

STEEL = 0


def _rng(seed=0):
    return np.random.default_rng(seed)


def _ball(x, y, load=3.0):
    item = made_of(sphere(2.5), MATERIALS[STEEL], _rng())
    start = IndenterState(0.4 * load, x, y)
    return TouchPlan("sphere", STEEL, item, start, replace(start, load_n=load))


@pytest.fixture(scope="module")
def gels():
    return draw_gels(3)


def test_every_sensor_feels_the_ball_where_it_is(gels):
    """The print of a ball at the upper right lies there on each sensor, and grows with the load."""
    assert tuple(gel.instance.sensor for gel in gels) == SENSORS
    free = touch(_ball(0.0, 0.0, load=0.0), gels, 48, _rng()).frames.astype(float)
    felt = touch(_ball(3.0, 3.0), gels, 48, _rng()).frames.astype(float)
    assert felt.shape == (len(SENSORS), FRAMES, 48, 48, 3)
    change = np.abs(felt - free).mean(axis=-1)
    blurred = np.array([[cv2.blur(frame, (9, 9)) for frame in clip] for clip in change])
    newest = blurred[:, 0]
    right_up, left_down = newest[:, 4:22, 26:44], newest[:, 26:44, 4:22]
    assert (right_up.max(axis=(1, 2)) > 2.0 * left_down.max(axis=(1, 2))).all()
    assert (blurred[:, 0].max(axis=(1, 2)) > blurred[:, -1].max(axis=(1, 2))).all()


def test_gels_are_untouched_afterwards(gels):
    before = touch(_ball(1.0, 0.0, load=0.0), gels, 32, _rng()).frames.astype(float)
    touch(plan_touch("nut", _rng(1)), gels, 32, _rng())
    after = touch(_ball(1.0, 0.0, load=0.0), gels, 32, _rng()).frames.astype(float)
    assert np.abs(after.mean(axis=(1, 4)) - before.mean(axis=(1, 4))).max() < 12.0


def test_plans_differ_and_repeat():
    plans = [plan_touch("stamp", _rng(seed)) for seed in range(16)]
    loads = [plan.end.load_n for plan in plans]
    assert 0.5 <= min(loads) < 1.2 and 2.5 < max(loads) <= 5.0
    moved = [abs(p.end.x_mm - p.start.x_mm) > 0 for p in plans]
    assert 3 < sum(moved) < 13 and len({plan.material for plan in plans}) > 3
    again = plan_touch("stamp", _rng(7))
    assert again.end == plans[7].end
    np.testing.assert_array_equal(again.item.body.gap_mm, plans[7].item.body.gap_mm)


def test_the_picture_shows_the_object_on_its_table():
    item = made_of(sphere(4.0), MATERIALS[2], _rng())  # dark rubber on a pale table
    picture = photograph(item, 0.0, 40, _rng()).astype(float)
    assert picture.shape == (40, 40, 3)
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.std(axis=0).max() < 1.0
    assert picture[17:23, 17:23].mean() < 0.7 * corners.mean()


def _words(kind="sphere", relief=0.0, load=1.0, place=(0.0, 0.0), motion=(0.0, 0.0, 0.0)):
    given = kind, "wood", relief, load, np.array(place), np.array(motion)
    return {caption(*given, _rng(seed)) for seed in range(30)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ("wood", "sphere", "smooth", "gently", "still")),
        ({"load": 0.6}, ("lightly",)),
        ({"load": 4.5, "relief": 0.05}, ("hard", "very rough")),
        ({"kind": "torus", "relief": 0.02}, ("ring", "slightly rough")),
        ({"motion": (0.5, 0.0, 0.0)}, ("sliding",)),
        ({"motion": (0.5, 0.5, -0.1)}, ("sliding and turning",)),
    ],
)
def test_sentences_say_what_is_true(given, words):
    found = _words(**given)
    assert len(found) >= 3  # told in several ways
    for sentence in found:
        assert all(word in sentence for word in words), sentence
        assert not {"left", "right"} & set(sentence.split())


def test_sentences_say_where():
    assert all("middle" in s or "centre" in s for s in _words())
    assert all("off centre" in s or "aside" in s for s in _words(place=(0.0, 2.0)))
