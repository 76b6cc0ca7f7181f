# SPDX-License-Identifier: Apache-2.0
"""Which patches a network sees and which it has to predict: random subsets and blocks.

Patches are numbered row by row over the grid. All images of a batch show equally many, so that they
stay one tensor; how large blocks are is drawn once for a batch, where they lie for each image.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Places = NDArray[np.int64]
Grid = tuple[int, int]


def random_subset(rng: np.random.Generator, batch: int, tokens: int, seen: int) -> Places:
    """(B, tokens) a random order of the patches of each image; its first ``seen``, ascending, are
    what is seen, the rest, ascending, is hidden."""
    order = rng.random((batch, tokens)).argsort(axis=1)
    return np.concatenate([np.sort(order[:, :seen]), np.sort(order[:, seen:])], axis=1)


def block_size(
    rng: np.random.Generator,
    grid: Grid,
    area: tuple[float, float],
    aspect: tuple[float, float] = (1.0, 1.0),
) -> tuple[int, int]:
    """Rows and columns of a block.

    Args:
        rng: Source of randomness.
        grid: Rows and columns of patches.
        area: Least and most share of the grid.
        aspect: Least and most of rows over columns.

    Returns:
        The nearest whole numbers, at least 1 and at most the grid.
    """
    tokens = rng.uniform(*area) * grid[0] * grid[1]
    ratio = rng.uniform(*aspect)
    rows, columns = np.sqrt(tokens * ratio), np.sqrt(tokens / ratio)
    return _fit(rows, grid[0]), _fit(columns, grid[1])


def _fit(side: float, limit: int) -> int:
    return int(np.clip(round(float(side)), 1, limit))


def place_block(rng: np.random.Generator, grid: Grid, size: tuple[int, int]) -> Places:
    """The patches, ascending, of a block that lies anywhere on the grid."""
    top, left = (
        int(rng.integers(whole - part + 1)) for whole, part in zip(grid, size, strict=True)
    )
    rows = np.arange(top, top + size[0])[:, None]
    return (rows * grid[1] + np.arange(left, left + size[1])).reshape(-1)


def blocks(
    rng: np.random.Generator, batch: int, count: int, grid: Grid, size: tuple[int, int]
) -> Places:
    """(B, count, rows * columns) patches of ``count`` blocks per image, which may overlap."""
    places = [place_block(rng, grid, size) for _ in range(batch * count)]
    return np.stack(places).reshape(batch, count, -1)


def shortest(rows: list[Places], rng: np.random.Generator) -> Places:
    """(B, K) as many patches of each row, ascending, as the shortest row has, drawn at random."""
    least = min(map(len, rows))
    return np.stack([np.sort(rng.permutation(row)[:least]) for row in rows])


def over_time(places: Places, grid: Grid, times: int) -> Places:
    """The same patches at each of ``times`` moments: (B, K) -> (B, times * K), time first."""
    return np.concatenate([places + grid[0] * grid[1] * t for t in range(times)], axis=1)


def take(tokens: Tensor, places: Tensor) -> Tensor:
    """Tokens (B, N, D) at places (B, K): (B, K, D)."""
    images = torch.arange(len(tokens), device=tokens.device)[:, None]
    return tokens[images, places]
