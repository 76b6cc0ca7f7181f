# SPDX-License-Identifier: Apache-2.0
"""Normal contact of a rigid indenter with the gel: an elastic foundation.

The gel of a DIGIT or GelSight is a soft layer 2 to 4 mm thick, bonded to a rigid window, and
pressed over an area as wide as it is thick. There the stress under a point depends mostly on the
indentation at that point, so the layer is modelled as a bed of independent springs (Winkler
foundation; Johnson, Contact Mechanics, 1985, section 4.3):

    p(x, y) = k_n * max(depth - gap(x, y), 0)

For a sphere of radius R this gives the contact radius a = sqrt(2 R depth) and the load
F = pi k_n R depth^2, which the tests check. A half-space (Hertz, F ~ depth^1.5) would need two FFTs
and an iteration per frame, and is exact only for contacts much smaller than the layer is thick.

What that costs, against an elastic layer of 3 mm with Poisson's ratio .48 that is bonded to its
window (`test/reference/bonded_layer.py`; stiffness matched on a ball of 6 mm radius under 3 N):

    load 1 to 10 N            depth          area of the print   peak pressure
    balls of 3 and 6 mm       0 to 3 % more  8 to 37 % more      5 % less to 13 % more
    lying cylinder            5 to 10 % more 15 to 40 % more     30 % less to 1 % more
    flat punches, 2 and 4 mm  16 to 22 % more  0 to 6 % more     47 to 55 % less

So load against depth is right within a few per cent for what is round; prints of light touches are
too large, wide flats are too soft, and the stress peak at their rim is missing. Of real gels, large
strain stiffening and creep of some per cent within seconds are left out as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROWS, COLUMNS = 160, 120


@dataclass(frozen=True)
class GelGrid:
    """Regular grid over the part of the gel that the canonical image shows.

    Attributes:
        width_mm: extent along x (image columns).
        height_mm: extent along y (image rows).
        rows, columns: number of cells along y and x.
    """

    width_mm: float
    height_mm: float
    rows: int = ROWS
    columns: int = COLUMNS

    @cached_property
    def x_mm(self) -> np.ndarray:
        """(columns,) float32 cell centres, ascending, gel frame."""
        return ((np.arange(self.columns) + 0.5) / self.columns - 0.5).astype(
            np.float32
        ) * self.width_mm

    @cached_property
    def y_mm(self) -> np.ndarray:
        """(rows,) float32 cell centres, descending: row 0 is the top of the image."""
        return (0.5 - (np.arange(self.rows) + 0.5) / self.rows).astype(np.float32) * self.height_mm

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, self.columns

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Cell size along (x, y)."""
        return self.width_mm / self.columns, self.height_mm / self.rows

    @property
    def cell_area_mm2(self) -> float:
        """Area of one cell."""
        return self.width_mm * self.height_mm / (self.rows * self.columns)


def overlap(gap_mm: np.ndarray, depth_mm: float) -> np.ndarray:
    """(R, C) float32 indentation under the object, 0 outside the contact."""
    return np.maximum(np.float32(depth_mm) - gap_mm, np.float32(0.0))


def normal_force(overlap_mm: np.ndarray, stiffness_n_per_mm3: float, cell_area_mm2: float) -> float:
    """Load in newtons that the springs under `overlap_mm`, (R, C), carry."""
    return float(overlap_mm.sum(dtype=np.float64)) * stiffness_n_per_mm3 * cell_area_mm2


def depth_for_load(
    load_n: float,
    gap_mm: np.ndarray,
    stiffness_n_per_mm3: float,
    cell_area_mm2: float,
    limit_mm: float,
) -> float:
    """Depth of the object's lowest point at which the gel carries `load_n`.

    The load is a convex, piecewise linear function of depth, so Newton's method from the deep side
    descends to the solution without overshoot.

    Args:
        load_n: wanted normal load, > 0.
        gap_mm: (R, C) gap of the object over the gel.
        stiffness_n_per_mm3: foundation modulus k_n.
        cell_area_mm2: area of one grid cell.
        limit_mm: deepest indentation allowed, counted from the lowest point over the gel; a load
            that would need more gets this depth.

    Returns:
        Depth in mm relative to gap 0.
    """
    lowest = float(gap_mm.min())
    near = gap_mm[gap_mm < lowest + limit_mm]
    wanted = load_n / (stiffness_n_per_mm3 * cell_area_mm2)
    depth = lowest + limit_mm
    for _ in range(12):
        near = near[near < depth]
        if near.size == 0:
            return lowest
        excess = near.size * depth - float(near.sum(dtype=np.float64)) - wanted
        if excess <= 1e-6 * wanted:
            break
        depth -= excess / near.size
    return depth
