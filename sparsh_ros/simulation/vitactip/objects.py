# SPDX-License-Identifier: Apache-2.0
"""What is touched: shapes, gratings and edges, of materials that look different."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sparsh_ros.simulation import shapes
from sparsh_ros.simulation.indenters import (
    FAR_MM,
    SPACING_MM,
    Indenter,
    edge,
    from_height,
    smooth_noise,
    textured,
)
from sparsh_ros.simulation.vitactip.instance import DOME_RADIUS_MM

SHAPES = ("sphere", "flat", "sharp", "cylinder", "torus", "nut", "star", "bumps")
PITCHES_MM = (1.2, 1.6, 2.1, 2.7, 3.4, 4.2)


@dataclass(frozen=True)
class Material:
    """How a material looks.

    Attributes:
        name: Of the material.
        rgb: Its colour, 0 to 1.
        spread: By how much colours of its objects differ.
        grain_mm, contrast: Size and strength of its grain.
        fibrous: Whether the grain runs along one direction.
        relief_mm: Height of the surface's roughness, which the skin feels.
    """

    name: str
    rgb: tuple[float, float, float]
    spread: float
    grain_mm: float
    contrast: float
    fibrous: bool
    relief_mm: float


MATERIALS = (
    Material("steel", (0.55, 0.57, 0.60), 0.08, 6.0, 0.03, False, 0.0),
    Material("wood", (0.52, 0.38, 0.24), 0.08, 1.0, 0.15, True, 0.02),
    Material("rubber", (0.20, 0.19, 0.19), 0.08, 1.5, 0.06, False, 0.02),
    Material("felt", (0.45, 0.45, 0.42), 0.15, 1.2, 0.22, False, 0.06),
    Material("print", (0.50, 0.44, 0.42), 0.20, 0.8, 0.06, True, 0.04),
    Material("stone", (0.50, 0.48, 0.46), 0.08, 2.5, 0.22, False, 0.05),
)
"""Of close colours, so that the grain counts as well."""


@dataclass(frozen=True)
class TouchedObject:
    """A rigid object and its looks; `gap_on` makes it an indenter of a dome.

    Attributes:
        body: Its form.
        colour: (N, N, 3) float32 albedo over the patch of `body`.
    """

    body: Indenter
    colour: np.ndarray

    def gap_on(self, x_mm: np.ndarray, y_mm: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """As `Indenter.gap_on`, over a skin that curves away."""
        gap = self.body.gap_on(x_mm, y_mm, pose)
        dome = (x_mm[None, :] ** 2 + y_mm[:, None] ** 2) / np.float32(2.0 * DOME_RADIUS_MM)
        return np.minimum(gap + dome, np.float32(FAR_MM))

    def colour_on(self, x_mm: np.ndarray, y_mm: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """(R, C, 3) albedo at the grid's points; arguments as of `Indenter.gap_on`."""
        planes = [
            replace(self.body, gap_mm=np.ascontiguousarray(self.colour[..., channel])).gap_on(
                x_mm, y_mm, pose
            )
            for channel in range(3)
        ]
        return np.clip(np.stack(planes, axis=-1), 0.0, 1.0)


def draw_shape(rng: np.random.Generator, shape: int, material: int) -> TouchedObject:
    """A random object of one of `SHAPES`, of one of `MATERIALS`."""
    body = shapes.KINDS[SHAPES[shape]](rng)
    return made_of(body, MATERIALS[material], rng)


def draw_grating(rng: np.random.Generator, grating: int, material: int) -> TouchedObject:
    """A large face with grooves along y, `PITCHES_MM` apart."""
    pitch, depth = PITCHES_MM[grating], rng.uniform(0.5, 0.8)
    phase, width = rng.uniform(0.0, 1.0), rng.uniform(-0.3, 0.3)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        wave = np.clip(2.0 * (np.cos(2.0 * np.pi * (x / pitch + phase)) + width), -1.0, 1.0)
        return 0.5 * depth * (1.0 - wave)

    return made_of(from_height("ridged", height), MATERIALS[material], rng)


def draw_edge(rng: np.random.Generator, material: int) -> TouchedObject:
    """A long blunt edge along x."""
    body = edge(rng.uniform(0.7, 1.1), 11.0, rng.uniform(0.15, 0.5))
    return made_of(body, MATERIALS[material], rng)


def made_of(body: Indenter, material: Material, rng: np.random.Generator) -> TouchedObject:
    """`body`, of a material: its roughness, and a random piece of its looks."""
    if material.relief_mm > 0.0:
        body = textured(body, rng, material.relief_mm)
    grain = smooth_noise(rng, material.grain_mm)
    if material.fibrous:
        grain = cv2.blur(grain, (1, max(int(4.0 / SPACING_MM), 1)))
        grain /= grain.std()
    tone = 1.0 + material.contrast * grain
    rgb = np.array(material.rgb) * (1.0 + material.spread * rng.uniform(-1.0, 1.0))
    rgb = rgb + rng.normal(0.0, 0.02, 3)
    colour = np.clip(tone[..., None] * rgb, 0.0, 1.0).astype(np.float32)
    return TouchedObject(body, colour)
