# SPDX-License-Identifier: Apache-2.0
"""Labels that need more than one mechanics step, or the shape of the contact print."""

from __future__ import annotations

from collections import deque

import numpy as np

from sparsh_ros.simulation.contact import GelGrid

SLIP_ON_M_PER_S = 1.0e-3
SLIP_OFF_M_PER_S = 0.5e-3
"""Slip begins at the upper sliding speed and ends below the lower one."""
SPEED_FRAMES = 3
"""The sliding speed is the mean over this many frames: the current one and those before it."""
ANISOTROPY_WITH_ANGLE = 0.3
"""Above this anisotropy a print shows how the object is turned."""


class SlidingSpeed:
    """How fast the contact slides over the gel, and whether that is slip.

    Attributes:
        speed_m_s: Mean sliding speed over the contact area and the last `SPEED_FRAMES` frames;
            frames without contact count as 0.
        slipping: The speed has reached `SLIP_ON_M_PER_S` and not yet fallen below
            `SLIP_OFF_M_PER_S` since.
    """

    def __init__(self, rate_hz: float) -> None:
        """Start without contact.

        Args:
            rate_hz: Frames per second.
        """
        self._rate_hz = rate_hz
        self._slides_mm: deque[float] = deque([0.0] * SPEED_FRAMES, SPEED_FRAMES)
        self.speed_m_s = 0.0
        self.slipping = False

    def update(self, in_contact: bool, slide_mm: float) -> None:
        """Take the next frame.

        Args:
            in_contact: An object touches the gel at the end of the frame.
            slide_mm: How far the contact slid during the whole frame, mean over its area.
        """
        self._slides_mm.append(slide_mm if in_contact else 0.0)
        mean_mm = sum(self._slides_mm) / SPEED_FRAMES
        self.speed_m_s = 1e-3 * mean_mm * self._rate_hz if in_contact else 0.0
        limit = SLIP_OFF_M_PER_S if self.slipping else SLIP_ON_M_PER_S
        self.slipping = in_contact and self.speed_m_s >= limit


def print_axes(pressure: np.ndarray, grid: GelGrid) -> tuple[float, float]:
    """Shape and direction of a contact print from the second moments of its pressure.

    With l1 >= l2 the eigenvalues of the covariance of position, weighted by pressure, the
    anisotropy is (l1 - l2) / (l1 + l2): 0 for a disc, a ring or a square, .38 for a rectangle of
    3:2, 1 for a line.

    Args:
        pressure: (R, C) normal stress on `grid`, any unit.
        grid: The gel's grid.

    Returns:
        Anisotropy, 0 to 1, and the angle of the long axis, rad counter-clockwise from x in
        (-pi/2, pi/2]; both NaN without pressure.
    """
    columns, rows = pressure.sum(0, dtype=float), pressure.sum(1, dtype=float)
    total = columns.sum()
    if not total > 0.0:
        return np.nan, np.nan
    x = grid.x_mm - columns @ grid.x_mm / total
    y = grid.y_mm - rows @ grid.y_mm / total
    along_x, along_y = columns @ x**2, rows @ y**2
    mixed = y @ (pressure @ x)
    long = np.hypot(along_x - along_y, 2.0 * mixed)
    return (
        float(long / max(along_x + along_y, 1e-12)),
        float(0.5 * np.arctan2(2.0 * mixed, along_x - along_y)),
    )
