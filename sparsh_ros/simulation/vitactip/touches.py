# SPDX-License-Identifier: Apache-2.0
"""Touches for the six tasks of SARL, with exact labels.

A third of the touches each are of shapes (for shape, material, force, contact point), of gratings,
and of edges (for the edge's pose). An object is pressed, then dragged a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.elastomer import ContactState, Elastomer
from sparsh_ros.simulation.indenters import FAR_MM
from sparsh_ros.simulation.vitactip.instance import TipInstance, tip_grid
from sparsh_ros.simulation.vitactip.objects import (
    MATERIALS,
    PITCHES_MM,
    SHAPES,
    TouchedObject,
    draw_edge,
    draw_grating,
    draw_shape,
)
from sparsh_ros.simulation.vitactip.optics import render

NONE = -1
DRAG_STEPS, DRAG_MM = 4, 1.2
PLACE_MM = 3.5
LOAD_N = (0.8, 6.0)
NOTHING_MM = 100.0
"""How far away what is seen beside an object is."""
YAW_RAD = np.radians(60.0)


class TipLabels(NamedTuple):
    """What is true of an image; NONE or NaN where a task does not ask for it.

    Attributes:
        shape, grating, material: Numbers in `SHAPES`, `PITCHES_MM`, `MATERIALS`.
        force: (3,) N of the object on the skin: x right, y up, z into the skin.
        contact: (2,) mm, the centre of pressure.
        edge: mm, mm, degrees: how far right the edge crosses the middle's height, how deep it is
            pressed, its direction against x.
    """

    shape: int
    grating: int
    material: int
    force: np.ndarray
    contact: np.ndarray
    edge: np.ndarray


@dataclass(frozen=True)
class Plan:
    """An object and how it is touched."""

    item: TouchedObject
    pose: np.ndarray
    load_n: float
    drag_mm: np.ndarray
    shape: int = NONE
    grating: int = NONE
    material: int = NONE

    @property
    def is_edge(self) -> bool:
        """Whether it is an edge, whose pose is asked for."""
        return self.shape == NONE and self.grating == NONE


def plan_touch(rng: np.random.Generator, task: int) -> Plan:
    """A random touch of a shape (0), a grating (1) or an edge (2)."""
    material = int(rng.integers(len(MATERIALS)))
    place = rng.uniform(-PLACE_MM, PLACE_MM, 2)
    load = rng.uniform(*LOAD_N)
    drag = rng.uniform(-DRAG_MM, DRAG_MM, 2)
    if task == 0:
        shape = int(rng.integers(len(SHAPES)))
        item = draw_shape(rng, shape, material)
        turn = rng.uniform(-np.pi, np.pi)
        return Plan(item, np.array([*place, turn]), load, drag, shape=shape, material=material)
    turn = rng.uniform(-YAW_RAD, YAW_RAD)
    if task == 1:
        grating = int(rng.integers(len(PITCHES_MM)))
        item = draw_grating(rng, grating, material)
        return Plan(item, np.array([*place, turn]), load, drag, grating=grating)
    return Plan(draw_edge(rng, material), np.array([place[0], 0.0, turn + np.pi / 2]), load, drag)


def touch(
    plan: Plan, instance: TipInstance, variant: str, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, TipLabels]:
    """Press, drag, and take a picture.

    Returns:
        (size, size, 3) uint8 RGB, and the labels.
    """
    grid = tip_grid()
    skin = Elastomer(
        grid,
        instance.thickness_mm,
        instance.stiffness_n_per_mm3,
        instance.tangential_ratio,
        instance.friction,
    )
    for step in range(DRAG_STEPS + 1):
        pose = plan.pose + np.array([*plan.drag_mm * step / DRAG_STEPS, 0.0])
        state = skin.press(plan.item, pose, plan.load_n)
        shown = skin.shape_skin()
    gap = plan.item.gap_on(grid.x_mm, grid.y_mm, pose)
    indentation = state.pressure / instance.stiffness_n_per_mm3
    # Where skin and object touch, they lie at one height: that is how far the object has come.
    deepest = np.unravel_index(indentation.argmax(), gap.shape)
    depth = gap[deepest] + indentation[deepest] if indentation[deepest] > 0.0 else 0.0
    empty = gap >= FAR_MM
    distance = np.where(empty, NOTHING_MM, np.maximum(gap - depth, 0.0))
    colour = plan.item.colour_on(grid.x_mm, grid.y_mm, pose)
    colour[empty] = instance.skin_rgb
    image = render(instance, variant, shown, distance, colour, size, rng)
    return image, _labels(plan, pose, state, grid, float(indentation.max()))


def _labels(
    plan: Plan, pose: np.ndarray, state: ContactState, grid: GelGrid, depth_mm: float
) -> TipLabels:
    unknown = np.full(3, np.nan)
    force, contact, edge = unknown, unknown[:2], unknown
    if plan.shape != NONE:
        force, contact = state.force_n, _centre_of_pressure(state.pressure, grid)
    if plan.is_edge:
        yaw = pose[2] - np.pi / 2
        # The edge runs along (-sin, cos) of yaw; where it crosses y = 0.
        across = pose[0] + pose[1] * np.tan(yaw)
        edge = np.array([across, depth_mm, np.degrees(yaw)])
    return TipLabels(plan.shape, plan.grating, plan.material, force, contact, edge)


def _centre_of_pressure(pressure: np.ndarray, grid: GelGrid) -> np.ndarray:
    total = max(float(pressure.sum()), 1e-12)
    x = float((pressure.sum(axis=0) * grid.x_mm).sum()) / total
    y = float((pressure.sum(axis=1) * grid.y_mm).sum()) / total
    return np.array([x, y])
