# SPDX-License-Identifier: Apache-2.0
"""Kinematics of a Franka Emika arm (FER, "Panda") with the Franka hand.

Lengths and limits are those of Franka's public documentation ("Robot and interface
specifications"): Denavit-Hartenberg parameters in Craig's convention, limits of position, velocity
and acceleration of the seven joints. Metres and radians; the base frame has z up and x forward.

The tool centre point (TCP) lies between the fingertips. In its frame, z points out of the hand
along the fingers, y along the line on which the fingers close, x completes them.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import ParameterError

JOINTS = 7
JOINT_NAMES = tuple(f"panda_joint{index}" for index in range(1, JOINTS + 1))
LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
ACCELERATION = np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0])
READY = np.array([0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4])
"""The arm's ready pose: hand pointing down in front of it."""
DAMPING = 0.02
"""Of the least squares: singular values well below it are given up."""

_LENGTH = np.array([0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088, 0.0])
_OFFSET = np.array([0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0, 0.107])
_TWIST = np.array([0, -1, 1, 1, -1, 1, 1, 0]) * np.pi / 2
_COS, _SIN = np.cos(_TWIST).round(12), np.sin(_TWIST).round(12)
_HAND_ANGLE, _HAND_M = -np.pi / 4, 0.1034
_ARMS = np.stack([_LENGTH, -_OFFSET * _SIN, _OFFSET * _COS], 1)
_HAND = np.array(
    [
        [np.cos(_HAND_ANGLE), -np.sin(_HAND_ANGLE), 0.0],
        [np.sin(_HAND_ANGLE), np.cos(_HAND_ANGLE), 0.0],
        [0.0, 0.0, 1.0],
    ]
)
_POSTURE_GAIN = 0.02
_ASTRAY, _CORRECTIONS = 1e-4, 2  # m and rad
_ELSEWHERE_M = 5e-4
_ROOM = 0.95  # of the speed, so that no rounding exceeds it


class Pose(NamedTuple):
    """Position (3,) in metres and rotation (3, 3) of a frame in the base frame."""

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]


def forward(joints: NDArray[np.float64]) -> Pose:
    """Pose of the TCP at these joint angles (7,)."""
    return _chain(joints)[0]


def flange(joints: NDArray[np.float64]) -> Pose:
    """Pose of the flange, to which the hand is screwed, at these joint angles (7,)."""
    return _chain(joints)[1]


def jacobian(joints: NDArray[np.float64]) -> tuple[Pose, NDArray[np.float64]]:
    """Pose of the TCP and the geometric Jacobian (6, 7): linear, then angular velocity."""
    tip, _, origins, axes = _chain(joints)
    # np.cross takes longer than all the rest for so few.
    (x, y, z), (a, b, c) = axes.T, (tip.position - origins).T
    return tip, np.stack([y * c - z * b, z * a - x * c, x * b - y * a, x, y, z], 1).T


def damped_step(
    joints: NDArray[np.float64], twist: NDArray[np.float64], posture: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Change of the joints that moves the TCP by `twist`, by damped least squares.

    dq = J+ dx + (1 - J+ J) k (posture - q), with J+ = J^T (J J^T + damping^2)^-1 (Wampler, 1986;
    Nakamura and Hanafusa, 1986). The part without effect on the TCP draws towards `posture`.

    Args:
        joints: (7,) now.
        twist: (6,) small translation (m) and rotation vector (rad) in the base frame.
        posture: (7,) joint angles to prefer.
    """
    return _damped_step(jacobian(joints)[1], joints, twist, posture)


def _damped_step(
    matrix: NDArray[np.float64],
    joints: NDArray[np.float64],
    twist: NDArray[np.float64],
    posture: NDArray[np.float64],
) -> NDArray[np.float64]:
    square = matrix @ matrix.T + DAMPING**2 * np.eye(6)
    free = _POSTURE_GAIN * (posture - joints)
    return free + matrix.T @ np.linalg.solve(square, twist - matrix @ free)


def inverse(
    pose: Pose, start: NDArray[np.float64], steps: int = 60, tolerance: float = 1e-4
) -> NDArray[np.float64]:
    """Joint angles (7,) within their limits at which the TCP has this pose.

    Args:
        pose: Wanted.
        start: (7,) where to begin; the solution is one near it.
        steps: At most.
        tolerance: Largest error left, m and rad.

    Raises:
        ParameterError: Nothing that good was found.
    """
    joints = np.array(start, dtype=float)
    for _ in range(steps):
        error = pose_error(pose, forward(joints))
        if np.abs(error).max() < tolerance:
            return joints
        size = max(1.0, np.abs(error).max() / 0.2)
        joints = np.clip(joints + damped_step(joints, error / size, start), LOWER, UPPER)
    raise ParameterError(
        f"inverse kinematics: wanted a pose at {np.round(pose.position, 3).tolist()} m, found none "
        "within the joint limits; choose one that the arm reaches"
    )


class HandDriver:
    """Turns twists of the hand into commands to the joints."""

    def __init__(self, start: NDArray[np.float64]) -> None:
        """Start at these joint angles (7,)."""
        self.joints = np.array(start, dtype=float)
        self._posture = self.joints.copy()

    def move(self, twist: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joint angles (7,) after a twist (6,) in the hand's frame."""
        (_, rotation), matrix = jacobian(self.joints)
        turned = np.concatenate([rotation @ twist[:3], rotation @ twist[3:]])
        step = _damped_step(matrix, self.joints, turned, self._posture)
        self.joints = np.clip(self.joints + step, LOWER, UPPER)
        return self.joints


class CarefulDriver(HandDriver):
    """The same for somebody who may ask for more than the arm can.

    A twist that the joints cannot follow in a period, by their speed and acceleration, is cut back
    as a whole, so that the hand is late, but goes where it was to go; and where the joints go so
    far that their Jacobian leads astray, that is put right.
    """

    def __init__(self, start: NDArray[np.float64], period_s: float) -> None:
        """Start at rest at these joint angles (7,), for moves of that long."""
        super().__init__(start)
        self._period_s = period_s
        self._last = np.zeros(JOINTS)

    def copy(self) -> CarefulDriver:
        """One that goes on from here."""
        return copy.copy(self)  # its arrays are replaced, never changed

    def stay(self) -> NDArray[np.float64]:
        """Come to rest; the joint angles (7,)."""
        self._last = np.zeros(JOINTS)
        return self.joints.copy()

    def move(self, twist: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joint angles (7,) after a twist (6,) in the hand's frame, or that share of it that can be
        done; a hand that can turn no further turns less, or only moves."""
        tip, matrix = jacobian(self.joints)
        before = self.joints
        for turning in (1.0, 0.5, 0.0):
            turned = np.concatenate([tip.rotation @ twist[:3], turning * tip.rotation @ twist[3:]])
            joints, astray_m = self._try(tip, matrix, turned)
            if astray_m < _ELSEWHERE_M:
                self.joints = joints
                break
        self._last = self.joints - before
        return self.joints

    def _try(
        self, tip: Pose, matrix: NDArray[np.float64], turned: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Joint angles (7,) after a twist in the base frame, and how far from there the hand is."""
        step = _damped_step(matrix, self.joints, turned, self._posture)
        most = _ROOM * VELOCITY * self._period_s
        able = np.minimum(most, np.abs(self._last) + ACCELERATION * self._period_s**2)
        share = float(min(1.0, (able / np.maximum(np.abs(step), 1e-12)).min()))
        turn = rotation_matrix(share * turned[3:]) @ tip.rotation
        wanted = Pose(tip.position + share * turned[:3], turn)
        low = np.maximum(LOWER, self.joints - most)
        high = np.minimum(UPPER, self.joints + most)
        joints = np.clip(self.joints + share * step, low, high)
        for _ in range(_CORRECTIONS):
            reached, own = jacobian(joints)
            error = pose_error(wanted, reached)
            if np.abs(error).max() < _ASTRAY:
                break
            # A joint at its limit cannot help; the others do without it.
            own = own * ((joints > low) & (joints < high))
            joints = np.clip(joints + _damped_step(own, joints, error, joints), low, high)
        away = forward(joints).position - wanted.position
        return joints, float(np.sqrt(away @ away))


def pose_error(wanted: Pose, found: Pose) -> NDArray[np.float64]:
    """(6,) translation and rotation vector that lead from `found` to `wanted`, base frame."""
    turn = rotation_vector(wanted.rotation @ found.rotation.T)
    return np.concatenate([wanted.position - found.position, turn])


def rotation_vector(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis times angle (3,) of a rotation matrix, for angles below pi."""
    axis = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    sine = 0.5 * np.sqrt(axis @ axis)
    angle = np.arctan2(sine, 0.5 * (np.trace(rotation) - 1.0))
    return axis * (0.5 if sine < 1e-9 else 0.5 * angle / sine)


def rotation_matrix(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation (3, 3) by a rotation vector (Rodrigues)."""
    angle = np.sqrt(vector @ vector)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def beyond_limits(joints: NDArray[np.float64], before: NDArray[np.float64], seconds: float) -> str:
    """What is wrong with a command to go from `before` to `joints`; empty if nothing.

    Args:
        joints: (7,) commanded.
        before: (7,) where the joints are, or were commanded to be.
        seconds: Time between the two.
    """
    if not np.isfinite(joints).all():
        return "a commanded joint angle is not a number"
    for index in range(JOINTS):
        if not LOWER[index] <= joints[index] <= UPPER[index]:
            return (
                f"{JOINT_NAMES[index]}: wanted within {LOWER[index]:.3f} to {UPPER[index]:.3f} rad,"
                f" found {joints[index]:.3f}"
            )
    speed = np.abs(joints - before) / seconds
    worst = int(np.argmax(speed / VELOCITY))
    if speed[worst] > VELOCITY[worst]:
        return (
            f"{JOINT_NAMES[worst]}: wanted at most {VELOCITY[worst]:.2f} rad/s, "
            f"found {speed[worst]:.2f}"
        )
    return ""


def _chain(
    joints: NDArray[np.float64],
) -> tuple[Pose, Pose, NDArray[np.float64], NDArray[np.float64]]:
    """TCP, flange, and of each joint its origin (7, 3) and axis (7, 3)."""
    rotation, position = np.eye(3), np.zeros(3)
    origins, axes = np.empty((JOINTS, 3)), np.empty((JOINTS, 3))
    turns = _turns(joints)
    for index in range(JOINTS):
        position = position + rotation @ _ARMS[index]
        rotation = rotation @ turns[index]
        origins[index], axes[index] = position, rotation[:, 2]
    position = position + rotation @ _ARMS[JOINTS]  # the flange does not turn
    hand = rotation @ _HAND
    tip = Pose(position + _HAND_M * rotation[:, 2], hand)
    return tip, Pose(position, rotation), origins, axes


def _turns(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(7, 3, 3) of each link's frame in the one before."""
    turns = np.zeros((JOINTS, 3, 3))
    cosine, sine = np.cos(joints), np.sin(joints)
    ca, sa = _COS[:JOINTS], _SIN[:JOINTS]
    turns[:, 0, 0], turns[:, 0, 1] = cosine, -sine
    turns[:, 1, 0], turns[:, 1, 1], turns[:, 1, 2] = sine * ca, cosine * ca, -sa
    turns[:, 2, 0], turns[:, 2, 1], turns[:, 2, 2] = sine * sa, cosine * sa, ca
    return turns
