# SPDX-License-Identifier: Apache-2.0
"""I-JEPA: predict the features of hidden blocks (Assran et al., 2023; Higuera et al., 2024).

The encoder sees one large block without four small ones; from its tokens a predictor guesses what
the teacher, who sees everything, makes of each small block. No pixels and no views.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.loop.recipe import Draw, Losses, Recipe, follow
from sparsh_ros.training.recipes.masks import (
    Grid,
    Places,
    block_size,
    blocks,
    place_block,
    shortest,
    take,
)
from sparsh_ros.training.recipes.parts import (
    LIGHT_MOMENTUM,
    LIGHT_RATE,
    Predictor,
    is_light,
    read_clips,
    wanted_tokens,
)

CONTEXT_AREA = (0.85, 1.0)
TARGETS, TARGET_AREA, TARGET_ASPECT = 4, (0.15, 0.2), (0.75, 1.5)
LEAST_CONTEXT = 10  # patches
TRIES = 50
PREDICTOR = (192, 6, 12)  # width, blocks, attention heads
LIGHT_PREDICTOR = (64, 2, 4)
MOMENTUM = (0.996, 1.0)


def prediction_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Smooth L1 (beta 1), the mean over everything, of (B, M, D) tokens each."""
    return F.smooth_l1_loss(found.float(), wanted)


def context_and_targets(
    rng: np.random.Generator, grid: Grid, context: tuple[int, int], target: tuple[int, int]
) -> tuple[Places, Places]:
    """A context block minus the target blocks, and the (4, M) target blocks of one image; drawn
    again, up to `TRIES` times, until `LEAST_CONTEXT` patches are left."""
    best: tuple[Places, Places] = (np.empty(0, np.int64), np.empty(0, np.int64))
    for _ in range(TRIES):
        targets = blocks(rng, 1, TARGETS, grid, target)[0]
        left = np.setdiff1d(place_block(rng, grid, context), targets)
        if len(left) > len(best[0]):
            best = left, targets
        if len(left) >= LEAST_CONTEXT:
            break
    return best


class IJepa(Recipe):
    """Encoder, teacher and predictor."""

    name = "ijepa"
    peak_rate = 1e-3
    start_rate = 2e-4
    momentum = MOMENTUM

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.encoder = encoder
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        self.predictor = Predictor(encoder, *(LIGHT_PREDICTOR if is_light(encoder) else PREDICTOR))
        if is_light(encoder):
            self.peak_rate, self.start_rate = LIGHT_RATE, 0.1 * LIGHT_RATE
            self.momentum = (LIGHT_MOMENTUM, 1.0)

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """`context` (B, K) and `targets` (B, 4, M)."""
        grid = self.encoder.grid
        context = block_size(rng, grid, CONTEXT_AREA)
        target = block_size(rng, grid, TARGET_AREA, TARGET_ASPECT)
        drawn = [context_and_targets(rng, grid, context, target) for _ in range(batch)]
        contexts, targets = zip(*drawn, strict=True)
        return {
            "context": torch.from_numpy(shortest(list(contexts), rng)),
            "targets": torch.from_numpy(np.stack(targets)),
        }

    def forward(self, clips: Tensor, draw: Draw, share: float) -> Losses:
        context, targets = draw["context"], draw["targets"]
        patches = read_clips(clips, self.encoder)
        wanted = wanted_tokens(self.teacher, patches, targets.flatten(1))
        tokens = self.encoder.forward_patches(take(patches, context), context)
        found = self.predictor(  # each target by itself, all in one batch
            tokens.repeat_interleave(TARGETS, dim=0),
            context.repeat_interleave(TARGETS, dim=0),
            targets.flatten(0, 1),
        )
        return {"loss": prediction_loss(found, wanted.reshape(found.shape))}

    def after_step(self, share: float) -> None:
        first, last = self.momentum
        follow(self.teacher, self.encoder, first + (last - first) * share)

    def exported(self) -> VisionTransformer:
        return self.teacher
