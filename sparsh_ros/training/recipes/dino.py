# SPDX-License-Identifier: Apache-2.0
"""DINO: self-distillation without labels (Caron et al., 2021; Higuera et al., 2024).

A view is a square block of the patches of one frame pair: two large ones, which the teacher sees
too, and eight small ones. From every view the student predicts what the teacher makes of the large
ones, as a distribution over prototypes; the class of a view is the encoder's first register. The
teacher follows the student slowly, and its answers are centred and sharpened, which keeps both from
saying the same about everything.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from sparsh_ros.errors import ModelError
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.loop import processes
from sparsh_ros.training.loop.recipe import Draw, Losses, Recipe, follow
from sparsh_ros.training.recipes.masks import block_size, blocks, take
from sparsh_ros.training.recipes.parts import (
    LIGHT_MOMENTUM,
    LIGHT_RATE,
    ProjectionHead,
    is_light,
    read_clips,
)

HEAD = (2048, 256, 65536)  # hidden units, bottleneck, prototypes
LIGHT_HEAD = (256, 64, 256)
GLOBAL_BLOCKS, GLOBAL_AREA = 2, (0.48, 1.0)
LOCAL_BLOCKS, LOCAL_AREA = 8, (0.1, 0.48)
STUDENT_TEMPERATURE = 0.1
TEACHER_TEMPERATURE, TEMPERATURE_WARM_UP = (0.04, 0.07), 0.05  # 10 of 200 epochs
CENTRE_MOMENTUM = 0.9
MOMENTUM = 0.998


def distillation_loss(student: Tensor, teacher: Tensor, centre: Tensor, sharpness: float) -> Tensor:
    """Cross-entropies of all student views with all teacher views, summed, the mean over the batch.

    Args:
        student: (B, S, K) logits.
        teacher: (B, T, K) logits; no gradient.
        centre: (K,) what is taken from the teacher's logits.
        sharpness: The teacher's temperature.
    """
    wanted = ((teacher.detach().float() - centre) / sharpness).softmax(dim=-1)
    found = (student.float() / STUDENT_TEMPERATURE).log_softmax(dim=-1)
    return -(wanted.sum(dim=1) * found.sum(dim=1)).sum(dim=-1).mean()


def moved_centre(centre: Tensor, teacher: Tensor) -> Tensor:
    """The centre after a batch of teacher logits (..., K), the mean over all processes."""
    mean = processes.mean(teacher.float().flatten(0, -2).mean(dim=0))
    return CENTRE_MOMENTUM * centre + (1.0 - CENTRE_MOMENTUM) * mean


def ramp(share: float, values: tuple[float, float], end: float) -> float:
    """Linear from the first value at 0 to the second at ``end`` and after."""
    return values[0] + (values[1] - values[0]) * min(share / end, 1.0)


class Dino(Recipe):
    """Student, teacher, and what the teacher's answers are centred by."""

    name = "dino"
    areas = (GLOBAL_AREA, LOCAL_AREA)
    momentum = MOMENTUM

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        if not encoder.config.registers:
            raise ModelError(f"{self.name}: wanted an encoder with a register, found one without")
        sizes = LIGHT_HEAD if is_light(encoder) else HEAD
        if is_light(encoder):
            self.peak_rate, self.start_rate = LIGHT_RATE, 0.1 * LIGHT_RATE
            self.momentum = LIGHT_MOMENTUM
        self.student = encoder
        self.student_head = ProjectionHead(encoder.config.embed_dim, *sizes)
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        self.teacher_head = copy.deepcopy(self.student_head).requires_grad_(False)
        self.register_buffer("centre", torch.zeros(sizes[-1]))

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """Blocks of patches: `globals` (B, 2, K) and `locals` (B, 8, L)."""
        grid = self.student.grid
        large, small = (block_size(rng, grid, area) for area in self.areas)
        return {
            "globals": torch.from_numpy(blocks(rng, batch, GLOBAL_BLOCKS, grid, large)),
            "locals": torch.from_numpy(blocks(rng, batch, LOCAL_BLOCKS, grid, small)),
        }

    def forward(self, clips: Tensor, draw: Draw, share: float) -> Losses:
        patches = read_clips(clips, self.student)
        sharpness = ramp(share, TEACHER_TEMPERATURE, TEMPERATURE_WARM_UP)
        with torch.no_grad():
            seen = see(self.teacher, patches, draw["globals"])[0]
            wanted = self.teacher_head(seen)
        views = [see(self.student, patches, draw[name])[0] for name in ("globals", "locals")]
        found = self.student_head(torch.cat(views, dim=1))
        loss = distillation_loss(found, wanted, self.centre, sharpness)
        if self.training:
            self.centre = moved_centre(self.centre, wanted)
        return {"loss": loss}

    def after_step(self, share: float) -> None:
        follow(self.teacher, self.student, self.momentum)
        follow(self.teacher_head, self.student_head, self.momentum)

    def exported(self) -> VisionTransformer:
        return self.teacher


def see(encoder: VisionTransformer, patches: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
    """Class (B, V, D) and patch tokens (B, V, K, D) of views (B, V, K) of patches (B, N, P)."""
    batch, count, _ = views.shape
    seen = take(patches, views.flatten(1)).reshape(batch * count, -1, patches.shape[-1])
    registers, tokens = encoder.forward_registers(seen, views.flatten(0, 1))
    return registers[:, 0].unflatten(0, (batch, count)), tokens.unflatten(0, (batch, count))
