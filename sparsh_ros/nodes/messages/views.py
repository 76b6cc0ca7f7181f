# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: the difference from the background, and estimates drawn on the image."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparsh_ros.nodes.messages.contact_area import ContactArea
from sparsh_ros.perception.force_field import ForceField
from sparsh_ros.perception.postprocess import Estimate

_PIXELS_PER_NEWTON = 30.0
_HOLDING, _SLIPPING = (40, 200, 90), (235, 60, 50)
_LEGEND = f"green holds, red slips; arrow, ring {_PIXELS_PER_NEWTON:.0f} px/N"
_STRIP_PX = 16

_ARROWS_PX = 12  # from one arrow of a force field to the next
_MAGNIFIED = 3.0  # the skin moves by a pixel or so
_SHORTEST_PX = 1.5  # of an arrow that is drawn
_HEAT, _SHEAR = (255, 120, 0), (255, 255, 255)
# A map whose values differ by less than this is as good as flat, and is not brightened up.
_FLAT = 0.05
_PASCALS = 100e3  # that are a normal of 1 in a picture


def difference(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """What the encoder sees: image minus background around mid-grey, uint8 RGB (320, 240, 3)."""
    change = image.astype(np.int16) - background
    return (change + 127).clip(0, 255).astype(np.uint8)


def overlay(image: np.ndarray, estimate: Estimate, area: ContactArea | None = None) -> np.ndarray:
    """The image with the contact, the force on it and the numbers, and a legend below.

    The ellipse is the contact, green while the object holds, red while it slips; the arrow is the
    shear force and the circle the pressing force, both `_PIXELS_PER_NEWTON`. Where nothing is known
    to touch only the text is drawn.

    Args:
        image: (320, 240, 3) uint8 RGB.
        estimate: What is known.
        area: Where the contact is; None: not known, then the middle of the gel stands for it.
    """
    drawn = image.copy()
    if estimate.valid and estimate.in_contact:
        _draw_contact(drawn, estimate, area)
    _draw_text(drawn, _numbers(estimate), 0)
    _draw_text(drawn, _LEGEND, image.shape[0] - _STRIP_PX)
    return drawn


def _draw_contact(drawn: np.ndarray, estimate: Estimate, area: ContactArea | None) -> None:
    height, width = drawn.shape[:2]
    centre = np.array((width / 2, height / 2) if area is None else area.center)
    colour = _SLIPPING if estimate.slipping else _HOLDING
    if area is not None:
        ellipse = (
            area.center,
            tuple(2 * radius for radius in area.radii),
            math.degrees(area.angle),
        )
        cv2.ellipse(drawn, ellipse, colour, 2, cv2.LINE_AA)
    if not np.isfinite(estimate.force_n).all():
        return
    right, up, press = (float(newtons) * _PIXELS_PER_NEWTON for newtons in estimate.force_n)
    start, end = (
        tuple(int(value) for value in point.round()) for point in (centre, centre + (right, -up))
    )
    cv2.circle(drawn, start, max(1, round(press)), colour, 1, cv2.LINE_AA)
    cv2.arrowedLine(drawn, start, end, colour, 3, cv2.LINE_AA, tipLength=0.25)


def _numbers(estimate: Estimate) -> str:
    if not estimate.valid:
        return f"no estimate: {estimate.reason}"
    words = []
    if np.isfinite(estimate.force_n).all():
        x, y, z = np.round(estimate.force_n, 1) + 0.0  # no "-0.0"
        words.append(f"{x:+.1f} {y:+.1f} {z:+.1f} N")
    if math.isfinite(estimate.slip_probability):
        words.append(f"slip {100 * estimate.slip_probability:.0f} %")
    if estimate.in_contact is not None:
        words.append("contact" if estimate.in_contact else "free")
    return "  ".join(words)


def _draw_text(drawn: np.ndarray, text: str, top: int) -> None:
    """A line of text on a dark strip across the image."""
    strip = drawn[top : top + _STRIP_PX]
    strip //= 3
    where = (4, top + _STRIP_PX - 5)
    cv2.putText(drawn, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.38, _SHEAR, 1, cv2.LINE_AA)


def field_overlay(field: ForceField, metres_per_pixel: float) -> np.ndarray:
    """The frame with its force field: normal force as heat, shear as arrows three times as long.

    Heat is by how far the normal map is from its median, relative to the farthest: what no unit
    tells is strong or weak within one picture only. Less than 5 kPa are as good as none.

    Args:
        field: The field, and its frame.
        metres_per_pixel: Of the gel, for shear in metres.
    """
    shear, normal = field.values[..., :2], field.values[..., 2]
    if field.has_units:
        shear, normal = shear / metres_per_pixel, normal / _PASCALS
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
