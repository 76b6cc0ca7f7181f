# SPDX-License-Identifier: Apache-2.0
"""Force fields (T1A) where the truth is known: pressure and shear under every token.

The paper learns its fields from images alone and shows them; a simulated gel knows its own, so here
they are a task with labels and scores.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.training.clips.episodes import MAP_SHAPE
from sparsh_ros.training.clips.store import ClipStore

SCALE = (50.0, 0.3, 0.3)
"""kPa, mm, mm at an output of 1."""
TOUCHED_KPA = 0.5
_CELLS = 3  # of the field under a token, along either side
_READ = 4096


class FieldHead(nn.Module):
    """Tokens (B, N, D) -> {"forcefield": (B, 3, 20, 15)}, scaled by `SCALE`: pressure, and how far
    the skin is dragged along x and y.

    Args:
        embed_dim: Channels D of a token.
        grid: Rows and columns of the tokens of a frame.
        times: How many grids there are, newest first.
    """

    def __init__(self, embed_dim: int, grid: tuple[int, int], times: int = 1) -> None:
        super().__init__()
        self.grid, self.times = grid, times
        self.probe = nn.Sequential(
            nn.Linear(times * embed_dim, 2 * embed_dim),
            nn.GELU(),
            nn.Linear(2 * embed_dim, MAP_SHAPE[0] * _CELLS**2),
        )

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        rows, columns = self.grid
        joined = tokens.unflatten(1, (self.times, rows * columns)).transpose(1, 2).flatten(2)
        cells = self.probe(joined).transpose(1, 2).unflatten(2, self.grid)
        field = F.pixel_shuffle(cells, _CELLS)
        return {"forcefield": F.interpolate(field, MAP_SHAPE[1:], mode="bilinear")}


def build_field_head(spec: ModelSpec) -> FieldHead:
    """A head for the tokens of ``spec``'s encoder, with fresh weights."""
    grid = (spec.image_height // spec.patch_size, spec.image_width // spec.patch_size)
    times = len(spec.frame_offsets_s) // spec.tubelet if spec.tubelet else 1
    return FieldHead(spec.embed_dim, grid, times)


def field_targets(store: ClipStore) -> Tensor:
    """(n, 3, 20, 15) float32 fields of the newest frame of each clip, scaled by `SCALE`."""
    chunks = np.array_split(np.arange(len(store)), -(-len(store) // _READ))
    return torch.cat([store.fields(chunk) for chunk in chunks]) / torch.tensor(SCALE)[:, None, None]


def field_scores(fields: Tensor, truth: NDArray[np.float32]) -> dict[str, float]:
    """Mean absolute errors where the object touches: pressure in kPa, the length of the difference
    of the shear vectors in mm."""
    scale = np.array(SCALE, np.float32)[:, None, None]
    found, wanted = fields.numpy() * scale, truth * scale
    touched = wanted[:, 0] > TOUCHED_KPA
    error = found - wanted
    return {
        "pressure_mae_kpa": float(np.abs(error[:, 0])[touched].mean()),
        "shear_mae_mm": float(np.hypot(error[:, 1], error[:, 2])[touched].mean()),
    }
