# SPDX-License-Identifier: Apache-2.0
"""A grasp and a lift: does the object hang on, or slip out?

Two fingers close on an object with a normal load and lift it, along +y of the gel. Each carries
half of its weight, and half of the moment about the gel's normal where it is not gripped below its
centre of mass. The lift is quasi-static: the object sinks and turns, Newton's method on the springs
that still stick, until friction balances both; it has slipped out when it went further than
`LOST_MM` or `LOST_RAD`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparsh_ros.simulation.elastomer import ContactState
from sparsh_ros.simulation.indenters import Indenter
from sparsh_ros.simulation.simulation import SimulatedGel
from sparsh_ros.simulation.trajectories import IndenterState

LOST_MM, LOST_RAD = 3.0, 0.6
CLOSING_STEPS = 4
_MOST_STEPS = 150
_STEP = np.array([0.15, 0.15, 0.05])
"""Furthest in a step: mm, mm, rad."""
_BALANCED = 0.02
"""Unbalanced force, as a share of what is carried."""


@dataclass(frozen=True)
class GraspSample:
    """What one finger saw of a grasp, and how it ended.

    Attributes:
        before, during, after: (H, W, 3) uint8 RGB: untouched, closed and not yet lifted, lifted or
            just about to be lost.
        stable: the object hangs on.
    """

    before: np.ndarray
    during: np.ndarray
    after: np.ndarray
    stable: bool


def grasp(
    gel: SimulatedGel, indenter: Indenter, hold: IndenterState, weight_n: float, lever_mm: float
) -> GraspSample:
    """Grasp and lift.

    Args:
        gel: the finger; touched by nothing before and after.
        indenter: the object.
        hold: where and how strongly it is gripped.
        weight_n: half the weight of the object, newtons.
        lever_mm: its centre of mass along x from where it is gripped.
    """
    untouched = replace(hold, load_n=0.0)
    before = gel.sample([gel.press(indenter, untouched)], untouched, indenter, 0.0).image
    for step in range(1, CLOSING_STEPS + 1):
        state = gel.press(indenter, untouched.blend(hold, step / CLOSING_STEPS))
    during = gel.sample([state], hold, indenter, 0.5).image
    lifted, state, stable = _lift(gel, indenter, hold, state, weight_n, lever_mm)
    after = gel.sample([state], lifted, indenter, 1.0).image
    gel.press(indenter, replace(lifted, load_n=0.0))
    return GraspSample(before, during, after, stable)


def _lift(
    gel: SimulatedGel,
    indenter: Indenter,
    hold: IndenterState,
    state: ContactState,
    weight_n: float,
    lever_mm: float,
) -> tuple[IndenterState, ContactState, bool]:
    wanted = np.array([0.0, -weight_n, -weight_n * lever_mm])
    start = pose = np.array([hold.x_mm, hold.y_mm, hold.theta])
    small = _BALANCED * weight_n * np.array([1.0, 1.0, max(abs(lever_mm), 1.0)])
    for _ in range(_MOST_STEPS):
        found, stiffness = _balance(gel, state, pose)
        if np.all(np.abs(wanted - found) <= small):
            return hold, state, True
        pose = pose + np.clip((wanted - found) / stiffness, -_STEP, _STEP)
        hold = replace(hold, x_mm=pose[0], y_mm=pose[1], theta=pose[2])
        state = gel.press(indenter, hold)
        if np.hypot(*(pose - start)[:2]) > LOST_MM or abs(pose[2] - start[2]) > LOST_RAD:
            break
    return hold, state, False


def _balance(
    gel: SimulatedGel, state: ContactState, pose: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Force (N, N) and moment (N mm) of the object on the gel about `pose`, and what each grows by
    per mm, mm and rad while nothing slides."""
    instance, grid = gel.instance, gel.grid
    x, y = np.meshgrid(grid.x_mm - pose[0], grid.y_mm - pose[1])
    area, touching = grid.cell_area_mm2, state.pressure > 0.0
    shear_x, shear_y = state.traction.astype(float)
    moment = (x * shear_y - y * shear_x).sum() * area
    spring = instance.tangential_ratio * instance.normal_stiffness_n_per_mm3 * area
    count, radius = max(touching.sum(), 1), max((x**2 + y**2)[touching].sum(), 1e-6)
    stiffness = spring * np.array([count, count, radius])
    return np.array([shear_x.sum() * area, shear_y.sum() * area, moment]), stiffness
