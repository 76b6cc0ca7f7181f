# SPDX-License-Identifier: Apache-2.0
"""AnyTouch with the decoder of its first stage; parameter names are those of its checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.anytouch.encoder import AnyTouch
from sparsh_ros.models.anytouch.tower import VisionTower
from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.models.layers import (
    INIT_STD,
    SinusoidalPositions,
    attend,
    initialise_by_width,
)

CLIP_FRAMES = 4
"""Frames that the decoder predicts of a clip: those that were encoded, and the next one."""
HEAD_WIDTH = 32  # 16 attention heads at the published width of 512
_NORM_EPS = 1e-12


@torch.no_grad()
def start_tower(tower: VisionTower, config: AnyTouchConfig) -> None:
    """Begin without CLIP: kernels of any size keep the variance of pixels, and patches are told
    apart by sines and cosines, which their small random positions would not do."""
    kernel = tower.embeddings.patch_embedding.weight
    nn.init.xavier_uniform_(kernel.view(len(kernel), -1))
    grid = tuple(side // config.patch_size for side in config.image_size)
    places = SinusoidalPositions(grid, config.embed_dim).table[0]
    tower.embeddings.position_embedding.weight[1:] = places


class _Projections(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x)


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = _Projections(width)
        self.output = _Dense(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.attention.query(x), self.attention.key(x), self.attention.value(x)
        heads = (part.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2) for part in parts)
        return self.output(attend(*heads).transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    """Pre-norm block (B, N, W) -> same: attention, then a perceptron with exact GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = _Attention(width)
        self.intermediate = _Dense(width, 4 * width)
        self.output = _Dense(4 * width, width)
        self.layernorm_before = nn.LayerNorm(width, eps=_NORM_EPS)
        self.layernorm_after = nn.LayerNorm(width, eps=_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.layernorm_before(x))
        return x + self.output(F.gelu(self.intermediate(self.layernorm_after(x))))


class TouchMae(AnyTouch):
    """The encoder, and a decoder that predicts pixels from what it makes of some patches.

    Args:
        config: Of the encoder.
        width, depth: Of the decoder, 512 and 8 as published; a multiple of `HEAD_WIDTH`.
    """

    def __init__(self, config: AnyTouchConfig, width: int, depth: int) -> None:
        super().__init__(config)
        pixels = 3 * config.patch_size**2
        rows, columns = (side // config.patch_size for side in config.image_size)
        self.mask_token = nn.Parameter(INIT_STD * torch.randn(1, 1, width))
        places = SinusoidalPositions((rows, columns), width).table
        table = torch.cat([torch.zeros(1, 1, width), places], dim=1)  # none for the class
        self.register_buffer("decoder_pos_embed", table)
        self.decoder_embed = nn.Linear(config.projection_dim, width)
        self.touch_decoder_blocks = nn.ModuleList(DecoderLayer(width) for _ in range(depth))
        self.decoder_norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.decoder_pred = nn.Linear(width, pixels)
        self.decoder_pred_video = nn.Linear(width, CLIP_FRAMES * pixels)
        initialise_by_width(self)
        start_tower(self.touch_model, config)

    def predict(self, clips: Tensor, sensor: Tensor, seen: Tensor, video: bool) -> Tensor:
        """Predict all patches from some.

        Args:
            clips: (B, T, 3, H, W) normalised floats, oldest frame first.
            sensor: (B,) int64 slots of the sensors, -1 for the universal one.
            seen: (B, K) int64 places of the patches that are encoded.
            video: Whether to predict `CLIP_FRAMES` frames, oldest first, else the one image.

        Returns:
            (B, N, P), or (B, N, 4 P) frame by frame; a patch is ordered row, column, colour.
        """
        hidden = self.touch_model(clips, self.sensor_token[sensor], seen)
        x = self.decoder_embed(self.touch_projection(hidden))
        first = 1 + self.config.sensor_tokens
        patches = self.mask_token.to(x.dtype).expand(len(x), self.config.patches, -1)
        patches = patches.scatter(1, seen[..., None].expand(-1, -1, x.shape[-1]), x[:, first:])
        x = torch.cat([x[:, :first], patches + self.decoder_pos_embed[:, 1:].to(x.dtype)], dim=1)
        for block in self.touch_decoder_blocks:
            x = block(x)
        head = self.decoder_pred_video if video else self.decoder_pred
        return head(self.decoder_norm(x[:, first:]))
