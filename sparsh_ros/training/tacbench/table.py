# SPDX-License-Identifier: Apache-2.0
"""The benchmark's table: means and spreads over seeds, and the gain over training end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsh_ros.training.tacbench.bench import END_TO_END, TRIVIAL

GAIN_BUDGET = 0.33


@dataclass(frozen=True)
class Measure:
    """What counts in a task: key of the score, its title, unit and digits, and whether more is
    better."""

    key: str
    title: str
    unit: str
    digits: int
    more_is_better: bool


MEASURES: dict[str, tuple[Measure, ...]] = {
    "force": (
        Measure("published_rmse_mn", "T1 force, mean absolute error", "mN", 0, False),
        Measure("rmse_norm_mn", "T1 force, RMSE of the vector", "mN", 0, False),
    ),
    "slip": (Measure("f1", "T2 slip, F1", "", 3, True),),
    "forcefield": (
        Measure("pressure_mae_kpa", "T1A pressure where it touches, mean error", "kPa", 2, False),
        Measure(
            "shear_mae_mm", "T1A shear of the skin where it touches, mean error", "mm", 3, False
        ),
    ),
    "pose": (Measure("accuracy", "T3 motion, accuracy over 11 bins", "", 3, True),),
    "grasp": (Measure("accuracy", "T4 grasp stability, accuracy", "", 3, True),),
    "textile": (Measure("accuracy", "T5 textile, accuracy over 20 classes", "", 3, True),),
}
"""By task, the one that decides first. TacBench calls the mean absolute error of force RMSE."""


@dataclass(frozen=True)
class Value:
    """Mean over seeds, spread (sample standard deviation, NaN of one), and how many there are."""

    mean: float
    spread: float
    seeds: int

    def text(self, digits: int) -> str:
        """As it stands in a table."""
        spread = f" ± {self.spread:.{digits}f}" if self.seeds > 1 else ""
        return f"{self.mean:.{digits}f}{spread}"


Table = Mapping[tuple[str, float], Value]
"""(encoder, budget) -> value of one measure."""


def tabulate(records: Sequence[Mapping[str, Any]], task: str, measure: Measure) -> Table:
    """Values of one measure by encoder and budget."""
    found: dict[tuple[str, float], list[float]] = {}
    for record in records:
        if record["task"] == task and measure.key in record["scores"]:
            key = record["encoder"], record["budget"]
            found.setdefault(key, []).append(record["scores"][measure.key])
    return {
        key: Value(
            float(np.mean(values)),
            float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"),
            len(values),
        )
        for key, values in found.items()
    }


def encoders(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the encoders, in the order in which they came, those to compare with last."""
    names = list(dict.fromkeys(record["encoder"] for record in records))
    last = (END_TO_END, TRIVIAL)
    return [n for n in names if n not in last] + [n for n in last if n in names]


def gain(value: float, base: float, more_is_better: bool) -> float:
    """Improvement over ``base``, as a share of it."""
    return (value - base) / base if more_is_better else (base - value) / base


def gains(records: Sequence[Mapping[str, Any]], budget: float) -> dict[str, dict[str, float]]:
    """By encoder and task, the gain of the decisive measure over training end to end on the same
    labels; tasks without both are left out."""
    found: dict[str, dict[str, float]] = {}
    for task, (measure, *_) in MEASURES.items():
        table = tabulate(records, task, measure)
        base = table.get((END_TO_END, budget))
        if base is None or base.mean == 0.0:
            continue
        for name in encoders(records):
            value = table.get((name, budget))
            if name not in (END_TO_END, TRIVIAL) and value is not None:
                own = gain(value.mean, base.mean, measure.more_is_better)
                found.setdefault(name, {})[task] = own
    return found


def mean_gain(found: Mapping[str, Mapping[str, float]]) -> float:
    """The mean over encoders and tasks; NaN without any."""
    values = [value for row in found.values() for value in row.values()]
    return float(np.mean(values)) if values else float("nan")
