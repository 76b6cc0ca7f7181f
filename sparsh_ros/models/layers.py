# SPDX-License-Identifier: Apache-2.0
"""Parts of the encoders: patches, positions, transformer blocks, and how they are initialised.

Parameter names are those of the published Sparsh weights.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ENCODER_NORM_EPS = 1e-6  # the attentive pooler uses torch's 1e-5
INIT_STD = 0.02


class PatchEmbed(nn.Module):
    """Cut an image or a clip into patches and project each one to a token.

    (B, C, H, W) -> (B, N, D), row-major; with ``tubelet``, (B, C, T, H, W) -> (B, N, D), time
    first.
    """

    def __init__(
        self, in_channels: int, embed_dim: int, patch_size: int, tubelet: int | None = None
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d if tubelet is None else nn.Conv3d
        kernel = (*([] if tubelet is None else [tubelet]), patch_size, patch_size)
        self.proj = convolution(in_channels, embed_dim, kernel_size=kernel, stride=kernel)

    def forward(self, images: Tensor) -> Tensor:
        weight = self.proj.weight
        reduced = weight.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
        if images.device.type == "cpu" and reduced:
            # The convolution of torch 2.13 is wrong there on processors with AMX, for patches of an
            # even number of channels; as a product it is right.
            patches = cut_patches(images, self.proj.kernel_size)
            return F.linear(patches, weight.flatten(1), self.proj.bias)
        return self.proj(images).flatten(2).transpose(1, 2)


def cut_patches(images: Tensor, kernel: tuple[int, ...]) -> Tensor:
    """Cut (B, C, S...) into pieces of the kernel's shape: (B, N, C * product of the kernel)."""
    batch, channels, *extent = images.shape
    axes = len(kernel)
    split = [
        side for size, width in zip(extent, kernel, strict=True) for side in (size // width, width)
    ]
    order = [0, *range(2, 2 + 2 * axes, 2), 1, *range(3, 3 + 2 * axes, 2)]
    pieces = images.reshape(batch, channels, *split).permute(order)
    return pieces.flatten(1 + axes).flatten(1, axes)


class SinusoidalPositions(nn.Module):
    """Sine and cosine of the patch indices, one block of channels per grid axis.

    With n axes and K = ceil(D / 2n), axis a contributes [sin(p_a w_k), cos(p_a w_k)] for
    w_k = 10000^(-k / K); the blocks are joined and cut to D channels (Vaswani et al., 2017,
    section 3.5, in several dimensions).
    """

    frequency_bands: Tensor
    table: Tensor

    def __init__(self, grid: tuple[int, ...], embed_dim: int) -> None:
        super().__init__()
        count = math.ceil(embed_dim / (2 * len(grid)))
        exponents = torch.linspace(0.0, 1.0, count + 1)[:-1]
        bands = (10000.0**-exponents).repeat(len(grid), 1)
        self._grid, self._width = grid, embed_dim
        self.register_buffer("frequency_bands", bands)  # part of published state dicts
        self.register_buffer("table", self._tabulate(), persistent=False)
        self.register_load_state_dict_post_hook(_tabulate_again)

    def _tabulate(self) -> Tensor:
        axes = [
            torch.arange(length, dtype=torch.float32, device=self.frequency_bands.device)
            for length in self._grid
        ]
        indices = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)
        angles = indices[:, :, None] * self.frequency_bands.float()  # (N, n, K)
        blocks = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return blocks.flatten(1)[None, :, : self._width].to(self.frequency_bands.dtype)

    def forward(self) -> Tensor:
        """Return the position embedding, (1, N, D) float32."""
        return self.table


def _tabulate_again(positions: SinusoidalPositions, _: Any) -> None:
    """The table follows the frequencies that were loaded."""
    positions.table = positions._tabulate()


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V for (B, num_heads, N, d) each."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # Training on a CPU: plain products take a quarter of the time of torch's fused kernel.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value)


class Attention(nn.Module):
    """Multi-head self-attention, (B, N, D) -> same; one fused projection, rows [q | k | v]."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, embed_dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, embed_dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(
            0
        )  # each (B, num_heads, N, D / num_heads)
        mixed = attend(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, embed_dim))


class Mlp(nn.Module):
    """Linear, exact GELU, Linear: (..., D) -> (..., D) through ``hidden`` units, else 4 D."""

    def __init__(self, embed_dim: int, hidden: int | None = None) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden or 4 * embed_dim)
        self.fc2 = nn.Linear(hidden or 4 * embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A learned gain per channel on a residual branch."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(embed_dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm block, (B, N, D) -> same: attention, then MLP, each scaled and added."""

    def __init__(
        self, embed_dim: int, num_heads: int, mlp_dim: int | None = None, layer_scale: bool = True
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=ENCODER_NORM_EPS)
        self.attn = Attention(embed_dim, num_heads)
        self.ls1 = LayerScale(embed_dim) if layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(embed_dim, eps=ENCODER_NORM_EPS)
        self.mlp = Mlp(embed_dim, mlp_dim)
        self.ls2 = LayerScale(embed_dim) if layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


@torch.no_grad()
def initialise_linear_layers(module: nn.Module) -> None:
    """Draw every linear layer's weight from a normal truncated at +-2, std 0.02; zero its bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=INIT_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def initialise_by_width(module: nn.Module) -> None:
    """Draw every linear layer's weight so that it keeps its input's variance at any width (Glorot
    and Bengio, 2010), and zero its bias.

    With `INIT_STD`, which suits about 1,000 channels, what a block adds to a token of 64 channels
    is a thousandth of it: a class token would not see the image.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@torch.no_grad()
def shrink_residual_branch(attention_out: nn.Linear, mlp_out: nn.Linear, layer: int) -> None:
    """Divide the last weights of layer l's two branches by sqrt(2 l): the residual sum of a deep
    stack then starts with bounded variance (Bao et al., "BEiT", 2022)."""
    for linear in (attention_out, mlp_out):
        linear.weight.div_(math.sqrt(2.0 * layer))
