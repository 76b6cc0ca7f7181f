# SPDX-License-Identifier: Apache-2.0
"""Where on the gel the contact is: for pictures and markers, not for estimates."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_BLUR_PX = 8.0
# Mean over the colours. Blurred noise of an untouched gel stays below this.
_LEAST_LEVELS = 2.0
# A pixel belongs to the contact where the image changed by this share of the largest change. In 400
# simulated touches above 0.5 N the centre is 12 px (median) from that of the pressure; 20 at 0.4.
_SHARE_OF_PEAK = 0.2


@dataclass(frozen=True, slots=True)
class ContactArea:
    """An ellipse in pixels of the canonical image: x to the right, y down.

    Attributes:
        center: (x, y) of its centre.
        radii: half its long and its short axis.
        angle: of the long axis, rad, clockwise from x as one looks at the image.
    """

    center: tuple[float, float]
    radii: tuple[float, float]
    angle: float


def find_contact_area(image: np.ndarray, background: np.ndarray) -> ContactArea | None:
    """The ellipse of the largest change of the image; None where it hardly changed.

    Args:
        image: (320, 240, 3) uint8 RGB.
        background: The same of the untouched gel.
    """
    signed = cv2.subtract(image, background, dtype=cv2.CV_32F)
    # Blurred before the sign is dropped, so that noise averages out.
    change = np.abs(cv2.GaussianBlur(signed, (0, 0), _BLUR_PX)).mean(axis=2)
    peak = np.unravel_index(change.argmax(), change.shape)
    if change[peak] < _LEAST_LEVELS:
        return None
    _, labels = cv2.connectedComponents((change >= _SHARE_OF_PEAK * change[peak]).astype(np.uint8))
    rows, columns = np.nonzero(labels == labels[peak])
    points = np.stack([columns, rows]).astype(np.float64)
    spread = np.cov(points) + np.eye(2) / 12  # a pixel has an extent, too
    variances, axes = np.linalg.eigh(spread)
    long_axis = axes[:, 1]
    # The radius of a filled ellipse is twice the standard deviation of its points.
    short, long = (2 * float(np.sqrt(variance)) for variance in variances)
    center = points.mean(axis=1)
    angle = float(np.arctan2(long_axis[1], long_axis[0]))
    return ContactArea((float(center[0]), float(center[1])), (long, short), angle)
