# SPDX-License-Identifier: Apache-2.0
"""Figures of difference images, on images whose figures are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sparsh_ros.bench import simulation_gap
from sparsh_ros.bench.simulation_gap import Shot, area_under_curve, measure, separability

ROW, COLUMN = np.mgrid[0:320, 0:240].astype(np.float32)


def spot(radius: float, colour: tuple, x: float = 120.0, y: float = 160.0) -> np.ndarray:
    size = np.exp(-((ROW - y) ** 2 + (COLUMN - x) ** 2) / (2 * radius**2))
    return (size[..., None] * np.array(colour)).astype(np.float32)


def shot(rng: np.random.Generator, radius: float, noise: float, group: int) -> Shot:
    background = np.full((320, 240, 3), 100.0) + rng.normal(0, noise, (320, 240, 3))
    place = rng.uniform(80, 160, 2)
    touched = background + spot(radius, (40, -30, 20), *place)
    touched += rng.normal(0, noise, touched.shape)
    images = (np.clip(image, 0, 255).astype(np.uint8) for image in (touched, background))
    return Shot("", *images, group)


def test_figures_of_a_spot() -> None:
    figures = measure(spot(20.0, (50.0, -25.0, 5.0)) + 1.0)
    assert set(figures) == set(simulation_gap.FIGURES)
    # The strongest 0.5 % of the image lie within 11 pixels of the middle.
    edge = np.exp(-(11.05**2) / (2 * 20.0**2))
    assert figures["peak_r"] == pytest.approx(50 * edge + 1, rel=0.02)
    assert figures["peak_g"] == pytest.approx(25 * edge - 1, rel=0.02)
    assert figures["corr_rg"] == pytest.approx(-1.0, abs=1e-3)
    assert figures["outside"] == pytest.approx(1.0, abs=0.3)
    assert figures["noise"] < 0.05
    assert 15 < figures["rim_px"] < 30
    ends = 20.0 * np.sqrt(2 * np.log(1 / (0.3 * edge)))
    assert figures["area"] == pytest.approx(np.pi * ends**2 / 76800, rel=0.1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bright_and_dark(sign: float) -> None:
    change = sign * spot(15.0, (40, 40, 40), x=80) - sign * spot(15.0, (20, 20, 20), x=160)
    # Of 40 and 20 levels, what exceeds 0.3 of 40 counts: 28 to 8.
    assert measure(change)["bright_over_dark"] == pytest.approx(3.5**sign, rel=0.25)


def test_finer_detail_has_narrower_rims_and_shorter_waves() -> None:
    rng = np.random.default_rng(0)
    white = rng.normal(0, 1, (320, 240, 3)).astype(np.float32)
    coarse, fine = (measure(40 * cv2.GaussianBlur(white, (0, 0), s)) for s in (20.0, 4.0))
    assert fine["rim_px"] < 0.5 * coarse["rim_px"]
    assert fine["long_waves"] < 0.2 < coarse["long_waves"]


def test_noise_is_measured_outside_the_print() -> None:
    rng = np.random.default_rng(0)
    noisy = spot(15.0, (60, 60, 60)) + rng.normal(0, 2.0, (320, 240, 3)).astype(np.float32)
    assert measure(noisy)["noise"] == pytest.approx(2.0, rel=0.1)


def test_what_is_drawn_alike_cannot_be_told_apart_and_what_differs_can() -> None:
    rng = np.random.default_rng(0)

    def shots(radius: float, noise: float) -> list[Shot]:
        return [shot(rng, radius * rng.uniform(0.7, 1.4), noise, group) for group in range(20)]

    real = shots(20.0, 1.0)
    assert separability(real, shots(20.0, 1.0)) == pytest.approx(0.5, abs=0.25)
    assert separability(real, shots(20.0, 3.0)) > 0.95
    assert separability(real, shots(8.0, 1.0)) > 0.9


def test_area_under_the_curve() -> None:
    positive = np.array([False, False, True, True])
    assert area_under_curve(np.array([0.1, 0.2, 0.3, 0.4]), positive) == 1.0
    assert area_under_curve(np.array([0.4, 0.3, 0.2, 0.1]), positive) == 0.0
    assert area_under_curve(np.array([0.1, 0.3, 0.2, 0.4]), positive) == 0.75
