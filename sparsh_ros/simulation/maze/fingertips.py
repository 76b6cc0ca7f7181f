# SPDX-License-Identifier: Apache-2.0
"""Two gel fingertips with a bead between them.

The left fingertip lies on the hand's +y side, the right one on its -y side; seen from each camera
the palm is up, so that in the hand's frame the gel frames have

    left:  x = +x of the hand, y = -z, z = +y        right:  x = -x of the hand, y = -z, z = -y.

The bead is an ellipsoid whose long axis lies along the wire. Where it sits between the fingertips,
how it is turned and how it leans follow from wire and hand; each gel answers with force, torque,
stiffness, an image and its labels, by the model of contact and friction of every other touch. The
gripper presses the fingertips together with one force; a bead that the wire holds off the middle
presses more on one of them.

Left out: a bead that spins about its wire, fingertips that touch each other (an empty grip shows
untouched gels), and the shape of the fingers, which may pass through the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.elastomer import ContactState
from sparsh_ros.simulation.indenters import Indenter, ellipsoid
from sparsh_ros.simulation.simulation import SimulatedGel, TouchSample
from sparsh_ros.simulation.trajectories import IndenterState

SIDES = ("left", "right")
REACH_MM = (6.0, 8.0)
"""A bead whose centre is further from a gel's centre along x or y is lost."""
STEEPEST = 0.6
"""A bead that leans more than this against the gels is twisted out of the grip."""
MODEL_LEAN = 0.4
"""Up to here the gel model follows; it shows more as this much."""
_LEAST_N = 0.05


class BeadPose(NamedTuple):
    """The bead as the hand holds it.

    Attributes:
        offset_mm: (3,) its centre in the hand's frame.
        axis: (3,) direction of the wire in the hand's frame; x component positive.
    """

    offset_mm: NDArray[np.float64]
    axis: NDArray[np.float64]

    @property
    def turn(self) -> float:
        """Angle of the axis in the plane of the left gel, rad."""
        return float(np.arctan2(-self.axis[2], self.axis[0]))

    @property
    def lean(self) -> float:
        """Slope of the axis out of that plane, towards the left gel."""
        return float(self.axis[1] / np.hypot(self.axis[0], self.axis[2]))

    @property
    def is_held(self) -> bool:
        """Whether it lies between the fingertips at all."""
        x, _, z = np.abs(self.offset_mm)
        return bool(x < REACH_MM[0] and z < REACH_MM[1] and abs(self.lean) < STEEPEST)


@dataclass(frozen=True)
class Hold:
    """What the fingertips do to the bead. Frame of reference: the hand's.

    Attributes:
        force_n: (3,) on the bead.
        torque_nmm: about the closing axis (y), absolute.
        stiffness: (3,) of both gels against motion of the bead, N/mm.
        loads_n: (2,) normal force on the left and the right gel.
    """

    force_n: NDArray[np.float64]
    torque_nmm: float
    stiffness: NDArray[np.float64]
    loads_n: NDArray[np.float64]

    @property
    def in_contact(self) -> bool:
        """Whether both fingertips hold it."""
        return bool((self.loads_n > 0.0).all())


EMPTY = Hold(np.zeros(3), 0.0, np.zeros(3), np.zeros(2))


def draw_bead(rng: np.random.Generator) -> Indenter:
    """A barrel of 10 to 14 mm length and 6 to 8 mm thickness."""
    half, thick = rng.uniform(5.0, 7.0), rng.uniform(3.0, 4.0)
    return ellipsoid(half, thick, thick)


class Fingertips:
    """The two gels of a hand, and the bead between them."""

    def __init__(self, seed: int, rate_hz: float, downscale: int = 4) -> None:
        """Draw both gels and the bead.

        Args:
            seed: of everything.
            rate_hz: pictures per second.
            downscale: of the pictures, see `TouchSimulation`.
        """
        self.gels = tuple(
            SimulatedGel("digit", 2 * seed + side, rate_hz, downscale) for side in range(2)
        )
        self.bead = draw_bead(np.random.default_rng((seed, 7)))
        self._states: tuple[list[ContactState], ...] = ([], [])
        self._holds = [IndenterState(), IndenterState()]
        self.hold = EMPTY

    def press(self, pose: BeadPose, grip_n: float) -> Hold:
        """One step of the mechanics.

        Args:
            pose: of the bead in the hand.
            grip_n: force of the gripper; 0 is open.
        """
        loads = self._loads(pose, grip_n)
        self._holds = [_left(pose, loads[0]), _right(pose, loads[1])]
        found = []
        for gel, states, hold in zip(self.gels, self._states, self._holds, strict=True):
            found.append(gel.press(self.bead, hold))
            states.append(found[-1])
        self.hold = self._sum(found)
        return self.hold

    def samples(self, time_s: float) -> tuple[TouchSample, TouchSample]:
        """Pictures and labels of both, of all steps since the last ones."""
        taken = []
        for gel, states, hold in zip(self.gels, self._states, self._holds, strict=True):
            taken.append(gel.sample(states, hold, self.bead, time_s))
            states.clear()
        return taken[0], taken[1]

    def _loads(self, pose: BeadPose, grip_n: float) -> NDArray[np.float64]:
        """Loads of the fingertips, N: as far as the bead is off the middle, one takes more."""
        if grip_n < _LEAST_N or not pose.is_held:
            return np.zeros(2)
        stiffness = self.hold.stiffness[1] if self.hold.in_contact else self._guess(grip_n)
        shift = 0.5 * stiffness * pose.offset_mm[1]
        loads = np.clip([grip_n + shift, grip_n - shift], 0.0, 2.0 * grip_n)
        return loads if loads.min() > _LEAST_N else np.zeros(2)

    def _guess(self, grip_n: float) -> float:
        """Stiffness of both gels before there is a contact to measure it by: that of a ball."""
        modulus = self.gels[0].instance.normal_stiffness_n_per_mm3
        return 4.0 * float(np.sqrt(np.pi * modulus * 6.0 * grip_n))

    def _sum(self, states: list[ContactState]) -> Hold:
        left, right = (state.force_n for state in states)
        on_gels = np.array([left[0] - right[0], left[2] - right[2], -left[1] - right[1]])
        loads = np.array([left[2], right[2]])
        if loads.min() <= 0.0:
            return EMPTY
        normal = tangential = torque = 0.0
        for gel, state in zip(self.gels, states, strict=True):
            area = gel.grid.cell_area_mm2 * np.count_nonzero(state.pressure)
            modulus = gel.instance.normal_stiffness_n_per_mm3
            normal += modulus * area
            tangential += modulus * gel.instance.tangential_ratio * area
            torque += abs(_torque(state, gel.grid))
        return Hold(-on_gels, torque, np.array([tangential, normal, tangential]), loads)


def _left(pose: BeadPose, load_n: float) -> IndenterState:
    x, _, z = pose.offset_mm
    lean = _shown(pose)
    turn = pose.turn
    return IndenterState(load_n, x, -z, turn, -lean * np.cos(turn), -lean * np.sin(turn))


def _right(pose: BeadPose, load_n: float) -> IndenterState:
    x, _, z = pose.offset_mm
    lean = _shown(pose)
    turn = -pose.turn
    return IndenterState(load_n, -x, -z, turn, -lean * np.cos(turn), -lean * np.sin(turn))


def _shown(pose: BeadPose) -> float:
    return float(np.clip(pose.lean, -MODEL_LEAN, MODEL_LEAN))


def _torque(state: ContactState, grid: GelGrid) -> float:
    """About the gel's normal at the centre of pressure, N mm."""
    columns, rows = state.pressure.sum(0, dtype=float), state.pressure.sum(1, dtype=float)
    total = max(columns.sum(), 1e-9)
    x, y = grid.x_mm - columns @ grid.x_mm / total, grid.y_mm - rows @ grid.y_mm / total
    twist = state.traction[1].sum(0) @ x - state.traction[0].sum(1) @ y
    return float(twist) * grid.cell_area_mm2
