# SPDX-License-Identifier: Apache-2.0
"""What touches the gel, and how: load and pose of an object over time.

`protocol` follows the collection of the Sparsh force and slip data (a normal load up to 5 N, then a
stroke of about 2 mm in a random direction); `random` is free manipulation (shear, twist, roll, tap,
re-grip, vibration); `demo` is a fixed sequence that shows every estimate. Each is an endless stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsh_ros.gel import indenters
from sparsh_ros.gel.indenters import Indenter

REACH_MM = 4.0
"""Objects stay this close to the gel's centre."""


@dataclass(frozen=True)
class Hold:
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

    def blend(self, other: Hold, share: float) -> Hold:
        """The hold `share` of the way to `other`."""
        ours, theirs = _values(self), _values(other)
        return Hold(*(ours + share * (theirs - ours)))


Stream = Iterator[tuple[Indenter, Hold]]


def move(start: Hold, end: Hold, seconds: float, rate_hz: float) -> Iterator[Hold]:
    """Holds from `start` (excluded) to `end` with a minimum-jerk profile (Flash and Hogan 1985)."""
    count = max(round(seconds * rate_hz), 1)
    for index in range(1, count + 1):
        t = index / count
        yield start.blend(end, t**3 * (10.0 - 15.0 * t + 6.0 * t**2))


def shake(
    centre: Hold, amplitude: Hold, frequency_hz: float, seconds: float, rate_hz: float
) -> Iterator[Hold]:
    """Vibration of `amplitude` about `centre`, fading in and out; ends at `centre`."""
    count = max(round(seconds * rate_hz), 1)
    for index in range(1, count + 1):
        envelope = np.sin(np.pi * index / count)
        yield centre.blend(
            Hold(*(_values(centre) + _values(amplitude))),
            envelope * np.sin(2.0 * np.pi * frequency_hz * index / rate_hz),
        )


def protocol(rng: np.random.Generator, kinds: Sequence[str], rate_hz: float) -> Stream:
    """Press, stroke, sometimes stroke back, release; a new object each time."""
    while True:
        indenter, lifted = _approach(rng, kinds)
        pressed = replace(lifted, load_n=_load(rng))
        hold = pressed
        path = [*_wait(lifted, rng.uniform(0.15, 0.35), rate_hz)]
        path += move(lifted, pressed, rng.uniform(0.15, 0.8), rate_hz)
        path += _wait(pressed, rng.uniform(0.05, 0.3), rate_hz)
        for _ in range(int(rng.integers(1, 3))):
            goal, seconds = _stroke(hold, rng)
            path += move(hold, goal, seconds, rate_hz)
            path += _wait(goal, rng.uniform(0.0, 0.3), rate_hz)
            hold = goal
        path += move(hold, replace(hold, load_n=0.0), rng.uniform(0.1, 0.4), rate_hz)
        yield from ((indenter, step) for step in path)


def random(rng: np.random.Generator, kinds: Sequence[str], rate_hz: float) -> Stream:
    """Free manipulation: a handful of random motions while pressed, then a re-grip."""
    while True:
        indenter, lifted = _approach(rng, kinds)
        hold = replace(lifted, load_n=_load(rng))
        path = [*_wait(lifted, rng.uniform(0.1, 0.4), rate_hz)]
        path += move(lifted, hold, rng.uniform(0.08, 0.6), rate_hz)
        for _ in range(int(rng.integers(3, 8))):
            primitive = PRIMITIVES[int(rng.integers(len(PRIMITIVES)))]
            steps = list(primitive(hold, rng, rate_hz))
            path += steps
            hold = steps[-1]
        path += move(hold, replace(hold, load_n=0.0), rng.uniform(0.08, 0.4), rate_hz)
        yield from ((indenter, step) for step in path)


def demo(rng: np.random.Generator, kinds: Sequence[str], rate_hz: float) -> Stream:
    """Press, shear four ways until it slips, twist, lift; one shape after the other."""
    turn = 0
    while True:
        indenter = indenters.draw(kinds[turn % len(kinds)], rng)
        turn += 1
        hold = Hold(theta=rng.uniform(-0.5, 0.5))
        path = [*_wait(hold, 0.8, rate_hz)]
        for changes, seconds in DEMO_STEPS:
            goal = replace(hold, **changes)
            path += move(hold, goal, seconds, rate_hz)
            path += _wait(goal, 0.15, rate_hz)
            hold = goal
        yield from ((indenter, step) for step in path)


TOUCHES: dict[str, Callable[[np.random.Generator, Sequence[str], float], Stream]] = {
    "demo": demo,
    "protocol": protocol,
    "random": random,
}
"""Name of a touch -> its endless stream of holds."""

DEMO_STEPS: tuple[tuple[dict[str, float], float], ...] = (
    ({"load_n": 2.5}, 0.5),
    ({"x_mm": 3.0}, 0.7),
    ({"x_mm": 0.0}, 0.7),
    ({"y_mm": 3.0}, 0.7),
    ({"y_mm": 0.0}, 0.7),
    ({"theta": 0.7}, 0.6),
    ({"load_n": 4.0, "theta": 0.2}, 0.5),
    ({"load_n": 0.0}, 0.3),
)


def _values(hold: Hold) -> np.ndarray:
    return np.array(
        [hold.load_n, hold.x_mm, hold.y_mm, hold.theta, hold.tilt_x, hold.tilt_y], dtype=float
    )


def _wait(hold: Hold, seconds: float, rate_hz: float) -> Iterator[Hold]:
    return iter([hold] * round(seconds * rate_hz))


def _load(rng: np.random.Generator) -> float:
    return 0.2 + 4.8 * rng.beta(1.1, 1.4)


def _approach(rng: np.random.Generator, kinds: Sequence[str]) -> tuple[Indenter, Hold]:
    indenter = indenters.draw(kinds[int(rng.integers(len(kinds)))], rng)
    tilt = rng.normal(0.0, 0.03, 2)
    x, y = rng.uniform(-1.0, 1.0, 2) * np.array([2.5, 3.5])
    return indenter, Hold(0.0, x, y, rng.uniform(-np.pi, np.pi), *tilt)


def _stroke(hold: Hold, rng: np.random.Generator) -> tuple[Hold, float]:
    """A straight stroke of about 2 mm in a random direction that stays on the gel."""
    length = rng.uniform(0.5, 3.5)
    angle = rng.uniform(-np.pi, np.pi)
    x, y = hold.x_mm + length * np.cos(angle), hold.y_mm + length * np.sin(angle)
    if np.hypot(x, y) > REACH_MM:
        x, y = hold.x_mm - length * np.cos(angle), hold.y_mm - length * np.sin(angle)
    goal = replace(hold, x_mm=float(x), y_mm=float(y))
    return goal, length / np.exp(rng.uniform(np.log(2.0), np.log(20.0)))


def _shear(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    goal, seconds = _stroke(hold, rng)
    if rng.random() < 0.3:
        goal = replace(goal, load_n=_load(rng))
    return move(hold, goal, seconds, rate_hz)


def _twist(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    angle = rng.uniform(0.1, 0.9) * rng.choice([-1.0, 1.0])
    seconds = abs(angle) / np.exp(rng.uniform(np.log(0.3), np.log(3.0)))
    return move(hold, replace(hold, theta=hold.theta + angle), seconds, rate_hz)


def _roll(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    tilt_x, tilt_y = rng.normal(0.0, 0.08, 2)
    goal = replace(hold, tilt_x=tilt_x, tilt_y=tilt_y)
    return move(hold, goal, rng.uniform(0.2, 0.8), rate_hz)


def _change_load(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    return move(hold, replace(hold, load_n=_load(rng)), rng.uniform(0.1, 0.7), rate_hz)


def _tap(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    lifted = replace(hold, load_n=0.0)
    yield from move(hold, lifted, rng.uniform(0.05, 0.15), rate_hz)
    yield from _wait(lifted, rng.uniform(0.0, 0.15), rate_hz)
    yield from move(lifted, hold, rng.uniform(0.05, 0.15), rate_hz)


def _vibrate(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    size = rng.uniform(0.02, 0.25)
    amplitude = Hold(
        rng.uniform(0.0, 0.4) * hold.load_n, *rng.normal(0.0, size, 2), rng.normal(0.0, 0.02)
    )
    return shake(hold, amplitude, rng.uniform(2.0, 12.0), rng.uniform(0.3, 1.0), rate_hz)


def _keep(hold: Hold, rng: np.random.Generator, rate_hz: float) -> Iterator[Hold]:
    return iter([hold] * int(rng.integers(3, 20)))


PRIMITIVES = (_shear, _shear, _shear, _twist, _twist, _roll, _change_load, _tap, _vibrate, _keep)
"""What free manipulation draws from; repeated entries are more likely."""
