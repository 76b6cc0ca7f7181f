# SPDX-License-Identifier: Apache-2.0
"""Masked autoencoder (He et al., 2022; Higuera et al., 2024, section 3.1).

Three quarters of the patches of a frame pair are hidden; the encoder sees the rest, and a decoder
predicts the pixels of the hidden patches from its tokens. The loss is the mean squared error of
plain pixels, not normalised per patch; times a constant, since patches are scaled (`patches`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.models.layers import INIT_STD, Block, initialise_linear_layers
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.loop.recipe import Draw, Losses, Recipe
from sparsh_ros.training.patches import join_clips, unscale_patches
from sparsh_ros.training.recipes.masks import random_subset, take
from sparsh_ros.training.recipes.parts import LIGHT_RATE, is_light, read_clips

HIDDEN = 0.75
DECODER = (512, 8, 16)  # width, blocks, attention heads
LIGHT_DECODER = (64, 2, 1)
RATES = (1e-4, 1e-5)  # learning rate at its peak and at the start
INK = 3.0  # contrast of the picture


def reconstruction_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of the hidden patches, (B, M, P) each."""
    return (found.float() - wanted).square().mean()


class MaskedAutoencoder(Recipe):
    """The encoder with a decoder that predicts hidden patches."""

    name = "mae"
    betas = (0.9, 0.95)

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        light = is_light(encoder)
        width, depth, heads = LIGHT_DECODER if light else DECODER
        self.peak_rate, self.start_rate = (LIGHT_RATE, 0.1 * LIGHT_RATE) if light else RATES
        config = encoder.config
        self.encoder = encoder
        self.embed = nn.Linear(config.embed_dim, width)
        self.mask_token = nn.Parameter(torch.randn(width) * INIT_STD)
        self.positions = nn.Parameter(torch.randn(config.tokens, width) * INIT_STD)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.pixels = nn.Linear(width, encoder.patch_embed.proj.weight[0].numel())
        for module in (self.embed, self.blocks, self.pixels):
            initialise_linear_layers(module)

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """Hide three quarters of the patches at random."""
        tokens = self.encoder.config.tokens
        seen = round((1.0 - HIDDEN) * tokens)
        order = torch.from_numpy(random_subset(rng, batch, tokens, seen))
        return {"seen": order[:, :seen], "hidden": order[:, seen:]}

    def forward(self, clips: Tensor, draw: Draw, share: float) -> Losses:
        patches = read_clips(clips, self.encoder)
        found = self.predict(patches, draw)
        return {"loss": reconstruction_loss(found, take(patches, draw["hidden"]))}

    def predict(self, patches: Tensor, draw: Draw) -> Tensor:
        """The hidden patches (B, M, P) from the seen ones of (B, N, P)."""
        seen, hidden = draw["seen"], draw["hidden"]
        tokens = self.embed(self.encoder.forward_patches(take(patches, seen), seen))
        masks = self.mask_token + self.positions[hidden]
        x = torch.cat([tokens + self.positions[seen], masks], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.pixels(self.norm(x[:, seen.shape[1] :]))

    def exported(self) -> VisionTransformer:
        return self.encoder

    def picture(self, clips: Tensor, draw: Draw) -> NDArray[np.uint8] | None:
        """The newest frames: truth, what the encoder sees, reconstruction; with more contrast."""
        config = self.encoder.config
        if config.tubelet is not None:
            return None
        patches = read_clips(clips, self.encoder)
        images = torch.arange(len(clips), device=clips.device)[:, None]
        seen, guess = patches.clone(), patches.clone()
        seen[images, draw["hidden"]] = 0.0
        guess[images, draw["hidden"]] = self.predict(patches, draw).float()
        shape = (clips.shape[1], *config.image_size)
        rows = [
            join_clips(unscale_patches(part), shape, config.patch_size)[:, 0]
            for part in (patches, seen, guess)
        ]
        picture = torch.cat(rows, dim=2).flatten(0, 1).cpu().numpy().astype(np.float32)
        return np.clip((picture - 127.0) * INK + 127.0, 0.0, 255.0).astype(np.uint8)
