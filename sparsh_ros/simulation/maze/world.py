# SPDX-License-Identifier: Apache-2.0
"""The bead maze: an arm whose hand moves a bead along a wire, by commands to its joints.

Modelled: the balance of bead, wire, gels and an arm with Cartesian impedance (`balance`), both
fingertips with images and labels (`fingertips`), the arm's kinematics and its limits of position,
velocity and acceleration, commands that are carried out late and not quite, a gripper with lag.
Whether the bead sticks, slips in part, turns or is lost follows from the gels' own friction.

Not modelled: inertia (a step is a balance), the arm's dynamics beyond a delay, a wire that bends,
collisions of hand and wire, rotations by which the arm yields, and what `fingertips` leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.kinematics import Pose
from sparsh_ros.simulation.maze import balance
from sparsh_ros.simulation.maze.fingertips import BeadPose, Fingertips
from sparsh_ros.simulation.maze.wire import Wire
from sparsh_ros.simulation.simulation import TouchSample

RATE_HZ = 12.0
"""Steps, and pictures, per second unless told otherwise: every picture is the partner of the next
one for a model that sees pairs 5/60 s apart."""
FINISH_M = 0.006
"""The maze is finished when the bead is this close to the wire's end."""
HIGHEST_GRIP_N = 12.0
_STEP_MM, _LEAST_STEPS, _MOST_STEPS = 0.35, 2, 12
_GRIP_LAG_S = 0.06
_CLOSES_N = 0.1
_MILLI = 1e3


@dataclass(frozen=True)
class Conditions:
    """What differs from one hand and wire to another.

    Attributes:
        friction: of the wire.
        arm_n_per_mm: stiffness of the arm's impedance.
        delay_s: until a command is carried out.
        joint_noise_rad: standard deviation by which each joint is off.
    """

    friction: balance.WireFriction
    arm_n_per_mm: float
    delay_s: float
    joint_noise_rad: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Conditions:
        """Draw them."""
        friction = balance.WireFriction(rng.uniform(0.15, 0.35), rng.uniform(0.2, 0.6), 10.0)
        return cls(friction, rng.uniform(0.7, 1.3), rng.uniform(0.02, 0.06), 2e-4)


@dataclass(frozen=True)
class MazeSample:
    """The world after a step.

    Attributes:
        time_s: since the start.
        touches: left and right fingertip: images and labels.
        hand: pose of the TCP.
        bead_m: distance of the bead along the wire.
        force_n: (3,) of the hand on the bead, base frame.
        held: both fingertips press on the bead.
        offset_mm: (3,) of the bead in the hand's frame.
        grip_n: force of the gripper.
        joints: (7,) measured joint angles.
        finished: the bead is at the wire's end.
        limited: the command was beyond the arm's limits and cut back to them.
    """

    time_s: float
    touches: tuple[TouchSample, TouchSample]
    hand: Pose
    bead_m: float
    force_n: NDArray[np.float64]
    held: bool
    offset_mm: NDArray[np.float64]
    grip_n: float
    joints: NDArray[np.float64]
    finished: bool
    limited: bool


class MazeWorld:
    """An arm, its hand, a bead and a wire.

    Attributes:
        wire: it moves along.
        fingertips: the two gels.
        conditions: drawn by the seed.
        start: (7,) joint angles at which the hand is about the bead, where it begins.
    """

    def __init__(
        self,
        wire: Wire,
        seed: int,
        rate_hz: float = RATE_HZ,
        downscale: int = 4,
        conditions: Conditions | None = None,
    ) -> None:
        """Put the open hand about the bead.

        Args:
            wire: to follow.
            seed: of gels, bead, conditions and noise.
            rate_hz: steps per second.
            downscale: of the images, see `TouchSimulation`.
            conditions: in place of drawn ones.
        """
        self.wire, self.rate_hz = wire, rate_hz
        self._rng = np.random.default_rng((seed, 11))
        drawn = Conditions.draw(self._rng)
        self.conditions = conditions or drawn
        self.fingertips = Fingertips(seed, rate_hz, downscale)
        self.start = kinematics.inverse(Pose(wire.point(0.0), wire.hand(0.0)), kinematics.READY)
        self.bead_m = 0.0
        self._target = self._before = self._executed = self.start.copy()
        self._speed = np.zeros(kinematics.JOINTS)
        self._noise = np.zeros(kinematics.JOINTS)
        self._pose = kinematics.forward(self.start)
        self._hand = self._pose.position  # the arm yields: it is not where it was commanded to be
        self._grip_n = 0.0
        self._frames = 0
        # A grip that has lost its bead holds nothing until it was opened.
        self._is_empty = False

    def backgrounds(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Pictures of the untouched gels."""
        left, right = self.fingertips.gels
        return left.background(), right.background()

    def step(self, joints: NDArray[np.float64], grip_n: float) -> MazeSample:
        """Command joints and grip, and let one period pass.

        Args:
            joints: (7,) to be reached at the end of the period, and the arm's delay.
            grip_n: force of the gripper from now on; 0 opens it.
        """
        target, limited = self._within_limits(np.asarray(joints, float))
        begin, end = self._pose, kinematics.forward(self._carry_out(target))
        count = self._step_count(begin, end)
        grip_n = float(np.clip(grip_n, 0.0, HIGHEST_GRIP_N))
        turn = kinematics.rotation_vector(end.rotation @ begin.rotation.T)
        for index in range(1, count + 1):
            share = index / count
            rotation = kinematics.rotation_matrix(share * turn) @ begin.rotation
            place = (1.0 - share) * begin.position + share * end.position
            self._squeeze(grip_n, count)
            self._balance(Pose(place, rotation))
        self._pose = end
        self._frames += 1
        return self._sample(limited)

    def _within_limits(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
        """The command as the arm's controller lets it through."""
        period = 1.0 / self.rate_hz
        wanted = np.clip(joints, kinematics.LOWER, kinematics.UPPER)
        speed = np.clip((wanted - self._target) / period, -kinematics.VELOCITY, kinematics.VELOCITY)
        change = kinematics.ACCELERATION * period
        self._speed = np.clip(speed, self._speed - change, self._speed + change)
        target = self._target + self._speed * period
        return target, bool(np.abs(target - joints).max() > 1e-6)

    def _carry_out(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the arm is at the end of this period: late, and a little off."""
        late = min(self.conditions.delay_s * self.rate_hz, 1.0)
        self._before, self._target = self._target, target
        noise = self.conditions.joint_noise_rad * self._rng.standard_normal(kinematics.JOINTS)
        self._noise = 0.9 * self._noise + 0.44 * noise
        self._executed = late * self._before + (1.0 - late) * target + self._noise
        return self._executed

    def _step_count(self, begin: Pose, end: Pose) -> int:
        """Steps of the mechanics that keep each below a quarter of a millimetre."""
        error = kinematics.pose_error(end, begin)
        way = _MILLI * np.sqrt(error[:3] @ error[:3]) + 3.0 * np.sqrt(error[3:] @ error[3:])
        return int(np.clip(np.ceil(way / _STEP_MM), _LEAST_STEPS, _MOST_STEPS))

    def _squeeze(self, grip_n: float, count: int) -> None:
        share = 1.0 - np.exp(-1.0 / (self.rate_hz * count * _GRIP_LAG_S))
        self._grip_n += share * (grip_n - self._grip_n)
        if self._grip_n < _CLOSES_N and grip_n < _CLOSES_N:
            self._grip_n, self._is_empty = 0.0, False

    def _balance(self, commanded: Pose) -> None:
        hold, rotation = self.fingertips.hold, commanded.rotation
        error = commanded.position - self._hand
        if hold.in_contact:
            step = balance.solve(
                self.conditions.friction,
                self.wire.tangent(self.bead_m),
                _MILLI * error,
                rotation @ hold.force_n,
                (rotation * hold.stiffness) @ rotation.T,
                self.conditions.arm_n_per_mm,
                hold.torque_nmm,
            )
            moved = self.bead_m + step.bead_mm / _MILLI
            self.bead_m = float(np.clip(moved, 0.0, self.wire.length_m))
            self._hand = self._hand + step.hand_mm / _MILLI
        else:
            self._hand = self._hand + 0.5 * (error + self._pushed_m(commanded))
        self._press(rotation)

    def _pushed_m(self, commanded: Pose) -> NDArray[np.float64]:
        """(3,) by which closing fingers push the arm aside: the one that meets the bead first
        does, with the force of the gripper at most, until the other one meets it too."""
        if self._is_empty or not self._bead_in_hand(commanded.rotation).is_held:
            return np.zeros(3)
        closes = commanded.rotation[:, 1]
        aside = closes @ (self.wire.point(self.bead_m) - commanded.position)
        most = self._grip_n / self.conditions.arm_n_per_mm / _MILLI
        return np.clip(aside, -most, most) * closes

    def _press(self, rotation: NDArray[np.float64]) -> None:
        was_held = self.fingertips.hold.in_contact
        grip_n = 0.0 if self._is_empty else self._grip_n
        hold = self.fingertips.press(self._bead_in_hand(rotation), grip_n)
        if was_held and not hold.in_contact and self._grip_n > _CLOSES_N:
            self._is_empty = True

    def _bead_in_hand(self, rotation: NDArray[np.float64]) -> BeadPose:
        offset = rotation.T @ (self.wire.point(self.bead_m) - self._hand)
        axis = rotation.T @ self.wire.tangent(self.bead_m)
        return BeadPose(_MILLI * offset, axis if axis[0] >= 0.0 else -axis)

    def _sample(self, limited: bool) -> MazeSample:
        hold, rotation = self.fingertips.hold, self._pose.rotation
        yielded = np.concatenate([self._hand - self._pose.position, np.zeros(3)])
        joints = self._executed + kinematics.damped_step(self._executed, yielded, self._executed)
        time_s = self._frames / self.rate_hz
        return MazeSample(
            time_s=time_s,
            joints=joints,
            touches=self.fingertips.samples(time_s),
            hand=Pose(self._hand, rotation),
            bead_m=self.bead_m,
            force_n=rotation @ hold.force_n,
            offset_mm=self._bead_in_hand(rotation).offset_mm,
            held=hold.in_contact,
            grip_n=self._grip_n,
            finished=self.wire.length_m - self.bead_m < FINISH_M,
            limited=limited,
        )
