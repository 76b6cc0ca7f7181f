# SPDX-License-Identifier: Apache-2.0
"""The pictures for people."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.nodes import views
from sparsh_ros.touch import Touch

GREY = np.full((320, 240, 3), 100, np.uint8)


def _touch(force_n: tuple[float, float, float], **known: object) -> Touch:
    return Touch("thumb", 0, valid=True, in_contact=True, force_n=np.array(force_n), **known)


def test_the_difference_is_around_mid_grey_and_never_wraps() -> None:
    image, background = GREY.copy(), GREY.copy()
    image[0, 0], background[0, 1], image[0, 1] = 255, 255, 0
    shown = views.difference(image, background)
    assert shown.dtype == np.uint8 and shown[5, 5].tolist() == [127] * 3
    assert shown[0, 0, 0] == 255 and shown[0, 1, 0] == 0


@pytest.mark.parametrize(
    "touch",
    [
        Touch("thumb", 0),
        Touch("thumb", 0, valid=True, in_contact=False, force_n=np.ones(3)),
        Touch("thumb", 0, valid=True, in_contact=None, slip_probability=0.9, slipping=True),
        _touch((np.nan,) * 3),
    ],
)
def test_nothing_is_drawn_where_nothing_is_known(touch: Touch) -> None:
    np.testing.assert_array_equal(views.overlay(GREY, touch), GREY)


def test_the_arrow_points_where_the_force_does() -> None:
    drawn = np.any(views.overlay(GREY, _touch((2.0, 0.0, 0.01))) != GREY, axis=2)
    assert drawn[150:170, 140:175].any() and not drawn[:, :100].any()
    drawn = np.any(views.overlay(GREY, _touch((0.0, 2.0, 0.01))) != GREY, axis=2)
    assert drawn[100:140, 110:130].any() and not drawn[190:].any()


def test_slip_changes_the_colour() -> None:
    holds = views.overlay(GREY, _touch((1.0, 1.0, 2.0)))
    slips = views.overlay(GREY, _touch((1.0, 1.0, 2.0), slipping=True))
    assert np.any(holds != slips)
    np.testing.assert_array_equal(GREY, np.full((320, 240, 3), 100, np.uint8))
