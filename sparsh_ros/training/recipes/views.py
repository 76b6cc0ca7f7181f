# SPDX-License-Identifier: Apache-2.0
"""Where a place of one view of an image lies in another view of it.

A view is a crop of the image, resampled to a square and perhaps mirrored. It is described by a
dictionary of tensors (B,): `crop_top`, `crop_left`, `crop_h`, `crop_w` (pixels of the image),
`flip` (mirrored left to right where above one half), `view_size` (side of the square in pixels).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

View = Mapping[str, Tensor]


def correspond(
    source: View, target: View, rows: int, columns: int, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Follow the cell centres of a grid over one view into another.

    Args:
        source: The view that the grid divides.
        target: The view in which its cells are looked for.
        rows, columns: Cells of the grid.
        like: Tensor whose dtype and device to use.

    Returns:
        x and y (B, rows, columns) as shares of the target view, 0 at its left and upper edge and 1
        at the opposite ones; and valid (B, rows, columns) bool, whether the place lies in it, at
        most at its last pixel.
    """
    ours, theirs = (
        {name: value.to(like)[:, None, None] for name, value in view.items()}
        for view in (source, target)
    )
    size, wanted = ours["view_size"], theirs["view_size"]
    y, x = torch.meshgrid(_centres(rows, like), _centres(columns, like), indexing="ij")
    y, x = y * size / rows, _mirror(x * size / columns, ours)
    y = ours["crop_top"] + y * ours["crop_h"] / size
    x = ours["crop_left"] + x * ours["crop_w"] / size
    y = (y - theirs["crop_top"]) * wanted / theirs["crop_h"]
    x = _mirror((x - theirs["crop_left"]) * wanted / theirs["crop_w"], theirs)
    valid = (x >= 0) & (x <= wanted - 1) & (y >= 0) & (y <= wanted - 1)
    return x / wanted, y / wanted, valid


def _centres(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) + 0.5


def _mirror(x: Tensor, view: View) -> Tensor:
    return torch.where(view["flip"] > 0.5, view["view_size"] - x, x)
