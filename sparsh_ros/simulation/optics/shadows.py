# SPDX-License-Identifier: Apache-2.0
"""Cast shadows: what lies behind a bump as seen from a near lamp.

The height map is resampled into rays from the lamp, one a row. Along a ray a point is lit when no
point before it stands higher in the lamp's view, so that a running maximum finds the shadows of all
points at once (the horizon of a height map; Max 1988).
"""

from __future__ import annotations

import cv2
import numpy as np

from sparsh_ros.simulation.lamps import Light
from sparsh_ros.simulation.sensor_instance import SensorInstance

SHAPE = (80, 60)
"""Rows and columns of the heights taken and the shadows given; they cover the canonical image."""
_RAYS, _RADII = 72, 56
_NEAREST_MM = 1.0


class ShadowCaster:
    """Shadows of all lamps over one gel."""

    def __init__(self, instance: SensorInstance, x_mm: np.ndarray, y_mm: np.ndarray) -> None:
        """Prepare the way to the lamps' rays and back.

        Args:
            instance: The sensor.
            x_mm: `SHAPE`, where on the gel each pixel of a coarse image looks.
            y_mm: The same along y.
        """
        maps = [_ray_maps(light, instance, x_mm, y_mm) for light in instance.lights]
        self._to_rays = _stack([rays for rays, _ in maps])
        # The rays of all lamps lie in one image, below one another.
        self._back = _stack([(c, r + index * _RAYS) for index, (_, (c, r)) in enumerate(maps)])
        count, step = len(instance.lights), (_farthest(instance) - _NEAREST_MM) / (_RADII - 1)
        self._radius = (_NEAREST_MM + step * np.arange(_RADII)).astype(np.float32)
        self._lamp_z = np.repeat([_position(light)[2] for light in instance.lights], _RAYS)
        self._lamp_z = self._lamp_z.astype(np.float32)[:, None]
        softness = np.array([1.0 / light.penumbra_mm for light in instance.lights], np.float32)
        self._softness = softness.reshape(count, 1, 1)

    def lit_shares(self, height_mm: np.ndarray) -> np.ndarray:
        """Share of each lamp's direct light that arrives.

        Args:
            height_mm: `SHAPE` float32, rise of the surface towards the camera.

        Returns:
            (lamps, *SHAPE) float32, 1 in the light to 0 deep in the shadow.
        """
        rays = cv2.remap(height_mm, *self._to_rays, cv2.INTER_LINEAR)
        view = (rays - self._lamp_z) / self._radius
        below = (np.maximum.accumulate(view, axis=1) - view) * self._radius
        below = cv2.remap(below, *self._back, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.exp(-self._softness * below.reshape(-1, *SHAPE))


def _stack(maps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """One (column, row) map, float32, of several below one another."""
    columns, rows = zip(*maps, strict=True)
    return np.concatenate(columns).astype(np.float32), np.concatenate(rows).astype(np.float32)


def _position(light: Light) -> np.ndarray:
    """(x, y, z) mm of a lamp over the gel's centre."""
    return light.distance_mm * np.array(
        [np.cos(light.azimuth_rad), np.sin(light.azimuth_rad), np.tan(light.elevation_rad)]
    )


def _farthest(instance: SensorInstance) -> float:
    """Distance that every lamp's rays cover."""
    half = np.hypot(instance.gel_width_mm, instance.gel_height_mm) / 2
    return 1.1 * half + max(light.distance_mm for light in instance.lights)


def _ray_maps(light: Light, instance: SensorInstance, x_mm: np.ndarray, y_mm: np.ndarray) -> tuple:
    """(column, row) of the height map for points of the rays, and of the rays for pixels."""
    lamp = _position(light)
    x, y = x_mm - lamp[0], y_mm - lamp[1]
    # Angles count from the ray through the gel's centre.
    middle = np.arctan2(-lamp[1], -lamp[0])
    angle = np.angle(np.exp(1j * (np.arctan2(y, x) - middle)))
    low = angle.min()
    ray_step = max(angle.max() - low, 1e-3) / (_RAYS - 1)
    radius_step = (_farthest(instance) - _NEAREST_MM) / (_RADII - 1)
    radius = _NEAREST_MM + radius_step * np.arange(_RADII)
    ray = middle + low + ray_step * np.arange(_RAYS)[:, None]
    rows, columns = SHAPE
    column = ((lamp[0] + radius * np.cos(ray)) / instance.gel_width_mm + 0.5) * columns - 0.5
    row = (0.5 - (lamp[1] + radius * np.sin(ray)) / instance.gel_height_mm) * rows - 0.5
    return (column, row), ((np.hypot(x, y) - _NEAREST_MM) / radius_step, (angle - low) / ray_step)
