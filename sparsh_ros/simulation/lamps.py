# SPDX-License-Identifier: Apache-2.0
"""The coloured lamps of a gel sensor, and how they differ between units.

Lengths are millimetres in the gel frame, angles radians counter-clockwise, brightness grey levels
of 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Fan:
    """A fan of light.

    Attributes:
        strength: relative to its lamp.
        tip_mm: distance of its tip from the lamp's bright spot, towards the lamp.
        azimuth_rad: direction in which it opens.
        angle_rad: half its opening angle.
    """

    strength: float
    tip_mm: float
    azimuth_rad: float
    angle_rad: float


@dataclass(frozen=True)
class Light:
    """One coloured LED (or row of LEDs) beside the gel.

    Attributes:
        colour: light (red, green, blue) that it adds to a flat gel at full irradiance; a grey level
            before the camera's exposure.
        azimuth_rad: direction from the gel's centre to the light.
        elevation_rad: height of the light above the gel as seen from the gel's centre.
        distance_mm: distance of the light from the gel's centre along the gel.
        spot_mm: (x, y) where its irradiance is largest. The bowl of a domed gel is brightest
            opposite its lamp, so the spot need not lie on the lamp's side.
        spot_radius_mm: (along, across) the azimuth, the radii where the irradiance falls to 1/e.
        penumbra_mm: how deep in the shadow of a bump a point loses most of the lamp's direct light;
            the larger the lamp, the deeper.
        echo: relative strength of its reflection off the far rim, a spot mirrored left to right.
        streak: relative strength of the streaks that its optics throw on the gel.
        fan: sharp-edged caustic that it throws on the gel.
    """

    colour: tuple[float, float, float]
    azimuth_rad: float
    elevation_rad: float
    distance_mm: float
    spot_mm: tuple[float, float]
    spot_radius_mm: tuple[float, float]
    penumbra_mm: float
    echo: float = 0.0
    streak: float = 0.0
    fan: Fan | None = None


_DIGIT_LAMPS = (
    # azimuth, bright spot (share of width, height), weakest and strongest colour
    (np.deg2rad(40), (-0.26, -0.05), (60, 2, 2), (130, 14, 18)),
    (np.deg2rad(155), (0.28, -0.05), (0, 40, 2), (8, 80, 12)),
    (np.deg2rad(-78), (0.0, -0.34), (0, 4, 35), (8, 24, 80)),
)


def draw_leds(width_mm: float, height_mm: float, rng: np.random.Generator) -> tuple[Light, ...]:
    """The LEDs of a DIGIT: in the upright image red upper right, green upper left, blue below.

    The light of the upper two crosses the gel's bowl and is brightest on the far side, as the rims
    of real contact prints show; where exactly differs much between units. The LEDs stand close: on
    a real unit the directions from which balls are lit meet 7 to 8 mm from the gel's centre.
    """
    lights, turn = [], rng.normal(0, 0.15)
    for side, (x, y), weakest, strongest in _DIGIT_LAMPS:
        azimuth = side + turn + rng.normal(0, 0.22)
        lights.append(
            Light(
                **_draw_lamp(azimuth, (weakest, strongest), (18, 38), (7, 16), rng),
                spot_mm=(
                    width_mm * (x + rng.normal(0, 0.1)),
                    height_mm * (y + rng.normal(0, 0.15)),
                ),
                spot_radius_mm=(rng.uniform(5, 13), rng.uniform(5, 12)),
                echo=max(0.0, rng.uniform(-0.6, 0.7)),
                streak=rng.uniform(0.0, 1.0) ** 2 * 0.4,
                fan=_draw_fan(azimuth, rng),
                penumbra_mm=draw_log(rng, 0.05, 0.4),
            )
        )
    return tuple(lights)


_GELSIGHT_LAMPS = (
    # azimuth, smallest and largest radius of the bright spot, weakest and strongest colour
    (0.1, (4, 8), (60, 2, 4), (110, 16, 24)),
    (-1.7, (9, 18), (2, 40, 8), (16, 80, 30)),
    (-2.95, (6, 13), (2, 8, 55), (18, 34, 100)),
)


def draw_rows(
    turn_rad: float, width_mm: float, height_mm: float, rng: np.random.Generator
) -> tuple[Light, ...]:
    """The LEDs of a GelSight, in three rows; where their broad spots overlap the gel is whitish."""
    lights = []
    for side, (smallest, largest), weakest, strongest in _GELSIGHT_LAMPS:
        azimuth = side + turn_rad + rng.normal(0, 0.2)
        reach = rng.uniform(-0.35, 0.1)
        spot_mm = (reach * width_mm * np.cos(azimuth), reach * height_mm * np.sin(azimuth))
        lights.append(
            Light(
                **_draw_lamp(azimuth, (weakest, strongest), (16, 38), (10, 20), rng),
                spot_mm=spot_mm,
                spot_radius_mm=tuple(rng.uniform(smallest, largest, 2)),
                streak=rng.uniform(0.0, 0.04),
                penumbra_mm=draw_log(rng, 0.2, 1.2),
            )
        )
    return tuple(lights)


def draw_log(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_lamp(
    azimuth_rad: float,
    colours: tuple[tuple[int, int, int], tuple[int, int, int]],
    elevations_deg: tuple[float, float],
    distances_mm: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Colour and place of a lamp: what all sensors have in common."""
    return {
        "colour": tuple(rng.uniform(*colours)),
        "azimuth_rad": azimuth_rad,
        "elevation_rad": np.deg2rad(rng.uniform(*elevations_deg)),
        "distance_mm": rng.uniform(*distances_mm),
    }


def _draw_fan(azimuth_rad: float, rng: np.random.Generator) -> Fan:
    """Half of the lamps have none: theirs has no strength."""
    return Fan(
        strength=rng.uniform(0.2, 1.1) if rng.random() < 0.5 else 0.0,
        tip_mm=rng.uniform(1, 8),
        azimuth_rad=azimuth_rad + np.pi + rng.normal(0, 0.4),
        angle_rad=rng.uniform(0.3, 0.9),
    )
