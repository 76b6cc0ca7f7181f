# SPDX-License-Identifier: Apache-2.0
"""The vision tower of CLIP (Radford et al., 2021), whose class and patches meet sensor tokens.

Pre-norm transformer blocks with exact GELU, a norm before the first block and one after the last.
Parameter names are those of the published AnyTouch weights, down to `pre_layrnorm`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.models.layers import INIT_STD, Mlp, attend

NORM_EPS = 1e-5


class SelfAttention(nn.Module):
    """Multi-head self-attention with a projection each for queries, keys and values."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, embed_dim = x.shape
        sizes = (batch, tokens, self.num_heads, embed_dim // self.num_heads)
        projections = (self.q_proj, self.k_proj, self.v_proj)
        query, key, value = (part(x).reshape(sizes).transpose(1, 2) for part in projections)
        mixed = attend(query, key, value).transpose(1, 2)
        return self.out_proj(mixed.reshape(batch, tokens, embed_dim))


class Layer(nn.Module):
    """Attention, then a perceptron, each on normalised tokens and added to its input."""

    def __init__(self, config: AnyTouchConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.embed_dim, config.num_heads)
        self.layer_norm1 = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.mlp = Mlp(config.embed_dim, config.mlp_dim)
        self.layer_norm2 = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Layers(nn.Module):
    """All blocks."""

    def __init__(self, config: AnyTouchConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Embeddings(nn.Module):
    """Clips to patches with positions, and the class token in front of them.

    The kernel of AnyTouch is (D, T, 3, p, p): its frames lie along the axis where a convolution has
    its channels, so each token sees all frames at once. That of AnyTouch 2 is (D, 3, t, p, p).
    """

    def __init__(self, config: AnyTouchConfig) -> None:
        super().__init__()
        self.tubelet = config.tubelet
        size = (config.patch_size, config.patch_size)
        channels, depth = (config.frames, 3) if self.tubelet is None else (3, self.tubelet)
        self.class_embedding = nn.Parameter(torch.empty(config.embed_dim))
        self.patch_embedding = nn.Conv3d(
            channels, config.embed_dim, (depth, *size), (depth, *size), bias=False
        )
        self.position_embedding = nn.Embedding(config.patches + 1, config.embed_dim)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised clips (B, T, 3, H, W) -> class token (D,), and patches (B, N, D)."""
        clips = clips if self.tubelet is None else clips.transpose(1, 2)
        patches = self.patch_embedding(clips).flatten(2).transpose(1, 2)
        positions = self.position_embedding.weight
        return self.class_embedding + positions[0], patches + positions[1:]


class VisionTower(nn.Module):
    """Patches, sensor tokens and class through all blocks."""

    def __init__(self, config: AnyTouchConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.encoder = Layers(config)
        self.post_layernorm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        nn.init.normal_(self.embeddings.class_embedding, std=INIT_STD)
        nn.init.normal_(self.embeddings.position_embedding.weight, std=INIT_STD)

    def forward(self, clips: Tensor, sensor_tokens: Tensor, seen: Tensor | None = None) -> Tensor:
        """Encode normalised clips.

        Args:
            clips: (B, T, 3, H, W) floats.
            sensor_tokens: (B, S, D).
            seen: (B, K) int64 places of the patches that are encoded; None encodes all N.

        Returns:
            (B, 1 + S + N, D), or with K in place of N, as the last block left them: class, sensor,
            patches row by row.
        """
        first, patches = self.embeddings(clips)
        if seen is not None:
            patches = patches.take_along_dim(seen[..., None], dim=1)
        first = first.expand(clips.shape[0], 1, -1)
        return self.encoder(self.pre_layrnorm(torch.cat([first, sensor_tokens, patches], dim=1)))
