# SPDX-License-Identifier: Apache-2.0
"""Two simulated fingers at work, frame by frame, and what is true of the touch.

Truth follows from the script (how deep a peg is, whether a screw is at its limit, whether a surface
is rough) and from the mechanics of both gels (contact, sliding), so it is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsh_ros.simulation.hand.script import (
    ROUGH,
    SMOOTH,
    TASKS,
    Claims,
    HandSampler,
    mirrored,
    script,
)
from sparsh_ros.simulation.indenters import Indenter
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation
from sparsh_ros.simulation.trajectories import IndenterState, Stream

FINGERS = ("left", "right")
PREDICATES = (
    "is_grasped",
    "is_slipping",
    "is_in_contact",
    "is_inserted",
    "surface_is_rough",
    "is_screwed_tight",
)
LEAST_GRASP_N = 0.3
"""With less on each finger an object is touched, not grasped."""


@dataclass(frozen=True)
class HandSample:
    """One frame of both fingers.

    Attributes:
        time_s: Time since the start.
        fingers: What `FINGERS` feel.
        truth: Of each of `PREDICATES`, whether it is true.
        task: What the hand is doing, of `TASKS`.
    """

    time_s: float
    fingers: tuple[TouchSample, TouchSample]
    truth: dict[str, bool]
    task: str


class HandSimulation:
    """An endless sequence of tasks."""

    def __init__(
        self,
        sensor: str = "digit",
        seed: int = 0,
        rate_hz: float = 30.0,
        kinds: Sequence[str] | None = None,
        tasks: Sequence[str] = TASKS,
        maximum_load_n: float = 8.0,
        downscale: int = 1,
        succeeds: bool = False,
    ) -> None:
        """Draw two sensor instances and what they will do.

        Args:
            sensor: Type of both sensors.
            seed: Even; the fingers are the sensor instances `seed` and `seed + 1`.
            rate_hz: Frames per second.
            kinds: Shapes that are handled, of `ROUGH` and `SMOOTH`; None means all of them.
            tasks: Of `TASKS`, drawn at random one after the other.
            maximum_load_n: Strongest grip.
            downscale: As `TouchSimulation` has it.
            succeeds: See `HandSampler`.

        Raises:
            ParameterError: As `TouchSimulation`.
        """
        faces = tuple(kinds or (*SMOOTH, *ROUGH))
        sampler = HandSampler(seed, faces, rate_hz, maximum_load_n, succeeds)
        self._script = script(sampler, tasks)
        self._holds: list[list[tuple[Indenter, IndenterState]]] = [[], []]
        self._fingers = [
            TouchSimulation(
                sensor,
                seed + side,
                rate_hz=rate_hz,
                maximum_load_n=maximum_load_n,
                downscale=downscale,
                stream=self._stream(side),
            )
            for side in range(2)
        ]

    def backgrounds(self) -> tuple[np.ndarray, np.ndarray]:
        """What each finger sees without contact."""
        left, right = (finger.background() for finger in self._fingers)
        return left, right

    def step(self) -> HandSample:
        """Advance by one frame."""
        indenter, state, claims = next(self._script)
        for side, waiting in enumerate(self._holds):
            waiting.append((indenter, mirrored(state) if side else state))
        left, right = (finger.step() for finger in self._fingers)
        found = truth(left, right, indenter, claims)
        return HandSample(left.time_s, (left, right), found, claims.task)

    def _stream(self, side: int) -> Stream:
        while True:
            yield self._holds[side].pop(0)


def truth(
    left: TouchSample, right: TouchSample, indenter: Indenter, claims: Claims
) -> dict[str, bool]:
    """What is true of a frame; see the module."""
    touched = left.in_contact or right.in_contact
    held = min(left.force_n[2], right.force_n[2]) >= LEAST_GRASP_N
    lost = left.gross_slip or right.gross_slip
    return {
        "is_grasped": bool(held and not lost),
        "is_slipping": bool(left.slipping or right.slipping),
        "is_in_contact": bool(touched),
        "is_inserted": bool(touched and claims.inserted),
        "surface_is_rough": bool(touched and indenter.kind in ROUGH),
        "is_screwed_tight": bool(touched and claims.tight),
    }
