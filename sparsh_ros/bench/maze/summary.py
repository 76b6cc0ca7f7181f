# SPDX-License-Identifier: Apache-2.0
"""Results of many runs as one row, rows compared, and what the paper reports beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.bench.maze.closed_loop import RunResult

_Z = 1.96
_DRAWS = 4000
PAPER = (
    ("end to end", 8.46, nan),
    ("Sparsh DINO, frozen", 5.54, 10.80),
    ("Sparsh DINO, fine-tuned", nan, 8.45),
    ("Sparsh I-JEPA, frozen", 5.47, 9.4),
    ("Sparsh I-JEPA, fine-tuned", nan, 10.02),
)
"""Encoder, position error over 3 cm (mm, all demonstrations), distance before failure (cm): Higuera
et al. (2024), tables 11 and 12, on a real arm, other mazes and 50 demonstrations. None finished."""


Runs = Sequence[Sequence[RunResult]]
"""Of one row: for each policy its results, on the same mazes; policies differ in the seed of their
training."""


def summarise(runs: Runs) -> dict[str, float]:
    """Means over runs; of the distance its standard deviation too, of the share that finished the
    lowest and highest of a policy, and its interval of 95 %.

    Policies that differ by a seed share the mazes, and where one fails the others may: the interval
    is as wide as if one of them had been tried on each maze.
    """
    results = [result for one in runs for result in one]
    distances = np.array([100.0 * result.distance_m for result in results])
    count, mazes = len(results), len(runs[0])
    shares = [sum(result.finished for result in one) / len(one) for one in runs]
    finished = float(np.mean(shares))
    least, most = share_interval(finished * mazes, mazes)
    return {
        "policies": len(runs),
        "mazes": mazes,
        "finished": finished,
        "finished_lowest": min(shares),
        "finished_highest": max(shares),
        "finished_least": least,
        "finished_most": most,
        "distance_cm": float(distances.mean()),
        "distance_sd_cm": float(distances.std()),
        "share_of_wire": float(np.mean([r.distance_m / r.length_m for r in results])),
        "grip_losses": sum(result.grip_losses for result in results) / count,
        "recoveries": sum(result.recoveries for result in results) / count,
        "lost_for_good": sum(r.grip_losses > r.recoveries for r in results) / count,
        "regrasps": sum(result.regrasps for result in results) / count,
        "peak_force_n": float(max(result.peak_force_n for result in results)),
        "time_s": float(np.mean([result.time_s for result in results])),
    }


_COMPARED: dict[str, Callable[[RunResult], float]] = {
    "finished": lambda result: float(result.finished),
    "distance_cm": lambda result: 100.0 * result.distance_m,
    "regrasps": lambda result: float(result.regrasps),
    "time_s": lambda result: result.time_s,
}


class Difference(NamedTuple):
    """One row less another, on the mazes of both.

    Attributes:
        figure: what differs, as in `summarise`.
        mazes: how many both have.
        mean: difference, over these mazes, each the mean of a row's policies.
        low, high: between which it lies with 95 % confidence: bootstrap over mazes.
        more, less: mazes on which it is above, and below, zero.
        p: that no more of them would be on one side if there were no difference (exact sign test).
    """

    figure: str
    mazes: int
    mean: float
    low: float
    high: float
    more: int
    less: int
    p: float


def compare(runs: Runs, others: Runs) -> list[Difference]:
    """How one row differs from another on the same mazes; nothing where they have none."""
    pairs = [(_by_maze(runs, figure), _by_maze(others, figure)) for figure in _COMPARED.values()]
    found = []
    for figure, (own, other) in zip(_COMPARED, pairs, strict=True):
        values = np.array([own[maze] - other[maze] for maze in own if maze in other])
        if len(values):
            found.append(_difference(figure, values))
    return found


def _by_maze(runs: Runs, figure: Callable[[RunResult], float]) -> dict[tuple[str, int], float]:
    values: dict[tuple[str, int], list[float]] = {}
    for result in (result for one in runs for result in one):
        values.setdefault((result.family, result.seed), []).append(figure(result))
    return {maze: float(np.mean(own)) for maze, own in values.items()}


def _difference(figure: str, values: NDArray[np.float64]) -> Difference:
    drawn = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    more, less = int((values > 0.0).sum()), int((values < 0.0).sum())
    mean = float(values.mean())
    p = sign_test(more, less)
    return Difference(figure, len(values), mean, float(low), float(high), more, less, p)


def sign_test(more: int, less: int) -> float:
    """Probability of so few or fewer on the smaller side if both are as likely; both tails."""
    count = more + less
    tail = sum(math.comb(count, index) for index in range(min(more, less) + 1)) / 2**count
    return min(2.0 * tail, 1.0)


def share_interval(hits: float, count: int) -> tuple[float, float]:
    """Between which shares the true one lies with 95 % confidence (Wilson, 1927)."""
    share, squared = hits / count, _Z**2 / count
    centre = (share + squared / 2) / (1 + squared)
    half = _Z * math.sqrt(share * (1 - share) / count + squared / count / 4) / (1 + squared)
    return max(centre - half, 0.0), min(centre + half, 1.0)
