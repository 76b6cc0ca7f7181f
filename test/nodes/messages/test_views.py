# SPDX-License-Identifier: Apache-2.0
"""The pictures for people."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sparsh_ros.frames import Frame
from sparsh_ros.nodes.messages import views
from sparsh_ros.nodes.messages.contact_area import ContactArea
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.postprocess import Estimate

GREY = np.full((320, 240, 3), 100, np.uint8)


def _estimate(force_n: tuple[float, float, float], **known: object) -> Estimate:
    return Estimate("thumb", 0, valid=True, in_contact=True, force_n=np.array(force_n), **known)


def test_the_difference_is_around_mid_grey_and_never_wraps() -> None:
    image, background = GREY.copy(), GREY.copy()
    image[0, 0], background[0, 1], image[0, 1] = 255, 255, 0
    shown = views.difference(image, background)
    assert shown.dtype == np.uint8 and shown[5, 5].tolist() == [127] * 3
    assert shown[0, 0, 0] == 255 and shown[0, 1, 0] == 0


GEL = slice(views._STRIP_PX, -views._STRIP_PX)


def _drawn(estimate: Estimate, area: ContactArea | None = None) -> np.ndarray:
    """Which pixels between the lines of text are drawn on."""
    return np.any(views.overlay(GREY, estimate, area)[GEL] != GREY[GEL], axis=2)


@pytest.mark.parametrize(
    "estimate",
    [
        Estimate("thumb", 0),
        Estimate("thumb", 0, valid=True, in_contact=False, force_n=np.ones(3)),
        Estimate("thumb", 0, valid=True, in_contact=None, slip_probability=0.9, slipping=True),
        _estimate((np.nan,) * 3),
    ],
)
def test_no_contact_is_drawn_where_none_is_known(estimate: Estimate) -> None:
    assert not _drawn(estimate).any()


def test_the_arrow_points_where_the_force_does() -> None:
    drawn = _drawn(_estimate((2.0, 0.0, 0.01)))
    assert drawn[134:154, 140:175].any() and not drawn[:, :100].any()
    drawn = _drawn(_estimate((0.0, 2.0, 0.01)))
    assert drawn[84:124, 110:130].any() and not drawn[174:].any()


def test_contact_and_arrow_are_where_the_contact_is() -> None:
    area = ContactArea((60.0, 240.0), (30.0, 15.0), 0.0)
    rows, columns = np.nonzero(_drawn(_estimate((0.0, 0.0, 0.5)), area))
    assert abs(columns.mean() - 60) < 3 and abs(rows.mean() + views._STRIP_PX - 240) < 3
    assert columns.max() - columns.min() >= 58 and rows.max() - rows.min() <= 36


def test_slip_changes_the_colour() -> None:
    holds = views.overlay(GREY, _estimate((1.0, 1.0, 2.0)))
    slips = views.overlay(GREY, _estimate((1.0, 1.0, 2.0), slipping=True))
    assert np.any(holds != slips)
    np.testing.assert_array_equal(GREY, np.full((320, 240, 3), 100, np.uint8))


def test_numbers_and_legend_are_written() -> None:
    numbers = [views._numbers(_estimate((0.25, -1.0, 3.0), slip_probability=0.625))]
    numbers.append(views._numbers(Estimate("thumb", 0, reason="no background")))
    numbers.append(views._numbers(Estimate("thumb", 0, valid=True, in_contact=False)))
    assert numbers == [
        "+0.2 -1.0 +3.0 N  slip 62 %  contact",
        "no estimate: no background",
        "free",
    ]
    shown = views.overlay(GREY, _estimate((1.0, 1.0, 2.0)))
    strips = shown[: views._STRIP_PX], shown[-views._STRIP_PX :]
    assert all((strip > 200).any() and (strip < 50).any() for strip in strips)


def _field(shear: tuple[float, float] = (0.0, 0.0), normal: float = 0.5) -> ForceField:
    """The same everywhere on a grey frame."""
    return ForceField(Frame(0, GREY), np.full((320, 240, 3), (*shear, normal), np.float32))


def _changed(drawn: np.ndarray) -> np.ndarray:
    return np.any(drawn != GREY, axis=2)


@pytest.mark.parametrize("normal", [0.5, np.nan])
@pytest.mark.parametrize("shear", [(0.0, 0.0), (np.nan, np.nan)])
def test_a_flat_or_unknown_field_leaves_the_image_as_it_is(shear, normal) -> None:
    assert not _changed(views.field_overlay(_field(shear, normal), 5e-5)).any()


def test_noise_of_the_normal_map_is_not_brightened_up() -> None:
    field = _field()
    field.values[..., 2] += np.random.default_rng(0).normal(0, 1e-4, (320, 240))
    assert np.abs(views.field_overlay(field, 5e-5).astype(int) - GREY).max() <= 2


@pytest.mark.parametrize("sign", [1, -1])
def test_heat_is_where_the_normal_map_differs_from_the_rest(sign: int) -> None:
    field = _field()
    field.values[100:140, 60:120, 2] += 0.3 * sign
    changed = _changed(views.field_overlay(field, 5e-5))
    assert changed[100:140, 60:120].all() and changed.sum() == 40 * 60


def test_shear_points_right_and_up_as_the_gel_frame_does() -> None:
    field = _field()
    field.values[150, 114, :2] = (4.0, 0.0)  # one of the arrows' places
    rows, columns = np.nonzero(_changed(views.field_overlay(field, 5e-5)))
    assert columns.min() >= 113 and columns.max() >= 125 and abs(rows.mean() - 150) < 1
    field.values[150, 114, :2] = (0.0, 4.0)
    rows, columns = np.nonzero(_changed(views.field_overlay(field, 5e-5)))
    assert rows.max() <= 151 and rows.min() <= 139 and abs(columns.mean() - 114) < 1


def test_fields_with_units_are_drawn_to_scale() -> None:
    pixels = np.random.default_rng(0).uniform(0.0, 1.0, (320, 240, 3)).astype(np.float32)
    plain = ForceField(Frame(0, GREY), pixels)
    scaled = ForceField(Frame(0, GREY), pixels * np.float32((5e-5, 5e-5, 100e3)), has_units=True)
    drawn = [views.field_overlay(field, 5e-5).astype(int) for field in (plain, scaled)]
    assert np.abs(drawn[0] - drawn[1]).mean() < 0.1
    faint = ForceField(Frame(0, GREY), 1e-3 * scaled.values, has_units=True)
    assert np.abs(views.field_overlay(faint, 5e-5).astype(int) - GREY).max() <= 5


def test_an_arrow_every_12_pixels() -> None:
    changed = _changed(views.field_overlay(_field(shear=(1.0, 0.0)), 5e-5))
    count, _, _, centres = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    assert count - 1 == (320 // 12 + 1) * (240 // 12)
    np.testing.assert_allclose(np.diff(np.sort(centres[1:21, 0])), 12, atol=1e-6)
