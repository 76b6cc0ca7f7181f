# SPDX-License-Identifier: Apache-2.0
"""One fingertip of the TacTip family: how it is built, lit and seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsh_ros.simulation.contact import GelGrid

VARIANTS = ("vitactip", "tactip", "vitac")
"""Clear skin with dark pins; opaque skin with white pins; clear skin without pins."""
TIP_MM, DOME_RADIUS_MM = 20.0, 40.0
RINGS, RING_MM = 4, 2.2
CELLS, PIN_LENGTH_MM = 96, 2.0


@dataclass(frozen=True)
class TipInstance:
    """A fingertip; those with other seeds differ as fingertips of one make do.

    Attributes:
        seed: What it was drawn from.
        thickness_mm, stiffness_n_per_mm3, tangential_ratio, friction: Of the skin, see
            `simulation.elastomer.Elastomer`.
        pins_mm: (P, 2) rest places x, y of the pins' roots.
        pin_radius_mm: Of a pin's tip.
        skin_rgb: Colour of the clear skin in front of nothing, 0 to 1.
        glow_mm, glow_strength: Place and brightness of the lamps' reflection.
        vignetting: How much darker the rim is than the middle.
        turn_rad, zoom: How the camera is mounted.
        noise: Standard deviation of a pixel, in grey levels.
    """

    seed: int
    thickness_mm: float
    stiffness_n_per_mm3: float
    tangential_ratio: float
    friction: float
    pins_mm: np.ndarray
    pin_radius_mm: float
    skin_rgb: np.ndarray
    glow_mm: np.ndarray
    glow_strength: float
    vignetting: float
    turn_rad: float
    zoom: float
    noise: float


def draw_instance(seed: int) -> TipInstance:
    """The fingertip of a seed."""
    rng = np.random.default_rng([7, seed])
    return TipInstance(
        seed=seed,
        thickness_mm=rng.uniform(3.0, 4.0),
        stiffness_n_per_mm3=rng.uniform(0.10, 0.16),
        tangential_ratio=rng.uniform(0.5, 0.8),
        friction=rng.uniform(0.6, 1.1),
        pins_mm=_rings() + rng.normal(0.0, 0.08, (1 + 3 * RINGS * (RINGS + 1), 2)),
        pin_radius_mm=rng.uniform(0.36, 0.46),
        skin_rgb=np.array([0.62, 0.57, 0.50]) + rng.uniform(-0.06, 0.06, 3),
        glow_mm=rng.normal(0.0, 0.8, 2),
        glow_strength=rng.uniform(0.2, 0.4),
        vignetting=rng.uniform(0.3, 0.5),
        turn_rad=rng.normal(0.0, 0.03),
        zoom=rng.uniform(0.96, 1.04),
        noise=rng.uniform(1.5, 3.0),
    )


def tip_grid() -> GelGrid:
    """The grid on which the skin deforms."""
    return GelGrid(TIP_MM, TIP_MM, CELLS, CELLS)


def _rings() -> np.ndarray:
    """(P, 2) a pin in the middle and 6, 12, 18 ... around it."""
    places = [(0.0, 0.0)]
    for ring in range(1, RINGS + 1):
        angles = 2.0 * np.pi * np.arange(6 * ring) / (6 * ring)
        places += [(ring * RING_MM * np.cos(a), ring * RING_MM * np.sin(a)) for a in angles]
    return np.array(places)
