# SPDX-License-Identifier: Apache-2.0
"""One touch, felt by one sensor of each type at the same place: fine-grained alignment, as TacQuad
has it (Feng et al., 2025, arXiv:2502.12191)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.simulation import shapes
from sparsh_ros.simulation.multisensor.captions import caption
from sparsh_ros.simulation.multisensor.picture import photograph
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.simulation.simulation import SimulatedGel
from sparsh_ros.simulation.trajectories import IndenterState
from sparsh_ros.simulation.vitactip.objects import MATERIALS, TouchedObject, made_of

FRAMES = 4
RATE_HZ = 10.0
LOADS_N = 0.5, 5.0
_FIRST_LOAD = 0.4  # share of the last one
_STEPS = 2  # of the mechanics, per frame
_DOWNSCALE = 4


@dataclass(frozen=True)
class TouchPlan:
    """What touches, and how.

    Attributes:
        kind: Of the object, of `shapes.KINDS`.
        material: Of the object, an index of `MATERIALS`.
        item: The object.
        start, end: How it is held at the first frame and at the last.
    """

    kind: str
    material: int
    item: TouchedObject
    start: IndenterState
    end: IndenterState


@dataclass(frozen=True)
class AlignedTouch:
    """One touch, as sensors feel it, a camera sees it, and a person tells it.

    Attributes:
        frames: (sensors, T, S, S, 3) uint8 RGB, newest frame first.
        picture: (S, S, 3) uint8 RGB.
        caption: One sentence.
    """

    frames: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    caption: str


def plan_touch(kind: str, rng: np.random.Generator) -> TouchPlan:
    """A random object of a kind, and a random press, half of them with a slide or a turn."""
    material = int(rng.integers(len(MATERIALS)))
    item = made_of(shapes.draw(kind, rng), MATERIALS[material], rng)
    x, y = rng.uniform(-1.0, 1.0, 2) * np.array([2.0, 2.5])
    theta = rng.uniform(-np.pi, np.pi)
    load = float(np.exp(rng.uniform(*np.log(LOADS_N))))
    tilt = rng.normal(0.0, 0.02, 2)
    shift = rng.uniform(-0.8, 0.8, 2) * rng.integers(2)
    turn = rng.uniform(-0.2, 0.2) * rng.integers(2)
    start = IndenterState(_FIRST_LOAD * load, x, y, theta, *tilt)
    end = IndenterState(load, x + shift[0], y + shift[1], theta + turn, *tilt)
    return TouchPlan(kind, material, item, start, end)


def touch(
    plan: TouchPlan, gels: Sequence[SimulatedGel], size: int, rng: np.random.Generator
) -> AlignedTouch:
    """Carry out a plan on every gel.

    Args:
        plan: What touches, and how.
        gels: One of each of `SENSORS`, in that order; untouched before and after.
        size: Side of the images in pixels; those of the gels are squashed to a square.
        rng: Of the picture and the words.
    """
    frames = np.stack([_feel(plan, gel, size) for gel in gels])
    start, end = (np.array([h.x_mm, h.y_mm, h.theta]) for h in (plan.start, plan.end))
    material = MATERIALS[plan.material]
    words = caption(
        plan.kind, material.name, material.relief_mm, plan.end.load_n, end[:2], end - start, rng
    )
    return AlignedTouch(frames, photograph(plan.item, plan.end.theta, size, rng), words)


def draw_gels(seed: int) -> list[SimulatedGel]:
    """One sensor of each of `SENSORS`; others for each seed."""
    return [SimulatedGel(sensor, seed, RATE_HZ, _DOWNSCALE) for sensor in SENSORS]


def _feel(plan: TouchPlan, gel: SimulatedGel, size: int) -> NDArray[np.uint8]:
    """(T, S, S, 3) uint8 frames, newest first."""
    body, frames = plan.item.body, []
    hold = replace(plan.start, load_n=0.0)
    gel.press(body, hold)
    for number in range(FRAMES):
        goal = plan.start.blend(plan.end, number / (FRAMES - 1))
        shares = np.arange(1, _STEPS + 1) / _STEPS
        states = [gel.press(body, hold.blend(goal, share)) for share in shares]
        hold = goal
        image = gel.sample(states, hold, body, number / RATE_HZ).image
        frames.append(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
    gel.press(body, replace(hold, load_n=0.0))
    return np.stack(frames[::-1])
