# SPDX-License-Identifier: Apache-2.0
"""A force field laid on the canonical image: size, direction, what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.frames import Frame
from sparsh_ros.perception.force_field import lay_on_image, read_field

SIDE = 224


def maps(shear: tuple[float, float] = (0.0, 0.0), normal: float = 0.0) -> dict[str, np.ndarray]:
    """Maps that are the same everywhere."""
    return {
        "shear": np.broadcast_to(np.float32(shear)[:, None, None], (2, SIDE, SIDE)),
        "normal": np.full((1, SIDE, SIDE), normal, np.float32),
    }


def test_it_covers_the_standard_image_whatever_the_size_of_the_maps() -> None:
    values = lay_on_image(maps())
    assert values.shape == (320, 240, 3) and values.dtype == np.float32
    small = {"normal": np.full((1, 64, 32), 0.25, np.float32)}
    np.testing.assert_allclose(lay_on_image(small)[..., 2], 0.25)


def test_shear_is_in_pixels_of_the_standard_image_and_y_is_up() -> None:
    values = lay_on_image(maps(shear=(7.0, 7.0)))
    np.testing.assert_allclose(values[..., 0], 7.0 * 240 / SIDE, rtol=1e-6)
    np.testing.assert_allclose(values[..., 1], -7.0 * 320 / SIDE, rtol=1e-6)


def test_a_place_on_the_map_is_the_same_place_on_the_image() -> None:
    found = maps()
    found["normal"][0, 56:61, 168:173] = 1.0  # a quarter down, three quarters to the right
    row, column = np.unravel_index(lay_on_image(found)[..., 2].argmax(), (320, 240))
    assert row == pytest.approx(58.5 / SIDE * 320, abs=4)
    assert column == pytest.approx(170.5 / SIDE * 240, abs=4)


def test_a_field_with_units_is_in_metres_and_pascals_and_y_is_up() -> None:
    frame = Frame(0, np.zeros((320, 240, 3), np.uint8))
    stretch = np.broadcast_to(np.float32((0.25, -0.5))[:, None, None], (2, 20, 15))
    field = read_field(frame, {"pressure": np.full((1, 20, 15), 12.0), "stretch": stretch})
    assert field.has_units and field.units == "m, m, Pa" and field.frame is frame
    assert field.values.shape == (320, 240, 3) and field.values.dtype == np.float32
    np.testing.assert_allclose(field.values[7, 5], (0.25e-3, -0.5e-3, 12e3), rtol=1e-6)
    assert not read_field(frame, maps()).has_units


@pytest.mark.parametrize(("name", "unknown"), [("normal", (0, 1)), ("shear", (2,))])
def test_a_map_that_the_model_lacks_is_unknown(name: str, unknown: tuple[int, ...]) -> None:
    values = lay_on_image({name: maps()[name]})
    for channel in range(3):
        assert np.isnan(values[..., channel]).all() == (channel in unknown)
