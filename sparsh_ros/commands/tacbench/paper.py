# SPDX-License-Identifier: Apache-2.0
"""TacBench as published (Higuera et al., 2024, arXiv:2410.24090, tables 5 to 10), ViT-base.

Recorded from real sensors; so orders of encoders can be set beside ours, numbers cannot.
"""

from __future__ import annotations

from functools import cache

from sparsh_ros.files import read_yaml
from sparsh_ros.resources import config_path
from sparsh_ros.training.tacbench.table import gain, mean_gain

BUDGETS = (1.0, 0.33, 0.1, 0.01)
CLAIMED_GAIN = 0.951
"""At 33 % of the labels, over all tasks, by the text of the paper (98.75 % by its table 13)."""
END_TO_END = "end to end"


@cache
def tables() -> dict[str, dict[str, list[float]]]:
    """Title -> encoder -> score at each of `BUDGETS`. What is in mN is a mean absolute error."""
    return read_yaml(config_path("published", "tacbench.yaml"))


def published_gain(budget: float) -> float:
    """The mean gain of the published tables over training end to end, by our own formula: over
    encoders and tables, each a share of the end-to-end score. How the paper's own figure was
    computed is not stated there, and this does not reproduce it."""
    place = BUDGETS.index(budget)
    found: dict[str, dict[str, float]] = {}
    for title, table in tables().items():
        base = table[END_TO_END][place]
        for name in set(table) - {END_TO_END}:
            own = gain(table[name][place], base, not title.endswith("mN"))
            found.setdefault(name, {})[title] = own
    return mean_gain(found)
