# SPDX-License-Identifier: Apache-2.0
"""Who demonstrates the bead maze: sees the wire, and moves like a person.

It leads the bead by a small pull along the wire, corrects what it sees of a sideways error, turns
the hand along the wire, and opens and closes the grip where the bead has wandered off its middle or
was lost. Like a person it sees with a delay, aims beside the wire, changes its pace, hesitates,
and overshoots bends. What it wants is the demonstration; what is carried out may be disturbed
beforehand, so that errors and the way back from them are in the data (DART, Laskey et al., 2017).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.kinematics import Pose
from sparsh_ros.simulation.maze.wire import Wire
from sparsh_ros.simulation.maze.world import MazeSample, MazeWorld

GRIP_N = 5.0
PACE_M_S = 0.03
"""How fast the bead is moved on straight wire."""
LOOK_AHEAD_M = 0.004
_CENTRING, _TURNING = 2.5, 3.0  # 1/s
_PULL_MM = 1.6  # how far the commanded place leads the bead to overcome friction
_WANDERED_MM = 3.5
_OPEN_S, _CLOSE_S = 0.5, 0.5
_BEGIN_S = 0.6


class Command(NamedTuple):
    """What to do in the next period.

    Attributes:
        twist: (6,) of the hand over the period, m and rad, in the hand's frame.
        grip_n: force of the gripper.
    """

    twist: NDArray[np.float64]
    grip_n: float


@dataclass(frozen=True)
class Temper:
    """How much of a person is in it; all zero is a machine.

    Attributes:
        reaction_s: delay of what is seen.
        aim_mm: standard deviation of where it aims beside the wire.
        pace: relative standard deviation of its pace.
        hesitations_hz: how often it stops for a moment.
    """

    reaction_s: float = 0.08
    aim_mm: float = 0.4
    pace: float = 0.25
    hesitations_hz: float = 0.12


CALM = Temper(0.0, 0.0, 0.0, 0.0)


class Expert:
    """Commands for one run."""

    def __init__(
        self, wire: Wire, rate_hz: float, rng: np.random.Generator, temper: Temper | None = None
    ) -> None:
        """Start with the open hand about the bead.

        Args:
            wire: that it sees.
            rate_hz: commands per second.
            rng: of its temper.
            temper: how like a person it is.
        """
        self._wire, self._rng = wire, rng
        self._period_s = 1.0 / rate_hz
        self._temper = temper or Temper()
        self._seen: deque[MazeSample] = deque(maxlen=1 + round(self._temper.reaction_s * rate_hz))
        self._aim, self._pace = np.zeros(3), 0.0
        self._until_s = {"open": -1.0, "close": _BEGIN_S, "rest": -1.0}
        self.regrasps = 0

    def command(self, sample: MazeSample) -> Command:
        """What it wants to do next, having seen the world so far."""
        self._seen.append(sample)
        self._change_mind(sample.time_s)
        seen, now_s = self._seen[0], sample.time_s
        if now_s < self._until_s["open"]:
            return Command(self._follow(seen, 0.0, 2.0), 0.0)
        if now_s < self._until_s["close"]:
            return Command(self._follow(seen, 0.0, 1.0), GRIP_N)
        if self._must_regrasp(sample):
            self.regrasps += 1
            self._until_s["open"] = now_s + _OPEN_S
            self._until_s["close"] = now_s + _OPEN_S + _CLOSE_S
            return Command(np.zeros(6), 0.0)
        pace = 0.0 if now_s < self._until_s["rest"] else PACE_M_S * (1.0 + self._pace)
        return Command(self._follow(seen, max(pace, 0.0), 1.0), GRIP_N)

    def _follow(self, seen: MazeSample, pace_m_s: float, haste: float) -> NDArray[np.float64]:
        """(6,) along the wire, back to its middle, and turned along it."""
        ahead = seen.bead_m + LOOK_AHEAD_M
        tangent = self._wire.tangent(ahead)
        # Moving, the hand leads the bead by what friction needs; about to grip, it does not.
        lead = 1e-3 * _PULL_MM if pace_m_s > 0.0 else 0.0
        goal = self._wire.point(seen.bead_m) + lead * tangent
        error = goal + 1e-3 * seen.hand.rotation @ self._aim - seen.hand.position
        across = error - (tangent @ error) * tangent if pace_m_s > 0.0 else error
        bend = self._slow_down(tangent, seen)
        velocity = pace_m_s * bend * tangent + haste * _CENTRING * across
        wanted = Pose(seen.hand.position, self._wire.hand(ahead))
        turn = haste * _TURNING * kinematics.pose_error(wanted, seen.hand)[3:]
        back = seen.hand.rotation.T
        return self._period_s * np.concatenate([back @ velocity, back @ turn])

    def _slow_down(self, tangent: NDArray[np.float64], seen: MazeSample) -> float:
        """Share of the pace that is left where the hand is not turned along the wire."""
        angle = np.arccos(np.clip(tangent @ seen.hand.rotation[:, 0], -1.0, 1.0))
        return float(np.clip(1.5 - 2.0 * angle, 0.25, 1.0))

    def _must_regrasp(self, sample: MazeSample) -> bool:
        x, _, z = sample.offset_mm
        return not sample.held or np.hypot(x, z) > _WANDERED_MM

    def _change_mind(self, now_s: float) -> None:
        temper, rng = self._temper, self._rng
        keep = np.exp(-self._period_s / 0.6)
        fresh = np.sqrt(1.0 - keep**2)
        self._aim = keep * self._aim + fresh * temper.aim_mm * rng.standard_normal(3)
        self._pace = keep * self._pace + fresh * temper.pace * rng.standard_normal()
        if rng.random() < temper.hesitations_hz * self._period_s:
            self._until_s["rest"] = now_s + rng.uniform(0.15, 0.6)


class Disturbance:
    """What is carried out in place of what was wanted: slow drifts, and a jerk now and then."""

    def __init__(self, rate_hz: float, rng: np.random.Generator, scale: float = 1.0) -> None:
        """Start without any; `scale` 0 is none."""
        self._period_s, self._rng, self._scale = 1.0 / rate_hz, rng, scale
        self._drift = np.zeros(6)

    def apply(self, twist: NDArray[np.float64]) -> NDArray[np.float64]:
        """The twist (6,) to carry out."""
        keep = np.exp(-self._period_s / 0.4)
        size = np.array([4e-3, 4e-3, 4e-3, 0.10, 0.10, 0.10])  # m/s, rad/s
        kick = np.sqrt(1.0 - keep**2) * size * self._rng.standard_normal(6)
        if self._rng.random() < 0.25 * self._period_s:
            kick = kick + 3.0 * size * self._rng.standard_normal(6)
        self._drift = keep * self._drift + kick
        return twist + self._scale * self._period_s * self._drift


def start_run(world: MazeWorld) -> MazeSample:
    """The first picture: the open hand about the bead."""
    return world.step(world.start, 0.0)
