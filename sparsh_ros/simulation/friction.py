# SPDX-License-Identifier: Apache-2.0
"""Tangential contact: springs under local Coulomb friction, with memory of the load path.

Each point of the skin under the object hangs on a tangential spring of stiffness k_t per area and
holds the object by friction up to mu * p (elastic foundation, the tangential twin of `contact`;
Johnson 1985, section 8.4; it is also the brush model of tyres):

    s <- s + ds,   then   |s| <= mu p / k_t

A point whose spring reaches that limit slides. Under a sphere the pressure falls to zero at the
rim, so sliding starts there and spreads inwards; the stuck core shrinks until everything slides.
With psi = k_t d / (mu k_n depth) for a tangential displacement d, the exact solution is

    stick radius  c = a sqrt(1 - psi),      tangential force  Q = mu F (1 - (1 - psi)^2),

checked by the tests. The springs keep their stretch, so reversing the motion gives hysteresis.
"""

from __future__ import annotations

import numpy as np

SLIDING_MM = 1e-4
"""A point has slid in a step when its spring was cut back by more than this."""


class TangentialContact:
    """Spring stretch of every skin point, carried from step to step.

    Attributes:
        stretch_mm: (2, R, C) float32, in-plane displacement (x, y) of the skin under the object.
        margin: Mean over the contact of 1 - |s| / (mu p / k_t), weighted by pressure: 1 without
            shear, 0 where every point slides; NaN without contact.
    """

    def __init__(self, shape: tuple[int, int], stiffness_n_per_mm3: float, friction: float) -> None:
        self._stiffness = stiffness_n_per_mm3
        self._friction = friction
        self.stretch_mm = np.zeros((2, *shape), np.float32)
        self.margin = np.nan

    def advance(
        self, pressure: np.ndarray, motion_mm: np.ndarray, skin_mm: np.ndarray
    ) -> np.ndarray:
        """Move the object by one step.

        Args:
            pressure: (R, C) normal stress after the step, N/mm^2.
            motion_mm: (2, R, C) displacement of the object's points during the step.
            skin_mm: (2, R, C) displacement of the whole skin before the step; a point that comes
                into contact starts from there, since skin ahead of the object is dragged along.

        Returns:
            (R, C) float32: how far each skin point slid in this step, mm; 0 where it stuck.
        """
        touching = pressure > 0.0
        held = np.any(self.stretch_mm, axis=0)
        stretch = np.where(held, self.stretch_mm, skin_mm) + motion_mm
        length = np.sqrt(stretch[0] ** 2 + stretch[1] ** 2)
        limit = pressure * np.float32(self._friction / self._stiffness)
        slid = np.where(touching, np.maximum(length - limit, 0.0), 0.0)
        scale = np.where(length > limit, limit / np.maximum(length, 1e-9), 1.0)
        self.stretch_mm = np.where(touching, stretch * scale, 0.0).astype(np.float32)
        most = limit.sum(dtype=float)
        held_back = np.minimum(length, limit).sum(dtype=float)
        self.margin = float(1.0 - held_back / most) if most > 0.0 else np.nan
        return slid

    def traction(self) -> np.ndarray:
        """(2, R, C) shear stress that the object exerts on the gel, N/mm^2, gel frame."""
        return self.stretch_mm * np.float32(self._stiffness)
