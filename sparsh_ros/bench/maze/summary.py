# SPDX-License-Identifier: Apache-2.0
"""Results of many runs as one row, and what the paper reports beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import nan

import numpy as np

from sparsh_ros.bench.maze.closed_loop import RunResult

_Z = 1.96
PAPER = (
    ("end to end", 8.46, nan),
    ("Sparsh DINO, frozen", 5.54, 10.80),
    ("Sparsh DINO, fine-tuned", nan, 8.45),
    ("Sparsh I-JEPA, frozen", 5.47, 9.4),
    ("Sparsh I-JEPA, fine-tuned", nan, 10.02),
)
"""Encoder, position error over 3 cm (mm, all demonstrations), distance before failure (cm): Higuera
et al. (2024), tables 11 and 12, on a real arm, other mazes and 50 demonstrations. None finished."""


def summarise(results: Sequence[RunResult]) -> dict[str, float]:
    """Means over runs; of the distance its standard deviation too, of the share that finished its
    interval of 95 %."""
    distances = np.array([100.0 * result.distance_m for result in results])
    count = len(results)
    finished = sum(result.finished for result in results)
    least, most = share_interval(finished, count)
    return {
        "mazes": count,
        "finished": finished / count,
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


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Between which shares the true one lies with 95 % confidence (Wilson, 1927)."""
    share, squared = hits / count, _Z**2 / count
    centre = (share + squared / 2) / (1 + squared)
    half = _Z * math.sqrt(share * (1 - share) / count + squared / count / 4) / (1 + squared)
    return max(centre - half, 0.0), min(centre + half, 1.0)
