# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: the difference from the background, and estimates drawn on the image."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.postprocess import Estimate

_PIXELS_PER_NEWTON = 30.0
_HOLDING, _SLIPPING = (40, 200, 90), (235, 60, 50)

_ARROWS_PX = 12  # from one arrow of a force field to the next
_MAGNIFIED = 3.0  # the skin moves by a pixel or so
_SHORTEST_PX = 1.5  # of an arrow that is drawn
_HEAT, _SHEAR = (255, 120, 0), (255, 255, 255)
# A map whose values differ by less than this is as good as flat, and is not brightened up.
_FLAT = 0.05


def difference(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """What the encoder sees: image minus background around mid-grey, uint8 RGB (320, 240, 3)."""
    change = image.astype(np.int16) - background
    return (change + 127).clip(0, 255).astype(np.uint8)


def overlay(image: np.ndarray, estimate: Estimate) -> np.ndarray:
    """The image with the shear force as an arrow and the pressing force as a circle.

    Green while the object holds, red while it slips; nothing is drawn where nothing is known.
    """
    drawn = image.copy()
    if not (estimate.valid and estimate.in_contact) or math.isnan(estimate.force_n[2]):
        return drawn
    height, width = image.shape[:2]
    centre = np.array((width / 2, height / 2))
    right, up, press = (float(newtons) * _PIXELS_PER_NEWTON for newtons in estimate.force_n)
    tip = centre + (right, -up)
    colour = _SLIPPING if estimate.slipping else _HOLDING
    start, end = (tuple(int(value) for value in point.round()) for point in (centre, tip))
    cv2.circle(drawn, start, max(1, round(press)), colour, 2, cv2.LINE_AA)
    cv2.arrowedLine(drawn, start, end, colour, 3, cv2.LINE_AA, tipLength=0.25)
    return drawn


def field_overlay(field: ForceField) -> np.ndarray:
    """The frame with its force field: normal force as heat, shear as arrows three times as long.

    Heat is by how far the normal map is from its median, relative to the farthest: what no unit
    tells is strong or weak within one picture only.
    """
    shear, normal = field.values[..., :2], field.values[..., 2]
    drawn = field.frame.image.copy()
    if not np.isnan(normal).any():
        distance = np.abs(normal - np.median(normal))
        heat = 0.7 * distance[..., None] / max(float(distance.max()), _FLAT)
        drawn = ((1 - heat) * drawn + heat * np.float32(_HEAT)).astype(np.uint8)
    half = _ARROWS_PX // 2
    for row in range(half, drawn.shape[0], _ARROWS_PX):
        for column in range(half, drawn.shape[1], _ARROWS_PX):
            _draw_shear(drawn, row, column, shear[row, column])
    return drawn


def _draw_shear(drawn: np.ndarray, row: int, column: int, shear: np.ndarray) -> None:
    right, up = (_MAGNIFIED * float(pixels) for pixels in shear)
    if math.hypot(right, up) >= _SHORTEST_PX:  # not so where it is unknown
        tip = (round(column + right), round(row - up))
        cv2.arrowedLine(drawn, (column, row), tip, _SHEAR, 1, cv2.LINE_AA, tipLength=0.3)
