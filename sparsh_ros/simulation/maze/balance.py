# SPDX-License-Identifier: Apache-2.0
"""Quasi-static balance of a bead on its wire, pulled through two gels by an arm that yields.

The hand holds the bead through springs, the shear and compression of the gels (stiffness K), and
the arm holds the hand through another, its Cartesian impedance (k). The wire lets the bead move
along its tangent t only, against Coulomb friction,

    |F . t| <= mu (|F - (F . t) t| + 2 M / L) + f0,

with F the force of the hand on the bead, M the torque about axes across the wire that the gels
exert on it, which a hole of length L passes on to the wire as a pair of forces, and f0 the drag of
a tight hole. In a step the hand is commanded elsewhere; unknown are the bead's way ds and the
hand's way dp, with

    F' = F + K (dp - t ds),    F' = k (p_commanded - p - dp).

A bead that moves is at the limit of friction. Friction of the gels is not in here: the gels say
after the step what they really hold, and what was foretold wrong is put right in the next one.
Newtons and millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 12
_CLOSE_MM = 1e-6


@dataclass(frozen=True)
class WireFriction:
    """How the wire holds the bead.

    Attributes:
        coefficient: Coulomb's, between bead and wire.
        drag_n: friction that is there without any load.
        hole_mm: length of the bead's hole.
    """

    coefficient: float = 0.25
    drag_n: float = 0.3
    hole_mm: float = 10.0

    def limit_n(self, across_n: float, torque_nmm: float = 0.0) -> float:
        """Force along the wire at which the bead begins to slide.

        Args:
            across_n: force on the bead across the wire.
            torque_nmm: torque on the bead about axes across the wire.
        """
        return self.coefficient * (across_n + 2.0 * torque_nmm / self.hole_mm) + self.drag_n


class Step(NamedTuple):
    """How far bead and hand move.

    Attributes:
        bead_mm: along the wire, ds.
        hand_mm: (3,) of the hand, dp.
        force_n: (3,) of the hand on the bead afterwards, as foretold.
    """

    bead_mm: float
    hand_mm: NDArray[np.float64]
    force_n: NDArray[np.float64]


def solve(
    friction: WireFriction,
    tangent: NDArray[np.float64],
    error_mm: NDArray[np.float64],
    force_n: NDArray[np.float64],
    gel_stiffness: NDArray[np.float64],
    arm_stiffness: float,
    torque_nmm: float = 0.0,
) -> Step:
    """Solve one step.

    Args:
        friction: of the wire.
        tangent: (3,) unit tangent of the wire at the bead.
        error_mm: (3,) commanded position of the hand less its position now.
        force_n: (3,) force of the hand on the bead now.
        gel_stiffness: (3, 3) K, N/mm.
        arm_stiffness: k, N/mm.
        torque_nmm: M, of the last step.
    """
    inverse = np.linalg.inv(arm_stiffness * np.eye(3) + gel_stiffness)
    hand_mm = inverse @ (arm_stiffness * error_mm - force_n)
    held = arm_stiffness * (error_mm - hand_mm)
    follows = inverse @ (gel_stiffness @ tangent)  # the hand's way for 1 mm of the bead's
    softens = arm_stiffness * follows
    bead_mm = _slide(friction, tangent, held, softens, torque_nmm)
    return Step(bead_mm, hand_mm + follows * bead_mm, held - softens * bead_mm)


def _slide(
    friction: WireFriction,
    tangent: NDArray[np.float64],
    held: NDArray[np.float64],
    softens: NDArray[np.float64],
    torque_nmm: float,
) -> float:
    """Way of the bead by which the force along the wire falls to the limit of friction; the limit
    hardly depends on it, so that inserting the one into the other converges."""
    along = float(tangent @ held)
    rate = float(tangent @ softens)
    if rate <= 0.0:
        return 0.0
    bead_mm = 0.0
    for _ in range(_ROUNDS):
        force = held - softens * bead_mm
        across = force - (tangent @ force) * tangent
        limit = friction.limit_n(float(np.sqrt(across @ across)), torque_nmm)
        excess = max(abs(along) - limit, 0.0)
        before, bead_mm = bead_mm, float(np.copysign(excess / rate, along))
        if abs(bead_mm - before) < _CLOSE_MM:
            break
    return bead_mm
