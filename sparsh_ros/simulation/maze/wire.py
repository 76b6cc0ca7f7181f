# SPDX-License-Identifier: Apache-2.0
"""Bent wires, as in toy mazes: straight runs, bends, climbs.

A wire is the curve whose tangent turns as its heading does: `pitch` is the angle of the tangent
above the horizontal plane, `yaw` that of its horizontal part from the base frame's x. Metres, base
frame of the arm (z up).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.errors import ParameterError
from sparsh_ros.kinematics import Pose
from sparsh_ros.names import WIRE_FAMILIES

SPACING_M = 5e-4
# Where the bead is at first.
START = np.array([0.36, 0.0, 0.36])
MAXIMUM_PITCH, MAXIMUM_YAW = 1.15, 0.6
_TRIES, _CHECKED_EVERY = 60, 30


@dataclass(frozen=True)
class Wire:
    """A wire.

    Attributes:
        pitch: (N,) rad, tangent above the horizontal, every `SPACING_M` along the wire.
        yaw: (N,) rad.
        start: (3,) position of its first point.
    """

    pitch: NDArray[np.float64]
    yaw: NDArray[np.float64]
    start: NDArray[np.float64]

    @property
    def length_m(self) -> float:
        """From one end to the other."""
        return SPACING_M * (len(self.pitch) - 1)

    @cached_property
    def tangents(self) -> NDArray[np.float64]:
        """(N, 3) unit vectors."""
        level = np.cos(self.pitch)
        return np.stack([level * np.cos(self.yaw), level * np.sin(self.yaw), np.sin(self.pitch)], 1)

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """(N, 3) positions: the trapezoidal sum of the tangents."""
        steps = 0.5 * SPACING_M * (self.tangents[1:] + self.tangents[:-1])
        return self.start + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])

    @property
    def tightest_radius_m(self) -> float:
        """Of all bends."""
        turn = np.linalg.norm(np.diff(self.tangents, axis=0), axis=1).max()
        return float(SPACING_M / max(turn, 1e-9))

    def point(self, s_m: float) -> NDArray[np.float64]:
        """(3,) position at a distance along the wire."""
        return self._at(self.points, s_m)

    def tangent(self, s_m: float) -> NDArray[np.float64]:
        """(3,) unit tangent there."""
        tangent = self._at(self.tangents, s_m)
        return tangent / np.sqrt(tangent @ tangent)

    def hand(self, s_m: float) -> NDArray[np.float64]:
        """Rotation (3, 3) of a hand that follows the wire there: x along it, y level."""
        return hand_along(self.tangent(s_m))

    def nearest(self, point: NDArray[np.float64]) -> float:
        """Distance (m) along the wire of the place that is nearest to a point (3,) in m."""
        return SPACING_M * int(np.argmin(((self.points - point) ** 2).sum(1)))

    def _at(self, values: NDArray[np.float64], s_m: float) -> NDArray[np.float64]:
        place = min(max(s_m / SPACING_M, 0.0), len(values) - 1.0)
        index = min(int(place), len(values) - 2)
        share = place - index
        return (1.0 - share) * values[index] + share * values[index + 1]


def hand_along(tangent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation (3, 3) of a hand with x along a tangent, y level, z downwards."""
    side = np.array([tangent[1], -tangent[0], 0.0])  # level, and right-handed with z down
    side /= np.sqrt(side @ side)
    return np.stack([tangent, side, np.cross(tangent, side)], 1)


def from_headings(
    pitch: NDArray[np.float64], yaw: NDArray[np.float64], start: NDArray[np.float64] = START
) -> Wire:
    """A wire from its headings (N,) in rad, every `SPACING_M`, and its first point (3,) in m."""
    return Wire(np.asarray(pitch, float), np.asarray(yaw, float), np.asarray(start, float))


def straight(length_m: float, pitch: float = 0.0, yaw: float = 0.0) -> Wire:
    """A straight wire."""
    count = round(length_m / SPACING_M) + 1
    return from_headings(np.full(count, pitch), np.full(count, yaw))


def arc(radius_m: float, angle: float) -> Wire:
    """A bend of constant radius in the vertical plane, symmetric about the horizontal."""
    count = round(radius_m * abs(angle) / SPACING_M) + 1
    return from_headings(np.linspace(-0.5, 0.5, count) * angle, np.zeros(count))


def _toy(rng: np.random.Generator) -> Wire:
    """Straight runs of 15 to 45 mm joined by bends with radii of 15 to 40 mm."""
    length = rng.uniform(0.22, 0.30)
    pitch, yaw = [np.zeros(40)], [np.zeros(40)]
    total = 0.02
    while total < length:
        before = pitch[-1][-1], yaw[-1][-1]
        after = rng.uniform(-MAXIMUM_PITCH, MAXIMUM_PITCH), rng.uniform(-MAXIMUM_YAW, MAXIMUM_YAW)
        turn = max(np.hypot(after[0] - before[0], after[1] - before[1]), 1e-3)
        bend = max(round(rng.uniform(0.015, 0.040) * turn / SPACING_M), 2)
        run = round(rng.uniform(0.015, 0.045) / SPACING_M)
        for headings, old, new in zip((pitch, yaw), before, after, strict=True):
            headings += [np.linspace(old, new, bend), np.full(run, new)]
        total += SPACING_M * (bend + run)
    return from_headings(_smooth(np.concatenate(pitch)), _smooth(np.concatenate(yaw)))


def _waves(rng: np.random.Generator) -> Wire:
    """Two waves of unrelated lengths, up and down and sideways, on a slow climb: never straight."""
    s = np.arange(0.0, rng.uniform(0.22, 0.30), SPACING_M)
    long, side = rng.uniform(0.075, 0.13), rng.uniform(0.09, 0.16)
    tall, wide = rng.uniform(0.7, 1.0), rng.uniform(0.15, 0.45)
    begin = np.minimum(s / 0.03, 1.0)
    up, across = rng.choice([-1.0, 1.0], 2)
    pitch = up * tall * np.sin(2 * np.pi * s / long) + rng.uniform(-0.15, 0.15)
    yaw = across * wide * np.sin(2 * np.pi * s / side)
    return from_headings(_smooth(begin * pitch), _smooth(begin * yaw))


def _hairpins(rng: np.random.Generator) -> Wire:
    """Dead straight runs of 25 to 45 mm that go to and fro sideways, and climb or fall between,
    joined by bends with radii of 11 to 16 mm."""
    length = rng.uniform(0.22, 0.30)
    pitch, yaw = [np.zeros(30)], [np.zeros(30)]
    total, side = 0.015, rng.choice([-1.0, 1.0])
    while total < length:
        before = pitch[-1][-1], yaw[-1][-1]
        after = rng.uniform(-1.0, 1.0), side * rng.uniform(0.5, 1.0)
        turn = np.hypot(after[0] - before[0], after[1] - before[1])
        bend = round(rng.uniform(0.011, 0.016) * turn / SPACING_M)
        run = round(rng.uniform(0.025, 0.045) / SPACING_M)
        for headings, old, new in zip((pitch, yaw), before, after, strict=True):
            headings += [np.linspace(old, new, bend), np.full(run, new)]
        total, side = total + SPACING_M * (bend + run), -side
    return from_headings(_smooth(np.concatenate(pitch)), _smooth(np.concatenate(yaw)))


_DRAWN_BY = dict(zip(WIRE_FAMILIES, (_toy, _waves, _hairpins), strict=True))


def draw_wire(family: str, seed: int) -> Wire:
    """A wire that the arm can follow; the same seed gives the same wire.

    Args:
        family: of `names.WIRE_FAMILIES`. Demonstrations are on `toy` wires, tests on the others.
        seed: of the wire.

    Raises:
        ParameterError: The family is unknown.
    """
    if family not in _DRAWN_BY:
        raise ParameterError(f"maze: wanted one of {', '.join(WIRE_FAMILIES)}, found {family!r}")
    rng = np.random.default_rng([WIRE_FAMILIES.index(family), seed])
    for _ in range(_TRIES):
        wire = _DRAWN_BY[family](rng)
        if _is_reachable(wire):
            return wire
    raise ParameterError(f"maze {family} {seed}: no wire within the arm's reach was drawn")


def _is_reachable(wire: Wire) -> bool:
    """Whether the hand can go along it and stay off the limits of the joints."""
    joints = kinematics.READY
    margin = 0.08
    for index in range(0, len(wire.pitch), _CHECKED_EVERY):
        pose = Pose(wire.points[index], hand_along(wire.tangents[index]))
        try:
            joints = kinematics.inverse(pose, joints, tolerance=2e-3)
        except ParameterError:
            return False
        lower, upper = kinematics.LOWER + margin, kinematics.UPPER - margin
        if not ((joints > lower) & (joints < upper)).all():
            return False
    return True


def _smooth(headings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the kinks at which bends begin: a wire bends over some millimetres."""
    kernel = np.hanning(13)
    padded = np.pad(headings, 6, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
