# SPDX-License-Identifier: Apache-2.0
"""Files in the layout of TacBench's training, with random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference.layers import Weights


def random_weights(shapes: Mapping[str, tuple[int, ...]], gain: float = 1.0) -> dict[str, Tensor]:
    """Values away from the ones and zeros that hide mistakes: layers that multiply the spread of
    what they are given by ``gain``."""
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for name, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
        drawn[name] = torch.randn(shape, generator=generator) * (gain / math.sqrt(fan_in))
        if "norm" in name and name.endswith("weight"):
            drawn[name] = 1 + 0.3 * drawn[name]
    return drawn


def save_epoch(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """Write a decoder's tensors as `epoch-0051.pth`; return the file."""
    path = folder / "epoch-0051.pth"
    torch.save({f"model_task.{name}": value for name, value in weights.items()}, path)
    return path


def doubles(weights: Mapping[str, Tensor]) -> Weights:
    """The same as NumPy float64."""
    return {name: value.double().numpy() for name, value in weights.items()}


def largest_error(found: Tensor, wanted: np.ndarray) -> float:
    """Largest absolute difference; the shapes must be the same."""
    assert tuple(found.shape) == wanted.shape
    return float(np.abs(found.detach().numpy() - wanted).max())
