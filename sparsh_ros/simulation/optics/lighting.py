# SPDX-License-Identifier: Apache-2.0
"""Where each lamp's light comes from and how much of it arrives, for every pixel of the gel."""

from __future__ import annotations

import cv2
import numpy as np

from sparsh_ros.simulation.lamps import Fan, Light
from sparsh_ros.simulation.sensor_instance import SensorInstance


def light_direction(light: Light, x_mm: np.ndarray, y_mm: np.ndarray) -> np.ndarray:
    """Unit vectors from the gel to a lamp at a finite distance, float32 (3, H, W): x, y, z."""
    lamp = light.distance_mm * np.array(
        [np.cos(light.azimuth_rad), np.sin(light.azimuth_rad), np.tan(light.elevation_rad)]
    )
    ray = np.stack([lamp[0] - x_mm, lamp[1] - y_mm, np.full_like(x_mm, lamp[2])])
    return (ray / np.linalg.norm(ray, axis=0)).astype(np.float32)


def irradiance(
    light: Light, x_mm: np.ndarray, y_mm: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Irradiance of one lamp over the gel, float32 (H, W), about 1 at the bright spot.

    A Gaussian spot with a broad skirt and its reflection, broken by streaks along the light's way
    and, where the lamp has one, by a fan with a sharp edge: the caustic of real DIGITs.
    """
    spot = _spot(light, x_mm, y_mm) + light.echo * _spot(light, -x_mm, y_mm)
    streaks = np.exp(light.streak * _streaks(light, x_mm, y_mm, rng))
    fan = light.fan.strength * _fan(light, light.fan, x_mm, y_mm) if light.fan else 0.0
    return (spot * streaks * (1 + fan)).astype(np.float32)


def rest_slope(
    instance: SensorInstance, x_mm: np.ndarray, y_mm: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Slope (dz/dx, dz/dy) of the undeformed gel, float32 (2, H, W): a bowl plus waviness."""
    half = np.hypot(instance.gel_width_mm, instance.gel_height_mm) / 2
    centre_x, centre_y = instance.dome_centre_mm
    bowl = instance.dome_slope / half * np.stack([x_mm - centre_x, y_mm - centre_y])
    waves = _smooth_noise(x_mm.shape, 22.0, rng)
    step = instance.gel_width_mm / x_mm.shape[1]
    down, right = np.gradient(waves, step)
    slope = np.stack([right, -down])
    slope *= instance.relief_slope / np.sqrt(np.mean(slope**2))
    return (bowl + slope).astype(np.float32)


def vignette(strength: float, height: int, width: int) -> np.ndarray:
    """Share of the light that the lens passes, float32 (H, W): 1 - strength in the corners."""
    row, column = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (1 - strength * (row**2 + column**2) / 2).astype(np.float32)


def _spot(light: Light, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    along, across = _polar_axes(light.azimuth_rad, x - light.spot_mm[0], y - light.spot_mm[1])
    falloff = (along / light.spot_radius_mm[0]) ** 2 + (across / light.spot_radius_mm[1]) ** 2
    return 0.55 * np.exp(-falloff) + 0.45 / (1 + 0.4 * falloff)


def _polar_axes(azimuth: float, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = np.cos(azimuth), np.sin(azimuth)
    return cosine * x + sine * y, cosine * y - sine * x


def _smooth_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation 1, smooth over sigma pixels."""
    pad = int(3 * sigma)
    noise = rng.standard_normal((shape[0] + 2 * pad, shape[1] + 2 * pad), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigma)[pad:-pad, pad:-pad]
    return noise / noise.std()


def _streaks(light: Light, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise in rays that start at the lamp: long along a ray, about 1 mm wide across it."""
    along, across = _polar_axes(light.azimuth_rad, x, y)
    reach = light.distance_mm - along
    noise = _smooth_noise((64, 96), 2.0, rng)
    columns = 48 + 1.5 * light.distance_mm * np.arctan2(across, np.maximum(reach, 1.0))
    rows = 8 + 0.5 * np.hypot(reach, across)
    return cv2.remap(
        noise,
        columns.astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )


def _fan(light: Light, fan: Fan, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 inside the fan that opens from its tip, 0 outside, fading with the distance."""
    tip_x = light.spot_mm[0] + fan.tip_mm * np.cos(light.azimuth_rad)
    tip_y = light.spot_mm[1] + fan.tip_mm * np.sin(light.azimuth_rad)
    along, across = _polar_axes(fan.azimuth_rad, x - tip_x, y - tip_y)
    distance = np.hypot(along, across)
    # Measured along the arc, the fan's edge is about 0.5 mm wide near its tip and blurs outwards.
    outside = (np.abs(np.arctan2(across, along)) - fan.angle_rad) * distance
    inside = 1 / (1 + np.exp(np.clip(outside / (0.25 + 0.09 * distance), -30, 30)))
    return inside * np.exp(-((distance / 10) ** 2))
