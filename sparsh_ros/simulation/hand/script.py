# SPDX-License-Identifier: Apache-2.0
"""What a hand of two fingers does with objects: grasp, lose, insert, screw and explore them.

The object moves between the fingers as the world pulls at it. Both gels feel the same motion, the
one mirrored: x and rotation change their signs, up stays up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsh_ros.simulation import shapes
from sparsh_ros.simulation.indenters import Indenter
from sparsh_ros.simulation.trajectories import IndenterState, Stream, move, shake

ROUGH = ("ridged", "knurled", "bumps", "screw")
SMOOTH = ("sphere", "flat", "ellipsoid", "cylinder", "torus")
"""Shapes by their faces: whether fingers call them rough. Others would be hard to call."""
_FAILS = 0.35  # share of pegs, and of screws
TASKS = ("grasp", "slip", "insert", "screw", "explore")
Script = Iterator[tuple[Indenter, IndenterState, "Claims"]]


@dataclass(frozen=True)
class Claims:
    """What the script knows: what the hand is doing, of `TASKS`; whether the peg is at the bottom,
    the screw at its torque limit."""

    task: str = ""
    inserted: bool = False
    tight: bool = False


@dataclass(frozen=True)
class HandSampler:
    """What a script draws from: a seed, shapes, frames per second, the strongest grip.

    With `succeeds`, tasks come in their order, rough and smooth objects in turn, no peg jams and
    every screw gets tight: to be shown, not to be learned from.
    """

    seed: int
    kinds: tuple[str, ...]
    rate_hz: float
    maximum_load_n: float
    succeeds: bool = False


def finger_stream(sampler: HandSampler, side: int, tasks: Sequence[str] = TASKS) -> Stream:
    """How one finger alone is touched: the left one is side 0, the right one side 1."""
    for indenter, state, _ in script(sampler, tasks):
        yield indenter, mirrored(state) if side else state


def mirrored(state: IndenterState) -> IndenterState:
    """The same motion as the opposite finger feels it."""
    return replace(state, x_mm=-state.x_mm, theta=-state.theta, tilt_x=-state.tilt_x)


def script(sampler: HandSampler, tasks: Sequence[str] = TASKS) -> Script:
    """Tasks in random order, each with a new object that is taken and let go."""
    rng, is_rough = np.random.default_rng((sampler.seed // 2, 7)), None
    while True:
        # Every task before any comes again, so that short recordings have them all.
        for task in tasks if sampler.succeeds else rng.permutation(list(tasks)):
            if sampler.succeeds:
                is_rough = not is_rough
            yield from _handle(_Handling(sampler, rng, str(task), is_rough), _STEPS[str(task)])


class _Handling:
    """One object in the hand: its state, and the motions that the steps of a task ask for."""

    def __init__(
        self,
        sampler: HandSampler,
        rng: np.random.Generator,
        task: str,
        is_rough: bool | None = None,
    ) -> None:
        self.rng = rng
        self.rate_hz, self.succeeds = sampler.rate_hz, sampler.succeeds
        if is_rough is None:
            is_rough = bool(rng.integers(2))
        faces = [kind for kind in sampler.kinds if (kind in ROUGH) == is_rough] or sampler.kinds
        kind = faces[int(rng.integers(len(faces)))]
        self.indenter = shapes.draw(kind, rng)
        self.load_n = float(np.exp(rng.uniform(np.log(1.0), np.log(sampler.maximum_load_n))))
        x, y = rng.uniform(-1.0, 1.0, 2) * (1.5, 2.0)
        tilt_x, tilt_y = rng.normal(0.0, 0.02, 2)
        self.state = IndenterState(0.0, x, y, rng.uniform(-np.pi, np.pi), tilt_x, tilt_y)
        self.claims = Claims(task)

    def fails(self) -> bool:
        """Whether the peg jams, or the screw is left loose."""
        return self.rng.random() < _FAILS and not self.succeeds

    def go(self, seconds: float, **changes: float) -> Script:
        """Move by these amounts, or, of `load_n`, to that."""
        for name, value in changes.items():
            if name != "load_n":
                changes[name] = getattr(self.state, name) + value
        goal = replace(self.state, **changes)
        yield from self._emit(move(self.state, goal, seconds, self.rate_hz))
        self.state = goal

    def tremble(self, seconds: float, size_mm: float, turn: float = 0.0) -> Script:
        """Vibrate in place."""
        swing = IndenterState(0.0, *self.rng.normal(0.0, size_mm, 2), turn)
        hertz = self.rng.uniform(3.0, 8.0)
        yield from self._emit(shake(self.state, swing, hertz, seconds, self.rate_hz))

    def wait(self, low_s: float, high_s: float) -> Script:
        """Hold still."""
        yield from self.go(self.rng.uniform(low_s, high_s))

    def _emit(self, states: Iterator[IndenterState]) -> Script:
        for state in states:
            yield self.indenter, state, self.claims


def _handle(handling: _Handling, steps) -> Script:
    """Rest, grip, do the task, let go."""
    rng = handling.rng
    yield from handling.wait(0.3, 0.8)
    yield from handling.go(rng.uniform(0.2, 0.6), load_n=handling.load_n)
    yield from handling.wait(0.1, 0.4)
    yield from steps(handling)
    yield from handling.go(rng.uniform(0.15, 0.4), load_n=0.0)


def _grasp(handling: _Handling) -> Script:
    """Lift and carry: the weight pulls the object down by a little."""
    rng = handling.rng
    yield from handling.go(rng.uniform(0.3, 0.7), y_mm=-rng.uniform(0.05, 0.3))
    yield from handling.tremble(rng.uniform(0.4, 1.0), 0.04)
    yield from handling.wait(0.4, 1.2)
    yield from handling.go(rng.uniform(0.3, 0.6), y_mm=rng.uniform(0.05, 0.2))


def _slip(handling: _Handling) -> Script:
    """The grip loosens and the object slides out by some millimetres; then a firmer grip."""
    rng = handling.rng
    yield from _lift(handling)
    yield from handling.go(rng.uniform(0.2, 0.5), load_n=handling.load_n * rng.uniform(0.3, 0.7))
    length, speed = rng.uniform(1.5, 3.5), np.exp(rng.uniform(np.log(3.0), np.log(12.0)))
    yield from handling.go(length / speed, y_mm=-length, x_mm=rng.normal(0.0, 0.3))
    yield from handling.go(rng.uniform(0.15, 0.4), load_n=handling.load_n)
    yield from handling.wait(0.3, 0.8)


def _insert(handling: _Handling) -> Script:
    """A peg down a hole: walls rub, the bottom pushes it up; or it jams at the rim and tilts."""
    rng = handling.rng
    yield from _lift(handling)
    if handling.fails():
        turn = rng.uniform(0.1, 0.3) * rng.choice([-1.0, 1.0])
        yield from handling.go(0.5, y_mm=rng.uniform(0.2, 0.6), theta=turn, x_mm=turn)
        yield from handling.wait(0.3, 0.8)
        yield from handling.go(0.4, y_mm=-rng.uniform(0.2, 0.6), theta=-turn, x_mm=-turn)
        return
    yield from handling.go(0.3, y_mm=rng.uniform(0.1, 0.25))
    yield from handling.tremble(rng.uniform(0.5, 1.2), 0.08)
    push, loose = rng.uniform(0.5, 1.2), handling.claims
    yield from handling.go(rng.uniform(0.15, 0.35), y_mm=push)
    handling.claims = replace(loose, inserted=True)
    yield from handling.wait(1.0, 2.5)
    handling.claims = loose
    yield from handling.go(rng.uniform(0.3, 0.6), y_mm=-push - rng.uniform(0.1, 0.3))


def _screw(handling: _Handling) -> Script:
    """Turns against little friction, then against the torque limit; or without reaching it."""
    rng = handling.rng
    way = rng.choice([-1.0, 1.0])
    for _ in range(int(rng.integers(1, 4))):
        running = way * rng.uniform(0.01, 0.05)
        yield from handling.go(rng.uniform(0.2, 0.4), theta=running)
        yield from handling.tremble(rng.uniform(0.2, 0.5), 0.02, turn=0.01)
        yield from handling.go(rng.uniform(0.1, 0.2), theta=-running)
    if handling.fails():
        return
    limit, loose = way * rng.uniform(0.2, 0.4), handling.claims
    yield from handling.go(rng.uniform(0.3, 0.7), theta=limit)
    handling.claims = replace(loose, tight=True)
    yield from handling.wait(1.0, 2.5)
    handling.claims = loose
    yield from handling.go(rng.uniform(0.2, 0.4), theta=-limit)


def _explore(handling: _Handling) -> Script:
    """Strokes to and fro over the surface."""
    rng = handling.rng
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(-1.5, 1.5, 2)
        yield from handling.go(rng.uniform(0.3, 0.7), x_mm=x, y_mm=y)
        yield from handling.go(rng.uniform(0.3, 0.7), x_mm=-x, y_mm=-y)


def _lift(handling: _Handling) -> Script:
    yield from handling.go(handling.rng.uniform(0.2, 0.5), y_mm=-handling.rng.uniform(0.05, 0.25))
    yield from handling.wait(0.2, 0.5)


_STEPS = {
    "grasp": _grasp,
    "slip": _slip,
    "insert": _insert,
    "screw": _screw,
    "explore": _explore,
}
