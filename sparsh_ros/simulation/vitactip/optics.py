# SPDX-License-Identifier: Apache-2.0
"""What the camera behind the dome sees: the skin, the object through it, the pins.

The object is lit by the lamps around the camera; the further it is from the skin, the more it is
veiled and blurred. A pin's tip moves with the skin at its root, and leans with the skin's slope.
Left out: refraction in the gel, shadows, and the pins' focus.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparsh_ros.simulation.elastomer import SkinState
from sparsh_ros.simulation.vitactip.instance import CELLS, PIN_LENGTH_MM, TIP_MM, TipInstance

SHARP_MM, VEIL_MM = 0.5, 2.5  # distances at which sharp and blurred views of an object fade
BLUR_MM = 0.8
SLOPE_SHADING = 0.5
PIN_TONE = {"vitactip": 0.10, "tactip": 0.92}
OPAQUE_RGB = np.array([0.09, 0.09, 0.10])
DISC = 0.97  # radius of what is seen, of half the image
_OVERSAMPLING = 2
_FRACTION_BITS = 4  # of the sub-pixel coordinates that cv2 draws at


def render(
    instance: TipInstance,
    variant: str,
    skin: SkinState,
    distance_mm: np.ndarray,
    colour: np.ndarray,
    size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """One picture.

    Args:
        instance: The fingertip.
        variant: One of `instance.VARIANTS`.
        skin: Its deformed skin, on the grid of `instance.tip_grid`.
        distance_mm: (R, C) from the skin to the object; 0 where they touch.
        colour: (R, C, 3) albedo of the object, 0 to 1.
        size: Side of the image in pixels.
        rng: Source of its noise.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    if variant == "tactip":
        scene = np.broadcast_to(OPAQUE_RGB, colour.shape)
    else:
        scene = _seen_through(instance, distance_mm, colour)
    pixels = size * _OVERSAMPLING
    image = cv2.resize(np.float32(scene), (pixels, pixels), interpolation=cv2.INTER_LINEAR)
    image = _lit(instance, image, variant)
    if variant in PIN_TONE:
        _draw_pins(image, instance, skin, PIN_TONE[variant])
    image = _through_lens(instance, image)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) * 255.0
    image += rng.normal(0.0, instance.noise, image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _seen_through(instance: TipInstance, distance_mm: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """(R, C, 3) the object behind the clear skin."""
    step = TIP_MM / CELLS
    down, right = np.gradient(distance_mm, step)
    shade = 1.0 - SLOPE_SHADING * np.tanh(np.hypot(down, right))
    seen = np.float32(colour * shade[..., None])
    far = cv2.GaussianBlur(seen, (0, 0), BLUR_MM / step)
    sharp = np.exp(-distance_mm / SHARP_MM)[..., None]
    veil = cv2.GaussianBlur(np.float32(np.exp(-distance_mm / VEIL_MM)), (0, 0), 0.3 / step)
    behind = sharp * seen + (1.0 - sharp) * far
    return veil[..., None] * behind + (1.0 - veil[..., None]) * instance.skin_rgb


def _lit(instance: TipInstance, image: np.ndarray, variant: str) -> np.ndarray:
    """With the lamps' reflection in the middle and a darker rim."""
    right, up = _axes_mm(image.shape[0])
    glow = np.exp(-((right - instance.glow_mm[0]) ** 2 + (up - instance.glow_mm[1]) ** 2) / 8.0)
    rim = 1.0 - instance.vignetting * (right**2 + up**2) / (TIP_MM / 2) ** 2
    strength = instance.glow_strength * (0.3 if variant == "tactip" else 1.0)
    return image * np.float32(rim)[..., None] + np.float32(strength * glow)[..., None]


def _draw_pins(image: np.ndarray, instance: TipInstance, skin: SkinState, tone: float) -> None:
    pixels_per_mm = image.shape[0] / TIP_MM
    scale = 2**_FRACTION_BITS
    radius = round(instance.pin_radius_mm * pixels_per_mm * scale)
    for x_mm, y_mm in instance.pins_mm + _pin_shifts(instance, skin):
        column, row = (TIP_MM / 2 + x_mm) * pixels_per_mm, (TIP_MM / 2 - y_mm) * pixels_per_mm
        centre = round((column - 0.5) * scale), round((row - 0.5) * scale)
        cv2.circle(image, centre, radius, (tone,) * 3, -1, cv2.LINE_AA, _FRACTION_BITS)


def _pin_shifts(instance: TipInstance, skin: SkinState) -> np.ndarray:
    """(P, 2) how far each tip has moved, mm."""
    step = TIP_MM / CELLS
    down, right = np.gradient(skin.surface_mm, step)
    lean = np.float32(PIN_LENGTH_MM) * np.stack([-right, down])  # rows run along -y
    moved = cv2.merge(list(np.float32(skin.displacement_mm + lean)))
    columns = (instance.pins_mm[:, :1] + TIP_MM / 2) / step - 0.5
    rows = (TIP_MM / 2 - instance.pins_mm[:, 1:]) / step - 0.5
    return cv2.remap(moved, np.float32(columns), np.float32(rows), cv2.INTER_LINEAR)[:, 0]


def _through_lens(instance: TipInstance, image: np.ndarray) -> np.ndarray:
    """As the camera is mounted, with black around the disc."""
    size = image.shape[0]
    middle = (size - 1) / 2
    turn = cv2.getRotationMatrix2D(
        (middle, middle), float(np.degrees(instance.turn_rad)), instance.zoom
    )
    image = cv2.warpAffine(image, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
    right, up = _axes_mm(size)
    outside = (np.hypot(right, up) / (TIP_MM / 2) - DISC) * size / 4
    return image * np.float32(np.clip(0.5 - outside, 0.02, 1.0))[..., None]


def _axes_mm(size: int) -> tuple[np.ndarray, np.ndarray]:
    """(size, size) x to the right and y upwards at the pixels' centres."""
    axis = ((np.arange(size) + 0.5) / size - 0.5) * TIP_MM
    return axis[None, :], -axis[:, None]
