# SPDX-License-Identifier: Apache-2.0
"""How an ordinary camera sees the side of an object that touches: matt, under one lamp, on a table.

The camera is held about as the gel is, a little turned and shifted.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.simulation.indenters import FAR_MM
from sparsh_ros.simulation.vitactip.objects import TouchedObject

_HALF_FIELD_MM = 9.0
_TABLE = (0.55, 0.56, 0.58)
_AMBIENT = 0.35
_FINE = 2  # rendered so many times as large, then shrunk


def photograph(
    item: TouchedObject, theta: float, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 RGB picture of an object that is turned by ``theta`` (rad)."""
    axis = np.linspace(-_HALF_FIELD_MM, _HALF_FIELD_MM, _FINE * size)
    pose = np.array([*rng.uniform(-1.0, 1.0, 2), theta + rng.uniform(-0.35, 0.35)])
    gap = item.body.gap_on(axis, axis[::-1], pose)
    colour = item.colour_on(axis, axis[::-1], pose)
    step = axis[1] - axis[0]
    down, right = np.gradient(gap, step)
    normal = np.stack([right, -down, np.ones_like(gap)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    azimuth, height = rng.uniform(-np.pi, np.pi), rng.uniform(0.7, 1.2)
    lamp = np.array([np.cos(azimuth), np.sin(azimuth), height])
    lit = np.clip(normal @ (lamp / np.linalg.norm(lamp)), 0.0, 1.0)
    seen = colour * (_AMBIENT + (1.0 - _AMBIENT) * lit)[..., None] * rng.uniform(1.1, 1.5)
    seen = np.where((gap < FAR_MM)[..., None], seen, np.array(_TABLE) * rng.uniform(0.7, 1.2))
    small = cv2.resize(seen, (size, size), interpolation=cv2.INTER_AREA)
    return np.round(255.0 * np.clip(small, 0.0, 1.0)).astype(np.uint8)
