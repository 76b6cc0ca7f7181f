# SPDX-License-Identifier: Apache-2.0
"""What several recipes share: the predictor of the joint-embedding methods, projection heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.layers import (
    INIT_STD,
    Block,
    SinusoidalPositions,
    initialise_linear_layers,
    shrink_residual_branch,
)
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.patches import cut_clips, scale_patches
from sparsh_ros.training.recipes.masks import take

PAPER_WIDTH = 384
"""Encoders this wide or wider get the heads and constants of the paper. Narrower ones are made for
a CPU and some hundred steps: their heads are lighter, their teachers follow faster."""
LIGHT_RATE = 1e-3
LIGHT_MOMENTUM = 0.98


def is_light(encoder: VisionTransformer) -> bool:
    """Whether an encoder is narrower than the paper's."""
    return encoder.config.embed_dim < PAPER_WIDTH


def read_clips(clips: Tensor, encoder: VisionTransformer) -> Tensor:
    """(B, T, H, W, 3) uint8 -> (B, N, P) scaled patches, as the encoder is trained on."""
    return scale_patches(cut_clips(clips, encoder.config.patch_size, encoder.config.tubelet))


class Predictor(nn.Module):
    """Predicts tokens that were not seen from those that were (Assran et al., "I-JEPA", 2023).

    Args:
        encoder: Whose tokens are predicted.
        width, depth, heads: Of the predictor's transformer.
        masks: How many learned mask tokens there are.
        mask_std: Standard deviation of their first values.
    """

    def __init__(
        self,
        encoder: VisionTransformer,
        width: int,
        depth: int,
        heads: int,
        masks: int = 1,
        mask_std: float = INIT_STD,
    ) -> None:
        super().__init__()
        tokens = encoder.config.embed_dim
        self.embed = nn.Linear(tokens, width)
        self.mask_tokens = nn.Parameter(torch.randn(masks, width) * mask_std)
        self.positions = SinusoidalPositions(encoder.grid, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, tokens)
        initialise_linear_layers(self)
        for layer, block in enumerate(self.blocks, start=1):
            shrink_residual_branch(block.attn.proj, block.mlp.fc2, layer)

    def forward(self, tokens: Tensor, seen: Tensor, wanted: Tensor, mask: int = 0) -> Tensor:
        """Tokens (B, K, D) at places ``seen`` (B, K) -> (B, M, D) at places ``wanted`` (B, M)."""
        table = self.positions()[0]
        masks = self.mask_tokens[mask] + table[wanted]
        x = torch.cat([self.embed(tokens) + table[seen], masks], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.project(self.norm(x[:, seen.shape[1] :]))


@torch.no_grad()
def wanted_tokens(teacher: VisionTransformer, patches: Tensor, places: Tensor) -> Tensor:
    """What the teacher makes of the whole image, at some places, each token normalised: (B, M, D)
    float32."""
    tokens = teacher.forward_patches(patches).float()
    return take(F.layer_norm(tokens, tokens.shape[-1:]), places)


class ProjectionHead(nn.Module):
    """Three layers, unit length, then likeness to prototypes of unit length (Caron et al., "DINO",
    2021): (..., D) -> (..., K) logits."""

    def __init__(self, inputs: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        initialise_linear_layers(self)
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck) * INIT_STD)

    def forward(self, tokens: Tensor) -> Tensor:
        unit = F.normalize(self.layers(tokens), dim=-1)
        return F.linear(unit, F.normalize(self.prototypes, dim=-1))
