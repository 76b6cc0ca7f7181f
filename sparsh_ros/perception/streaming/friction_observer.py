# SPDX-License-Identifier: Apache-2.0
"""What holds the object: skin stretch under Coulomb's limit, followed from step to step.

The contact is an elastic foundation on a coarse grid (20 x 15 cells). In each cell the skin hangs
on a tangential spring; the object drags it along until the spring reaches the limit of friction,

    s <- s + f u,    then    |s| <= gamma p,    gamma = mu / k_t,

with s the stretch and p the pressure (means over the cell), f the share of the cell that touches, u
the motion of the object there and k_t the stiffness of the springs (Johnson, Contact Mechanics,
1985, section 8.4). What goes beyond the limit has slid. This is the model of the simulated gel, on
motion and pressure as an encoder sees them.

Two things make it an observer and not an integrator. The encoder also sees the stretch itself,
roughly: the state is drawn to that map by a gain that the encoder gives for each cell (Luenberger,
1966), so that errors of the motion do not pile up. And nobody knows gamma: some values are followed
side by side, weighted by how well each foretold the stretch that was seen (a bank of filters,
Magill, 1965).

The code is written once for NumPy, which runs live, and torch, which trains: pass either module.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from sparsh_ros.models.streaming.layout import COLUMNS, HYPOTHESES, ROWS

LIMITS_MM3_PER_N = tuple(np.geomspace(2.7, 16.0, HYPOTHESES).round(3).tolist())
"""gamma = mu / k_t: friction .4 to 1.1 over springs of .07 to .15 N/mm^3."""
NOMINAL_STIFFNESS = 0.1
"""N/mm^3: makes newtons of a sum of stretch, up to a factor near 1 that the heads know."""
SLIDING_MM = 0.02
"""Half of a cell counts as sliding when it slid this far in a step."""
_TINY = 1e-6

Array = Any
"""A NumPy array or a torch tensor, float32."""


class Sight(NamedTuple):
    """What the encoder sees of B contacts.

    Attributes:
        pressure: (B, R, C) normal stress, N/mm^2, mean over each cell.
        cover: (B, R, C) share of each cell that touches, 0 to 1.
        stretch: (B, 2, R, C) skin stretch (x, y), mm, mean over each cell.
        gain: (B, R, C) how far the state is drawn to `stretch`, 0 to 1.
        precision: (B, R, C) weight of `stretch` as evidence, 1/mm^2.
        motion: (B, 3) motion of the object at the contact's centre since the state: x, y (mm),
            rotation (rad).
        size: (B, 2) extent of the gel, mm.
        interval_s: (B,) time since the state.
    """

    pressure: Array
    cover: Array
    stretch: Array
    gain: Array
    precision: Array
    motion: Array
    size: Array
    interval_s: Array


class State(NamedTuple):
    """What is remembered of B contacts.

    Attributes:
        stretch: (B, K, 2, R, C) skin stretch by hypothesis, mm.
        cover: (B, R, C) share of each cell that touched.
        evidence: (B, K) log likelihood of each hypothesis since contact began.
        force: (B, 3) shear (x, y) and load of the last step, N at the nominal stiffness.
    """

    stretch: Array
    cover: Array
    evidence: Array
    force: Array


class Prior(NamedTuple):
    """What training found out.

    Attributes:
        log_weight: (K,) log probability of each hypothesis before any evidence.
        memory: () share of the evidence that a step keeps, 0 to 1.
    """

    log_weight: Array
    memory: Array


class Estimate(NamedTuple):
    """What a step says.

    Attributes:
        readings: (B, len(READINGS)) float32, see `READINGS`: forces in N at the nominal stiffness,
            area in cm^2, `slide*` as log(1 + mm/s), `pace` the interval in twelfths of a second.
        stretch: (B, 2, R, C) mean stretch over the hypotheses, mm.
        log_weight: (B, K) log probability of each hypothesis.
    """

    readings: Array
    stretch: Array
    log_weight: Array


def fresh_state(xp: ModuleType, batch: int) -> State:
    """The state before contact."""
    return State(
        xp.zeros((batch, HYPOTHESES, 2, ROWS, COLUMNS), dtype=xp.float32),
        xp.zeros((batch, ROWS, COLUMNS), dtype=xp.float32),
        xp.zeros((batch, HYPOTHESES), dtype=xp.float32),
        xp.zeros((batch, 3), dtype=xp.float32),
    )


def observe(xp: ModuleType, prior: Prior, state: State, sight: Sight) -> tuple[State, Estimate]:
    """Advance by one step.

    Args:
        xp: `numpy` or `torch`, whichever made the arrays.
        prior: what is believed before evidence.
        state: what is remembered, of the same contacts one interval ago.
        sight: what is seen now.
    """
    limit = _limits(xp, sight.pressure) * sight.pressure[:, None]  # (B, K, R, C)
    trial = _start(xp, state, sight) + (_drag(xp, sight) * sight.cover[:, None])[:, None]
    foretold, excess = _hold(xp, trial, limit)
    miss = foretold - sight.stretch[:, None]
    surprise = (miss**2).sum(2) * sight.precision[:, None]  # (B, K, R, C)
    touching = sight.cover.sum((1, 2)) + _TINY
    surprise = surprise.sum((2, 3)) / touching[:, None]
    evidence = prior.memory * state.evidence - 0.5 * surprise
    drawn = foretold - sight.gain[:, None, None] * miss
    stretch, _ = _hold(xp, drawn, limit)
    log_weight = _log_softmax(xp, prior.log_weight + evidence)
    found = _Step(stretch, excess, limit, surprise, xp.exp(log_weight), touching)
    readings, force = _read(xp, found, state, sight)
    mean = (found.weight[:, :, None, None, None] * stretch).sum(1)
    return State(stretch, sight.cover, evidence, force), Estimate(readings, mean, log_weight)


class _Step(NamedTuple):
    stretch: Array
    excess: Array
    limit: Array
    surprise: Array
    weight: Array
    touching: Array


def _limits(xp: ModuleType, like: Array) -> Array:
    values = np.array(LIMITS_MM3_PER_N, np.float32).reshape(1, HYPOTHESES, 1, 1)
    return values if xp is np else xp.from_numpy(values).to(like.device)


def _start(xp: ModuleType, state: State, sight: Sight) -> Array:
    """Stretch before the step; skin that is touched anew starts as it is seen, since it was
    dragged along before the object reached it."""
    before, now = state.cover, sight.cover
    lasting = xp.clip(now / (before + _TINY), 0.0, 1.0)
    anew = 1.0 - xp.clip(before / (now + _TINY), 0.0, 1.0)
    seen = sight.stretch * anew[:, None]
    return state.stretch * lasting[:, None, None] + seen[:, None]


def _drag(xp: ModuleType, sight: Sight) -> Array:
    """(B, 2, R, C) motion of the object at each cell, turning about the contact's centre, mm."""
    x, y = _places(xp, sight.size)
    total = sight.pressure.sum((1, 2)) + _TINY
    centre_x = (sight.pressure.sum(1) * x).sum(1) / total
    centre_y = (sight.pressure.sum(2) * y).sum(1) / total
    dx, dy, turn = (sight.motion[:, axis, None, None] for axis in range(3))
    along_x = dx - turn * (y - centre_y[:, None])[:, :, None]
    along_y = dy + turn * (x - centre_x[:, None])[:, None, :]
    full = sight.cover * 0.0
    return xp.stack((along_x + full, along_y + full), 1)


def _places(xp: ModuleType, size: Array) -> tuple[Array, Array]:
    """(B, C) x of the columns and (B, R) y of the rows, mm; row 0 is the top of the image."""
    across = ((np.arange(COLUMNS) + 0.5) / COLUMNS - 0.5).astype(np.float32)
    down = (0.5 - (np.arange(ROWS) + 0.5) / ROWS).astype(np.float32)
    if xp is not np:
        across, down = xp.from_numpy(across).to(size.device), xp.from_numpy(down).to(size.device)
    return size[:, :1] * across, size[:, 1:] * down


def _hold(xp: ModuleType, stretch: Array, limit: Array) -> tuple[Array, Array]:
    """Cut (B, K, 2, R, C) back to the limit; also how far it was beyond, (B, K, R, C)."""
    length = xp.sqrt((stretch**2).sum(2) + _TINY**2)
    excess = xp.clip(length - limit, 0.0, None)
    return stretch * (1.0 - excess / length)[:, :, None], excess


def _log_softmax(xp: ModuleType, values: Array) -> Array:
    top = values.max(1)
    top = (top if xp is np else top.values)[:, None]
    shifted = values - top
    return shifted - xp.log(xp.exp(shifted).sum(1))[:, None]


def _read(xp: ModuleType, step: _Step, state: State, sight: Sight) -> tuple[Array, Array]:
    """Readings (B, F) and forces (B, 3)."""
    weight, touching = step.weight, step.touching
    cell = sight.size[:, 0] * sight.size[:, 1] / (ROWS * COLUMNS)
    load = sight.pressure.sum((1, 2)) * cell
    newtons = (NOMINAL_STIFFNESS * cell)[:, None]
    shears = step.stretch.sum((3, 4)) * newtons[:, None]  # (B, K, 2)
    shear = (weight[:, :, None] * shears).sum(1)
    spread = xp.sqrt((weight[:, :, None] * (shears - shear[:, None]) ** 2).sum(1) + _TINY)
    seen = sight.stretch.sum((2, 3)) * newtons
    slid = step.excess.sum((2, 3)) / touching[:, None]
    slides = xp.log(1.0 + slid / sight.interval_s[:, None])  # (B, K)
    moving = sight.cover[:, None] * step.excess
    moving = moving / (step.excess + SLIDING_MM * sight.cover[:, None] + _TINY)
    share = moving.sum((2, 3)) / touching[:, None]
    length = xp.sqrt((step.stretch**2).sum(2) + _TINY**2)
    margin = 1.0 - length.sum((2, 3)) / (step.limit.sum((2, 3)) + 1e-3)
    force = xp.stack((shear[:, 0], shear[:, 1], load), 1)
    change = force - state.force
    rows = (
        load,
        touching * cell / 100.0,
        *(value[:, axis] for value in (shear, spread, seen, change) for axis in range(2)),
        change[:, 2],
        (weight * slides).sum(1),
        slides[:, -1],
        slides[:, 0],
        (weight * share).sum(1),
        (weight * margin).sum(1),
        xp.log(1.0 + (weight * step.surprise).sum(1)),
        sight.interval_s * 12.0,
        *(weight[:, index] for index in range(HYPOTHESES)),
    )
    return xp.stack(rows, 1), force
