# SPDX-License-Identifier: Apache-2.0
"""Training checkpoints as the official code writes them, around an encoder of one's own."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

PREFIXES = {
    "mae": "encoder.",
    "dino": "teacher_encoder.backbone.",
    "dinov2": "teacher_encoder.backbone.",
    "ijepa": "target_encoder.",
    "vjepa": "target_encoder.backbone.",
}
"""Method -> where the encoder to use lies."""

_STUDENTS = {
    "dino": "student_encoder.backbone.",
    "dinov2": "student_encoder.backbone.",
    "ijepa": "context_encoder.",
    "vjepa": "context_encoder.backbone.",
}

_EXTRAS = {
    "mae": ("decoder.mask_token", "decoder.blocks.0.norm1.weight"),
    "dino": (
        "student_encoder.dino_head.mlp.0.weight",
        "teacher_encoder.dino_head.mlp.0.weight",
        "dino_loss.center",
    ),
    "dinov2": (
        "student_encoder.ibot_head.mlp.0.weight",
        "teacher_encoder.dino_head.mlp.0.weight",
        "teacher_encoder.ibot_head.mlp.0.weight",
        "dino_loss.center",
        "ibot_patch_loss.center",
    ),
    "ijepa": ("predictor.mask_token", "predictor.blocks.0.norm1.weight"),
    "vjepa": ("predictor.backbone.mask_tokens.0", "predictor.backbone.norm.weight"),
}


def model_state(method: str, encoder: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under "model": the encoder, the one trained by gradients (other values), and
    the other modules."""
    state = {PREFIXES[method] + name: value for name, value in encoder.items()}
    if method in _STUDENTS:
        state |= {_STUDENTS[method] + name: value + 1 for name, value in encoder.items()}
    others = (*_EXTRAS[method], "online_probes.0.decoder.norm.weight")
    return state | {name: torch.full((3, 5), 7.0) for name in others}


def save_training(
    method: str, encoder: Mapping[str, Tensor], path: Path, **others: object
) -> dict[str, Tensor]:
    """Write a `.ckpt` with optimiser and schedulers, ``others`` beside them; return its "model"."""
    state = model_state(method, encoder)
    with _official_schedulers() as (warmup, decay):
        parameter = torch.nn.Parameter(torch.ones(4))
        optimiser = torch.optim.AdamW([parameter])
        parameter.sum().backward()
        optimiser.step()
        torch.save(
            {
                "model": state,
                "optim": optimiser.state_dict(),
                "scheduler": warmup(optimiser),
                "wd_scheduler": {"object": decay(optimiser), "step": 3},
                "global_step": 1234,
                "current_epoch": 5,
                **others,
            },
            path,
        )
    return state


@contextmanager
def _official_schedulers() -> Iterator[tuple[type, type]]:
    """Scheduler classes under the names that official checkpoints refer to, while they are
    written; whoever reads the file later does not have them."""
    names = ("tactile_ssl", "tactile_ssl.model", "tactile_ssl.model.custom_scheduler")
    modules = {name: types.ModuleType(name) for name in names}
    kinds = []
    for name in ("WarmupCosineScheduler", "CosineWDSchedule"):
        kind = type(name, (), {"__module__": names[-1], "__init__": _keep})
        setattr(modules[names[-1]], name, kind)
        kinds.append(kind)
    sys.modules.update(modules)
    try:
        yield kinds[0], kinds[1]
    finally:
        for name in names:
            del sys.modules[name]


def _keep(self: object, optimiser: torch.optim.Optimizer) -> None:
    self.optimizer = optimiser
    self.step = 3.0
