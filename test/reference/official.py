# SPDX-License-Identifier: Apache-2.0
"""Files in the layout of TacBench's training, with random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from reference.layers import Weights
from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD
from sparsh_ros.models.dpt import ForceFieldDecoder
from sparsh_ros.models.heads import build_head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer


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


def save_folder(folder: Path, spec: ModelSpec, tasks: Sequence[str]) -> Path:
    """Write what a user has downloaded: an encoder, and each task's decoder in a folder of its own;
    return the encoder's file."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        decoder = (
            ForceFieldDecoder(spec.embed_dim) if task == FORCE_FIELD else build_head(task, spec)
        )
        (folder / task).mkdir()
        save_epoch(decoder.state_dict(), folder / task)
    path = folder / f"{spec.name}.safetensors"
    save_file(VisionTransformer.from_spec(spec).state_dict(), path)
    return path


def doubles(weights: Mapping[str, Tensor]) -> Weights:
    """The same as NumPy float64."""
    return {name: value.double().numpy() for name, value in weights.items()}


def largest_error(found: Tensor, wanted: np.ndarray) -> float:
    """Largest absolute difference; the shapes must be the same."""
    assert tuple(found.shape) == wanted.shape
    return float(np.abs(found.detach().numpy() - wanted).max())
