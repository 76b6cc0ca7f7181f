# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: the difference from the background, and the estimate drawn on the image."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparsh_ros.perception import Touch

_PIXELS_PER_NEWTON = 30.0
_HOLDING, _SLIPPING = (40, 200, 90), (235, 60, 50)


def difference(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """What the encoder sees: image minus background around mid-grey, uint8 RGB (320, 240, 3)."""
    change = image.astype(np.int16) - background
    return (change + 127).clip(0, 255).astype(np.uint8)


def overlay(image: np.ndarray, touch: Touch) -> np.ndarray:
    """The image with the shear force as an arrow and the pressing force as a circle.

    Green while the object holds, red while it slips; nothing is drawn where nothing is known.
    """
    drawn = image.copy()
    if not (touch.valid and touch.in_contact) or math.isnan(touch.force_n[2]):
        return drawn
    height, width = image.shape[:2]
    centre = np.array((width / 2, height / 2))
    right, up, press = (float(newtons) * _PIXELS_PER_NEWTON for newtons in touch.force_n)
    tip = centre + (right, -up)
    colour = _SLIPPING if touch.slipping else _HOLDING
    start, end = (tuple(int(value) for value in point.round()) for point in (centre, tip))
    cv2.circle(drawn, start, max(1, round(press)), colour, 2, cv2.LINE_AA)
    cv2.arrowedLine(drawn, start, end, colour, 3, cv2.LINE_AA, tipLength=0.25)
    return drawn
