# SPDX-License-Identifier: Apache-2.0
"""SARL as published (Khurana et al., 2025, arXiv:2512.01908, tables I and III).

ResNet-18 at 224 pixels on recordings of a real ViTacTip, one seed. Orders of methods can be set
beside ours, numbers cannot: images, classes, ranges of force and place are others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

TASKS = ("shape", "grating", "material", "force", "contact", "edge")
TABLE_1 = {
    "simclr": (88.25, 93.52, 99.03, 0.0529, 0.1977, 0.6379),
    "byol": (82.67, 83.80, 98.36, 0.1041, 0.3292, 0.9529),
    "simsiam": (81.59, 85.33, 97.50, 0.1016, 0.3334, 0.5682),
    "barlow-twins": (86.22, 89.90, 98.41, 0.0746, 0.2115, 0.5836),
    "vicreg": (85.14, 90.86, 98.28, 0.1736, 1.3293, 0.9372),
    "swav": (80.38, 82.52, 98.70, 0.0779, 0.4042, 0.8167),
    "minc": (84.19, 89.71, 98.54, 0.1089, 0.3164, 0.6072),
    "cplearn": (74.29, 80.19, 96.05, 0.1093, 0.4202, 1.0722),
    "densecl": (85.87, 89.71, 98.14, 0.0900, 0.3221, 0.6200),
    "sarl": (92.51, 99.61, 99.27, 0.0617, 0.1804, 0.3955),
}
"""Method -> percent right at first in the first three of `TASKS`, mean absolute error (mean over
axes of unlike units) in the others."""
TABLE_3 = {
    "sal": (89.41, 0.8605),
    "ppda": (90.35, 0.7940),
    "ram": (90.32, 0.8647),
    "sal ppda": (91.36, 0.6570),
    "sal ram": (92.07, 0.7220),
    "ppda ram": (91.25, 0.6631),
    "sal ppda ram": (92.51, 0.3955),
}
"""Losses of SARL -> shape (percent), edge (mean absolute error)."""


def rank_correlation(found: Mapping[str, float], task: str) -> float:
    """Spearman's, of our means with table I over the methods in both; NaN below three."""
    names = [name for name in TABLE_1 if name in found]
    if len(names) < 3:
        return float("nan")
    column = TASKS.index(task)
    ours, theirs = (
        np.argsort(np.argsort([values[name] for name in names]))
        for values in (found, {name: row[column] for name, row in TABLE_1.items()})
    )
    return float(np.corrcoef(ours, theirs)[0, 1])
