# SPDX-License-Identifier: Apache-2.0
"""V-JEPA: predict the features of what is hidden in a clip (Bardes et al., 2024; Higuera et al.,
2024).

Blocks are hidden through the whole clip, eight small ones or two large ones; the encoder sees the
rest, and a predictor, with a mask token for each kind, guesses what the teacher, who sees
everything, makes of the hidden part.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from sparsh_ros.errors import ModelError
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.loop.recipe import Draw, Losses, Recipe, follow
from sparsh_ros.training.recipes import masks, parts

MASKS = ((8, 0.15), (2, 0.7))  # blocks, share of the image that each hides
ASPECT = (0.75, 1.5)
TRIES = 50
PREDICTOR = (384, 12, 12)  # width, blocks, attention heads
LIGHT_PREDICTOR = (64, 2, 4)
MOMENTUM = (0.997, 1.0)


def prediction_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """L1, the mean over everything, of (B, M, D) tokens each."""
    return (found.float() - wanted).abs().mean()


def seen_and_hidden(
    rng: np.random.Generator, grid: masks.Grid, count: int, size: tuple[int, int]
) -> tuple[masks.Places, masks.Places]:
    """Patches outside and inside ``count`` blocks; drawn again, up to `TRIES` times, while nothing
    is left outside, and at last with a single block."""
    whole = np.arange(grid[0] * grid[1])
    for tried in range(TRIES + 1):
        hidden = np.unique(masks.blocks(rng, 1, 1 if tried == TRIES else count, grid, size))
        if len(hidden) < len(whole):
            break
    return np.setdiff1d(whole, hidden), hidden


class VJepa(Recipe):
    """Encoder of clips, teacher and predictor."""

    name = "vjepa"
    peak_rate = 6.25e-4
    start_rate = 2e-4
    warm_up = 0.2  # 40 of 200 epochs
    momentum = MOMENTUM

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        if encoder.config.tubelet is None:
            raise ModelError("vjepa: wanted an encoder of clips, found one of frame pairs")
        sizes = LIGHT_PREDICTOR if parts.is_light(encoder) else PREDICTOR
        self.encoder = encoder
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        self.predictor = parts.Predictor(encoder, *sizes, masks=len(MASKS), mask_std=0.0)
        if parts.is_light(encoder):
            self.peak_rate, self.start_rate = parts.LIGHT_RATE, 0.1 * parts.LIGHT_RATE
            self.momentum = (parts.LIGHT_MOMENTUM, 1.0)

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """`seen0`, `hidden0`, `seen1`, `hidden1`: (B, K) each, one pair for each kind of mask."""
        times, *grid = self.encoder.grid
        grid = tuple(grid)
        draw = {}
        for kind, (count, area) in enumerate(MASKS):
            size = masks.block_size(rng, grid, (area, area), ASPECT)
            drawn = [seen_and_hidden(rng, grid, count, size) for _ in range(batch)]
            for name, rows in zip(("seen", "hidden"), zip(*drawn, strict=True), strict=True):
                places = masks.over_time(masks.shortest(list(rows), rng), grid, times)
                draw[f"{name}{kind}"] = torch.from_numpy(places)
        return draw

    def forward(self, clips: Tensor, draw: Draw, share: float) -> Losses:
        patches = parts.read_clips(clips, self.encoder)
        kinds = range(len(MASKS))
        hidden = torch.cat([draw[f"hidden{kind}"] for kind in kinds], dim=1)
        wanted = parts.wanted_tokens(self.teacher, patches, hidden)
        wanted = wanted.split([draw[f"hidden{kind}"].shape[1] for kind in kinds], dim=1)
        losses = []
        for kind in kinds:
            seen = draw[f"seen{kind}"]
            tokens = self.encoder.forward_patches(masks.take(patches, seen), seen)
            found = self.predictor(tokens, seen, draw[f"hidden{kind}"], kind)
            losses.append(prediction_loss(found, wanted[kind]))
        return {"loss": torch.stack(losses).mean()}

    def after_step(self, share: float) -> None:
        first, last = self.momentum
        follow(self.teacher, self.encoder, first + (last - first) * share)

    def exported(self) -> VisionTransformer:
        return self.teacher
