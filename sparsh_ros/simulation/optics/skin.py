# SPDX-License-Identifier: Apache-2.0
"""What is painted on the gel's skin and moves with it: speckle, scratches, dirt, markers."""

from __future__ import annotations

import cv2
import numpy as np

from sparsh_ros.simulation.sensor_instance import SensorInstance

MARGIN = 48
"""Pixels of skin painted beyond each edge of the canonical image, for skin that is dragged in."""

_MARKER_ALBEDO = 0.2


def paint_skin(instance: SensorInstance, height: int, width: int) -> np.ndarray:
    """Paints the albedo of the undeformed skin.

    Returns:
        float32 (height + 2 MARGIN, width + 2 MARGIN), about 1, dark where light is absorbed.
    """
    rng = np.random.default_rng([1, instance.seed])
    shape = (height + 2 * MARGIN, width + 2 * MARGIN)
    skin = 1 + _speckle(shape, instance.speckle, rng)
    _scratch(skin, instance.scratches, rng)
    if instance.marker_pitch_mm > 0:
        skin *= _markers(shape, instance, width / instance.gel_width_mm, rng)
    return cv2.GaussianBlur(skin, (0, 0), instance.blur_px)


def _speckle(shape: tuple[int, int], contrast: float, rng: np.random.Generator) -> np.ndarray:
    """Pigment clumps of two sizes; the small ones have the given root mean square contrast."""
    total = np.zeros(shape, np.float32)
    for sigma, weight in ((1.2, 1.0), (5.0, 0.4)):
        grain = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), sigma)
        total += contrast * weight * grain / grain.std()
    return total


def _scratch(skin: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Draws thin straight scratches and round specks, lighter or darker than the pigment."""
    height, width = skin.shape
    for _ in range(count):
        centre = rng.uniform((0, 0), (width, height))
        tone = float(1 + rng.choice([-1, 1]) * rng.uniform(0.1, 0.45))
        if rng.random() < 0.5:
            angle, length = rng.uniform(0, np.pi), rng.uniform(5, 60)
            tip = centre + length * np.array([np.cos(angle), np.sin(angle)])
            start, end = (tuple(int(v) for v in point) for point in (centre, tip))
            cv2.line(skin, start, end, tone, 1, cv2.LINE_AA)
        else:
            radius = int(rng.integers(1, 4))
            cv2.circle(skin, tuple(int(v) for v in centre), radius, tone, -1, cv2.LINE_AA)


def _markers(
    shape: tuple[int, int], instance: SensorInstance, pixels_per_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """A square grid of dark round dots, each a little off its place and size."""
    pitch = instance.marker_pitch_mm * pixels_per_mm
    radius = instance.marker_radius_mm * pixels_per_mm
    scale = 16  # cv2 draws sub-pixel positions as fixed-point numbers with 4 fractional bits
    dots = np.ones(shape, np.float32)
    phase = rng.uniform(0, pitch, 2)
    for y in np.arange(phase[1], shape[0], pitch):
        for x in np.arange(phase[0], shape[1], pitch):
            spot = np.array([x, y]) + rng.normal(0, 0.03 * pitch, 2)
            centre = tuple(int(v) for v in np.round(spot * scale))
            size = int(radius * rng.uniform(0.9, 1.1) * scale)
            cv2.circle(dots, centre, size, _MARKER_ALBEDO, -1, cv2.LINE_AA, 4)
    return dots
