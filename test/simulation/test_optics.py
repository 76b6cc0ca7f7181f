# SPDX-License-Identifier: Apache-2.0
"""Rendering of the simulated gel."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation.optics.gel_optics import GelOptics
from sparsh_ros.simulation.sensor_instance import SENSORS, SensorInstance

FLAT = np.zeros((160, 120), np.float32)
STILL = np.zeros((2, 160, 120), np.float32)


def clean(unit: SensorInstance) -> SensorInstance:
    """The unit behind an ideal camera: what is left depends on light and skin alone."""
    return replace(
        unit,
        read_noise=0.0,
        shot_noise=0.0,
        jpeg_quality=100,
        video_step=0.0,
        drift=0.0,
        shift_px=(0.0, 0.0),
        rotation_rad=0.0,
        zoom=1.0,
        distortion=0.0,
    )


def bump(x_mm: float, y_mm: float, radius_mm: float = 2.0, depth_mm: float = 0.5) -> np.ndarray:
    """A smooth bump at a place of a DIGIT's gel frame."""
    row, column = np.mgrid[0:160, 0:120]
    x = (column + 0.5) / 120 * 14.3 - 14.3 / 2 - x_mm
    y = 19.1 / 2 - (row + 0.5) / 160 * 19.1 - y_mm
    return (depth_mm * np.exp(-(x * x + y * y) / radius_mm**2)).astype(np.float32)


def change(optics: GelOptics, surface: np.ndarray, displacement: np.ndarray = STILL) -> np.ndarray:
    """Change of the image against the untouched gel, float (320, 240, 3)."""
    rng = np.random.default_rng(0)
    return optics.render(surface, displacement, rng).astype(float) - optics.background(rng)


@pytest.mark.parametrize("sensor", SENSORS)
def test_image_is_a_standard_image_and_repeats(sensor: str) -> None:
    unit = SensorInstance.draw(sensor, 5)
    images = [
        GelOptics(unit).render(bump(0, 0), STILL, np.random.default_rng(1), 2.0) for _ in range(2)
    ]
    assert images[0].shape == (320, 240, 3)
    assert images[0].dtype == np.uint8
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize("sensor", SENSORS)
def test_units_look_different(sensor: str) -> None:
    one, other = (
        GelOptics(SensorInstance.draw(sensor, seed)).background(np.random.default_rng(0))
        for seed in (1, 2)
    )
    assert np.abs(one.astype(float) - other).mean() > 5


@pytest.mark.parametrize("sensor", SENSORS)
def test_background_is_exposed_and_without_contact(sensor: str) -> None:
    unit = SensorInstance.draw(sensor, 4)
    optics, rng = GelOptics(unit), np.random.default_rng(0)
    first, second = optics.background(rng), optics.background(rng)
    assert np.abs(first.mean((0, 1)) - unit.exposure).max() < 6
    assert (first != second).any(), "noise must be fresh in every frame"
    assert np.abs(first.astype(float) - second).mean() < 4


@pytest.mark.parametrize("seed", range(4))
def test_pressing_changes_the_image_at_the_contact_only(seed: int) -> None:
    optics = GelOptics(SensorInstance.draw("digit", seed))
    moved = np.abs(change(optics, bump(2.0, 4.0))).mean(2)
    # 16.8 pixels per mm: the bump is centred near column 154, row 93.
    inside, outside = moved[63:123, 124:184], moved[200:]
    assert inside.mean() > outside.mean() + 4
    assert outside.mean() < 3


@pytest.mark.parametrize("azimuth", [0.0, np.pi / 2, np.pi, -np.pi / 2])
def test_the_face_towards_a_lamp_takes_its_colour(azimuth: float) -> None:
    unit = clean(SensorInstance.draw("digit", 0))
    red = replace(unit.lights[0], colour=(100.0, 0.0, 0.0), azimuth_rad=azimuth, spot_mm=(0, 0))
    unit = replace(unit, lights=(red,), ambient=(20.0, 60.0, 60.0), dome_slope=0.0)
    difference = change(GelOptics(unit), bump(0, 0))[..., 0]
    east, south = round(24 * np.cos(azimuth)), round(-24 * np.sin(azimuth))
    lit = difference[160 + south - 6 : 160 + south + 6, 120 + east - 6 : 120 + east + 6].mean()
    dark = difference[160 - south - 6 : 160 - south + 6, 120 - east - 6 : 120 - east + 6].mean()
    assert lit > 8
    assert dark < -8


@pytest.mark.parametrize("azimuth", [0.0, np.pi / 2, np.pi, -np.pi / 2])
@pytest.mark.parametrize("downscale", [1, 4])
def test_a_bump_throws_a_shadow_behind_it(azimuth: float, downscale: int) -> None:
    unit = clean(SensorInstance.draw("digit", 0))
    red = replace(
        unit.lights[0],
        colour=(100.0, 0.0, 0.0),
        azimuth_rad=azimuth,
        elevation_rad=0.35,
        distance_mm=9.0,
        spot_mm=(0, 0),
        penumbra_mm=0.1,
    )
    flat_light = {"ambient": (5.0, 60.0, 60.0), "dome_slope": 0.0, "relief_slope": 0.001}
    unit = replace(unit, lights=(red,), glow=(0, 0, 0), glow_slope=((0,) * 3,) * 2, **flat_light)
    optics, rng = GelOptics(unit, downscale), np.random.default_rng(0)
    surface = cv2.resize(bump(0, 0, 1.2, 1.0), optics.grid_shape[::-1])
    still = np.zeros((2, *optics.grid_shape), np.float32)
    difference = optics.render(surface, still, rng).astype(float) - optics.background(rng)
    # 2.6 mm from the middle the gel is flat again: behind the bump it is dark, before it as ever.
    reach = 2.6 * 240 / 14.3 / downscale
    height, width = difference.shape[:2]
    steps = reach * np.cos(azimuth), -reach * np.sin(azimuth)
    before, behind = (
        difference[int(height / 2 + sign * steps[1]), int(width / 2 + sign * steps[0]), 0]
        for sign in (1, -1)
    )
    assert behind < -20
    assert before > -12


@pytest.mark.parametrize("sensor", SENSORS)
def test_a_strong_press_tints_the_whole_image(sensor: str) -> None:
    unit = clean(SensorInstance.draw(sensor, 1))
    tinted = replace(unit, glow=(4.0, -3.0, 0.0), glow_slope=((0,) * 3,) * 2, marker_pitch_mm=0.0)
    difference = change(GelOptics(tinted), bump(0, 6.0, 2.5, 1.0))
    corner = difference[250:, 30:210].mean((0, 1))
    share = 1 - np.exp(-np.pi * 2.5**2 / 8)  # volume of the bump over that of 63 %
    np.testing.assert_allclose(corner, np.array([4.0, -3.0, 0.0]) * share, atol=0.8)


@pytest.mark.parametrize(("x_mm", "y_mm"), [(0.6, 0.0), (0.0, 0.6), (-0.4, 0.5)])
@pytest.mark.parametrize("sensor", ["digit", "gelsight_2017"])
def test_skin_moves_with_the_displacement(sensor: str, x_mm: float, y_mm: float) -> None:
    unit = clean(SensorInstance.draw(sensor, 7))
    unit = replace(unit, speckle=0.05, blur_px=0.6, vignetting=0.0)
    optics, rng = GelOptics(unit), np.random.default_rng(0)
    moved = np.empty_like(STILL)
    moved[0], moved[1] = x_mm, y_mm
    pictures = (optics.background(rng), optics.render(FLAT, moved, rng))
    before, after = (_fine_detail(picture) for picture in pictures)
    (right, down), _ = cv2.phaseCorrelate(before, after)
    scale = 240 / unit.gel_width_mm
    assert (right, -down) == pytest.approx((x_mm * scale, y_mm * scale), abs=0.6)


@pytest.mark.parametrize(
    ("camera", "seen_at"),
    [({"shift_px": (24.0, -16.0)}, (74.3, -99.8)), ({"rotation_rad": 0.5}, (84.4, -49.4))],
)
def test_camera_sees_the_skin_where_it_looks(camera: dict, seen_at: tuple) -> None:
    unit = replace(clean(SensorInstance.draw("digit", 7)), speckle=0.05, scratches=0, **camera)
    dragged = STILL.copy()
    dragged[0] = bump(3.0, 5.0, 1.5, 0.3)  # 50.3 pixels right of the centre and 83.8 above it
    moved = np.abs(change(GelOptics(unit), FLAT, dragged)).mean(2)
    assert moved.max() > 5
    np.testing.assert_allclose(_centre(moved) - (119.5, 159.5), seen_at, atol=10)


def _centre(change: np.ndarray) -> np.ndarray:
    """(column, row) of the centre of a change, beyond the noise of compression."""
    weight = np.maximum(cv2.GaussianBlur(change, (0, 0), 3.0) - 0.25 * change.max(), 0.0)
    rows, columns = np.mgrid[0:320, 0:240]
    return np.array([(weight * axis).sum() for axis in (columns, rows)]) / weight.sum()


def _fine_detail(picture: np.ndarray) -> np.ndarray:
    grey = picture.astype(np.float64).mean(2)[60:260, 40:200]
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 4.0)
    return detail * cv2.createHanningWindow(detail.shape[::-1], cv2.CV_64F)


def test_markers_are_dark_dots_at_their_pitch() -> None:
    unit = clean(SensorInstance.draw("gelsight_2017", 2))
    picture = GelOptics(unit).background(np.random.default_rng(0)).mean(2)
    dark = (picture < 0.6 * cv2.GaussianBlur(picture, (0, 0), 15)).astype(np.uint8)
    count = cv2.connectedComponents(dark)[0] - 1
    expected = unit.gel_width_mm * unit.gel_height_mm / unit.marker_pitch_mm**2
    assert count == pytest.approx(expected, rel=0.3)


def test_lamps_drift_slowly_from_the_background() -> None:
    unit = replace(clean(SensorInstance.draw("digit", 1)), drift=0.015, drift_period_s=20.0)
    optics, rng = GelOptics(unit), np.random.default_rng(0)
    start = optics.background(rng).astype(float)
    soon, later = (
        np.abs(optics.render(FLAT, STILL, rng, time_s) - start).mean() for time_s in (0.1, 6.0)
    )
    assert soon < 0.3
    assert 0.4 < later < 6


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize("downscale", [2, 4])
def test_small_images_are_the_full_ones_shrunk(sensor: str, downscale: int) -> None:
    unit = replace(
        clean(SensorInstance.draw(sensor, 3)),
        shift_px=(3.0, -2.0),
        rotation_rad=0.02,
        marker_pitch_mm=0.0,
    )
    full, small = GelOptics(unit), GelOptics(unit, downscale)
    surface, dragged = bump(1.0, 2.0), np.stack([bump(1.0, 2.0, 3.0, 0.2), FLAT])
    rows, columns = small.grid_shape
    coarse = [cv2.resize(a, (columns, rows), interpolation=cv2.INTER_AREA) for a in dragged]
    coarse_surface = cv2.resize(surface, (columns, rows), interpolation=cv2.INTER_AREA)
    wanted = _shrink(change(full, surface, dragged), downscale)
    rng = np.random.default_rng(0)
    image = small.render(coarse_surface, np.array(coarse), rng)
    found = image.astype(float) - small.background(rng)
    assert image.shape == (320 // downscale, 240 // downscale, 3)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.97
    assert np.abs(found - wanted).mean() < 0.08 * np.abs(wanted).max()
    background = _shrink(full.background(rng), downscale)
    assert np.abs(small.background(rng) - background).mean() < 1.0


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    size = image.shape[1] // factor, image.shape[0] // factor
    return cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def test_other_downscales_are_refused() -> None:
    with pytest.raises(ParameterError, match="found 3"):
        GelOptics(SensorInstance.draw("digit", 0), 3)


def test_wrong_shapes_are_refused() -> None:
    optics, rng = GelOptics(SensorInstance.draw("digit", 0)), np.random.default_rng(0)
    with pytest.raises(ParameterError, match=r"surface_mm .*\(160, 120\), found \(120, 160\)"):
        optics.render(FLAT.T, STILL, rng)
    with pytest.raises(ParameterError, match=r"displacement_mm .*found \(160, 120, 2\)"):
        optics.render(FLAT, np.moveaxis(STILL, 0, 2), rng)
