# SPDX-License-Identifier: Apache-2.0
"""What touches the gel, and how: load and pose of an object over time.

`protocol` follows the collection of the Sparsh force and slip data (press, then strokes of about
2 mm in random directions); `random` is free manipulation (shear, twist, roll, tap, re-grip,
vibration); `long` is the same without letting go for 10 to 20 s, with long holds, slow creep and
long drags; `demo` is a fixed sequence that shows every estimate. Each is an endless stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TypeVar

import numpy as np

from sparsh_ros.simulation import shapes
from sparsh_ros.simulation.indenters import Indenter

REACH_MM = 4.0
"""Objects stay this close to the gel's centre."""
LOWEST_LOAD_N = 0.2
LONG_S = 10.0, 20.0
"""Shortest and longest contact of the touch `long`."""


@dataclass(frozen=True)
class IndenterState:
    """How an object is held against the gel.

    Attributes:
        load_n: normal load; 0 means lifted off.
        x_mm, y_mm, theta: pose of the object in the gel frame, mm and rad.
        tilt_x, tilt_y: slope of the object against the gel.
    """

    load_n: float = 0.0
    x_mm: float = 0.0
    y_mm: float = 0.0
    theta: float = 0.0
    tilt_x: float = 0.0
    tilt_y: float = 0.0

    def blend(self, other: IndenterState, share: float) -> IndenterState:
        """The hold `share` of the way to `other`."""
        ours, theirs = _values(self), _values(other)
        return IndenterState(*(ours + share * (theirs - ours)))


Stream = Iterator[tuple[Indenter, IndenterState]]
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class TrajectorySampler:
    """What a stream of holds draws from.

    Attributes:
        rng: source of all randomness.
        kinds: shapes that may touch, see `shapes.KINDS`.
        rate_hz: holds per second.
        maximum_load_n: highest normal load.
    """

    rng: np.random.Generator
    kinds: Sequence[str]
    rate_hz: float
    maximum_load_n: float

    def draw_from(self, choices: Sequence[Choice]) -> Choice:
        """One of them, each as likely as any other."""
        return choices[int(self.rng.integers(len(choices)))]

    def draw_load(self) -> float:
        """A normal load up to the maximum, every magnitude as likely as any other."""
        lowest = min(LOWEST_LOAD_N, 0.2 * self.maximum_load_n)
        return float(np.exp(self.rng.uniform(np.log(lowest), np.log(self.maximum_load_n))))

    def draw_object(self) -> tuple[Indenter, IndenterState]:
        """A new object, lifted off, somewhere over the gel."""
        rng = self.rng
        indenter = shapes.draw(self.draw_from(self.kinds), rng)
        x, y = rng.uniform(-1.0, 1.0, 2) * np.array([2.5, 3.5])
        return indenter, IndenterState(
            0.0, x, y, rng.uniform(-np.pi, np.pi), *rng.normal(0.0, 0.03, 2)
        )


def move(
    start: IndenterState, end: IndenterState, seconds: float, rate_hz: float
) -> Iterator[IndenterState]:
    """Holds from `start` (excluded) to `end` with a minimum-jerk profile (Flash and Hogan 1985)."""
    count = max(round(seconds * rate_hz), 1)
    for index in range(1, count + 1):
        t = index / count
        yield start.blend(end, t**3 * (10.0 - 15.0 * t + 6.0 * t**2))


def shake(
    centre: IndenterState,
    amplitude: IndenterState,
    frequency_hz: float,
    seconds: float,
    rate_hz: float,
) -> Iterator[IndenterState]:
    """Vibration of `amplitude` about `centre`, fading in and out; ends at `centre`."""
    count = max(round(seconds * rate_hz), 1)
    for index in range(1, count + 1):
        envelope = np.sin(np.pi * index / count)
        yield centre.blend(
            IndenterState(*(_values(centre) + _values(amplitude))),
            envelope * np.sin(2.0 * np.pi * frequency_hz * index / rate_hz),
        )


def protocol(sampler: TrajectorySampler) -> Stream:
    """Press, stroke, sometimes stroke back, release; a new object each time."""
    return _grips(sampler, (0.15, 0.35), (0.15, 0.8), _strokes, (0.1, 0.4))


def random(sampler: TrajectorySampler) -> Stream:
    """Free manipulation: a handful of random motions while pressed, then a re-grip."""
    return _grips(sampler, (0.1, 0.4), (0.08, 0.6), _manipulate, (0.08, 0.4))


def long(sampler: TrajectorySampler) -> Stream:
    """One grip for 10 to 20 s: holds, strokes, creep, turns and changes of load, in any order."""
    return _grips(sampler, (0.2, 1.0), (0.15, 1.0), _manipulate_long, (0.1, 0.5))


def demo(sampler: TrajectorySampler) -> Stream:
    """Press, shear four ways until it slips, twist, lift; one shape after the other."""
    rate_hz = sampler.rate_hz
    for kind in cycle(sampler.kinds):
        indenter = shapes.draw(kind, sampler.rng)
        hold = IndenterState(theta=sampler.rng.uniform(-0.5, 0.5))
        path = [*_wait(hold, 0.8, rate_hz)]
        for load_share, changes, seconds in DEMO_STEPS:
            goal = replace(hold, load_n=load_share * sampler.maximum_load_n, **changes)
            path += move(hold, goal, seconds, rate_hz)
            path += _wait(goal, 0.15, rate_hz)
            hold = goal
        yield from ((indenter, step) for step in path)


TOUCHES: dict[str, Callable[[TrajectorySampler], Stream]] = {
    "demo": demo,
    "long": long,
    "protocol": protocol,
    "random": random,
}
"""Name of a touch -> its endless stream of holds."""

DEMO_STEPS: tuple[tuple[float, dict[str, float], float], ...] = (
    (0.5, {}, 0.5),
    (0.5, {"x_mm": 4.0}, 0.8),
    (0.5, {"x_mm": 0.0}, 0.7),
    (0.5, {"y_mm": 4.0}, 0.8),
    (0.5, {"y_mm": 0.0}, 0.7),
    (0.5, {"theta": 0.7}, 0.6),
    (0.8, {"theta": 0.2}, 0.5),
    (0.0, {}, 0.3),
)
"""Share of the maximum load, pose to reach, seconds."""


def _values(hold: IndenterState) -> np.ndarray:
    return np.array(
        [hold.load_n, hold.x_mm, hold.y_mm, hold.theta, hold.tilt_x, hold.tilt_y], dtype=float
    )


def _creep(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    """A slow stroke, by which shear builds up or relaxes with hardly any motion to see."""
    goal, _ = _stroke(hold, sampler.rng)
    share = sampler.rng.uniform(0.1, 0.6)
    return move(hold, hold.blend(goal, share), sampler.rng.uniform(0.5, 3.0), sampler.rate_hz)


def _drag(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    """A long stroke across the gel at one speed."""
    angle = sampler.rng.uniform(-np.pi, np.pi)
    reach = REACH_MM * sampler.rng.uniform(0.3, 1.0)
    goal = replace(hold, x_mm=reach * np.cos(angle), y_mm=reach * np.sin(angle))
    length = np.hypot(goal.x_mm - hold.x_mm, goal.y_mm - hold.y_mm)
    speed = np.exp(sampler.rng.uniform(np.log(1.0), np.log(12.0)))
    return move(hold, goal, max(length, 0.1) / speed, sampler.rate_hz)


def _hold_still(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    return _wait(hold, sampler.rng.uniform(0.2, 2.0), sampler.rate_hz)


def _grips(
    sampler: TrajectorySampler,
    rest_s: tuple[float, float],
    press_s: tuple[float, float],
    manipulate: Callable[[IndenterState, list[IndenterState], TrajectorySampler], IndenterState],
    release_s: tuple[float, float],
) -> Stream:
    """Rest, press, manipulate, release, without end; a new object each time.

    Args:
        sampler: draws it all.
        rest_s, press_s, release_s: ranges of how long each takes.
        manipulate: takes how the object is held and adds to the path so far; returns how it is held
            at the end.
    """
    while True:
        indenter, hold, path = _grip(sampler, rest_s, press_s)
        hold = manipulate(hold, path, sampler)
        seconds = sampler.rng.uniform(*release_s)
        path += move(hold, replace(hold, load_n=0.0), seconds, sampler.rate_hz)
        yield from ((indenter, step) for step in path)


def _strokes(
    hold: IndenterState, path: list[IndenterState], sampler: TrajectorySampler
) -> IndenterState:
    rng, rate_hz = sampler.rng, sampler.rate_hz
    path += _wait(hold, rng.uniform(0.0, 0.15), rate_hz)
    for _ in range(int(rng.integers(1, 4))):
        goal, seconds = _stroke(hold, rng)
        path += move(hold, goal, seconds, rate_hz)
        path += _wait(goal, rng.uniform(0.0, 0.15), rate_hz)
        hold = goal
    return hold


def _manipulate(
    hold: IndenterState, path: list[IndenterState], sampler: TrajectorySampler
) -> IndenterState:
    for _ in range(int(sampler.rng.integers(3, 8))):
        path += sampler.draw_from(PRIMITIVES)(hold, sampler)
        hold = path[-1]
    return hold


def _manipulate_long(
    hold: IndenterState, path: list[IndenterState], sampler: TrajectorySampler
) -> IndenterState:
    end = len(path) + sampler.rng.uniform(*LONG_S) * sampler.rate_hz
    while len(path) < end:
        path += sampler.draw_from(LONG_PRIMITIVES)(hold, sampler)
        hold = path[-1]
    return hold


def _grip(
    sampler: TrajectorySampler, rest_s: tuple[float, float], press_s: tuple[float, float]
) -> tuple[Indenter, IndenterState, list[IndenterState]]:
    """A new object, how it is held once pressed, and the way there after a rest; ranges in s."""
    indenter, lifted = sampler.draw_object()
    held = replace(lifted, load_n=sampler.draw_load())
    path = [*_wait(lifted, sampler.rng.uniform(*rest_s), sampler.rate_hz)]
    path += move(lifted, held, sampler.rng.uniform(*press_s), sampler.rate_hz)
    return indenter, held, path


def _wait(hold: IndenterState, seconds: float, rate_hz: float) -> Iterator[IndenterState]:
    return iter([hold] * round(seconds * rate_hz))


def _stroke(hold: IndenterState, rng: np.random.Generator) -> tuple[IndenterState, float]:
    """A straight stroke of about 2 mm in a random direction that stays on the gel."""
    length = rng.uniform(1.0, 4.0)
    angle = rng.uniform(-np.pi, np.pi)
    x, y = hold.x_mm + length * np.cos(angle), hold.y_mm + length * np.sin(angle)
    if np.hypot(x, y) > REACH_MM:
        x, y = hold.x_mm - length * np.cos(angle), hold.y_mm - length * np.sin(angle)
    goal = replace(hold, x_mm=float(x), y_mm=float(y))
    return goal, length / np.exp(rng.uniform(np.log(2.0), np.log(12.0)))


def _shear(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    goal, seconds = _stroke(hold, sampler.rng)
    if sampler.rng.random() < 0.3:
        goal = replace(goal, load_n=sampler.draw_load())
    return move(hold, goal, seconds, sampler.rate_hz)


def _twist(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    angle = sampler.rng.uniform(0.2, 1.2) * sampler.rng.choice([-1.0, 1.0])
    seconds = abs(angle) / np.exp(sampler.rng.uniform(np.log(0.5), np.log(4.0)))
    return move(hold, replace(hold, theta=hold.theta + angle), seconds, sampler.rate_hz)


def _roll(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    tilt_x, tilt_y = sampler.rng.normal(0.0, 0.08, 2)
    goal = replace(hold, tilt_x=tilt_x, tilt_y=tilt_y)
    return move(hold, goal, sampler.rng.uniform(0.2, 0.8), sampler.rate_hz)


def _change_load(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    return move(
        hold,
        replace(hold, load_n=sampler.draw_load()),
        sampler.rng.uniform(0.1, 0.7),
        sampler.rate_hz,
    )


def _tap(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    lifted = replace(hold, load_n=0.0)
    yield from move(hold, lifted, sampler.rng.uniform(0.05, 0.15), sampler.rate_hz)
    yield from _wait(lifted, sampler.rng.uniform(0.0, 0.15), sampler.rate_hz)
    yield from move(lifted, hold, sampler.rng.uniform(0.05, 0.15), sampler.rate_hz)


def _vibrate(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    size = sampler.rng.uniform(0.02, 0.25)
    amplitude = IndenterState(
        sampler.rng.uniform(0.0, 0.4) * hold.load_n,
        *sampler.rng.normal(0.0, size, 2),
        sampler.rng.normal(0.0, 0.02),
    )
    return shake(
        hold,
        amplitude,
        sampler.rng.uniform(2.0, 12.0),
        sampler.rng.uniform(0.3, 1.0),
        sampler.rate_hz,
    )


def _keep(hold: IndenterState, sampler: TrajectorySampler) -> Iterator[IndenterState]:
    return iter([hold] * int(sampler.rng.integers(3, 12)))


PRIMITIVES = (
    *(_shear,) * 5,
    *(_twist,) * 3,
    _roll,
    _change_load,
    _tap,
    _vibrate,
    _keep,
)
"""What free manipulation draws from; repeated entries are more likely."""
LONG_PRIMITIVES = (
    *(_shear,) * 3,
    *(_drag,) * 2,
    *(_creep,) * 2,
    *(_hold_still,) * 3,
    _twist,
    _roll,
    *(_change_load,) * 2,
    _vibrate,
)
"""What a long contact draws from."""
