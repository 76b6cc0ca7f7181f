# SPDX-License-Identifier: Apache-2.0
"""The Sparsh image encoder: a pre-norm Vision Transformer over a pair of touch images.

Two RGB frames stacked to six channels go in, one normalised token per 16 x 16 patch comes out.
The architecture is that of Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021), with
LayerScale (Touvron et al., 2021), register tokens (Darcet et al., 2024) and fixed sinusoidal
positions. Parameter names are those of the published Sparsh weights (Higuera et al., 2024,
arXiv:2410.24090), so that a checkpoint loads without renaming.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from sparsh_ros.models.zoo import ModelSpec

ENCODER_NORM_EPS = 1e-6  # the attentive pooler uses torch's 1e-5
INIT_STD = 0.02


class PatchEmbed(nn.Module):
    """Cut an image into patches and project each one: (B, C, H, W) -> (B, N, D), row-major."""

    def __init__(self, in_channels: int, width: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class SinusoidalPositions(nn.Module):
    """Sine and cosine of the patch indices, one block of channels per grid axis.

    With n axes and K = ceil(D / 2n), axis a contributes [sin(p_a w_k), cos(p_a w_k)] for
    w_k = 10000^(-k / K); the blocks are joined and cut to D channels (Vaswani et al., 2017,
    section 3.5, in several dimensions).
    """

    frequency_bands: Tensor
    table: Tensor

    def __init__(self, grid: tuple[int, ...], width: int) -> None:
        super().__init__()
        count = math.ceil(width / (2 * len(grid)))
        exponents = torch.linspace(0.0, 1.0, count + 1)[:-1]
        bands = (10000.0**-exponents).repeat(len(grid), 1)
        self.register_buffer("frequency_bands", bands)  # part of published state dicts
        self.register_buffer("table", self._tabulate(grid, width), persistent=False)

    def _tabulate(self, grid: tuple[int, ...], width: int) -> Tensor:
        axes = [torch.arange(length, dtype=torch.float32) for length in grid]
        indices = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)
        angles = indices[:, :, None] * self.frequency_bands  # (N, n, K)
        blocks = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return blocks.flatten(1)[None, :, :width]

    def forward(self) -> Tensor:
        """Return the position embedding, (1, N, D) float32."""
        return self.table


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V for (B, heads, N, d) each."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # Training on a CPU: plain products take a quarter of the time of torch's fused kernel.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value)


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection, rows ordered [q | k | v]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, N, D / heads)
        mixed = attend(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Mlp(nn.Module):
    """Linear, exact GELU, Linear: (..., D) -> (..., D) through ``4 D`` hidden units."""

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A learned gain per channel on a residual branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block: attention, then MLP, each scaled and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=ENCODER_NORM_EPS)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=ENCODER_NORM_EPS)
        self.mlp = Mlp(width)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """Touch encoder: image pairs in [0, 1] to normalised patch tokens.

    Args:
        width: Channels D of a token; a multiple of ``heads``.
        depth: Number of transformer blocks.
        heads: Attention heads.
        image_size: Height and width in pixels, multiples of ``patch_size``.
        patch_size: Side of a square patch in pixels.
        in_channels: 6 for a pair of RGB frames, current frame first.
        registers: Extra learned tokens that attend with the patches and are dropped at the end.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        image_size: tuple[int, int] = (320, 240),
        patch_size: int = 16,
        in_channels: int = 6,
        registers: int = 1,
    ) -> None:
        super().__init__()
        self.registers = registers
        self.grid = (image_size[0] // patch_size, image_size[1] // patch_size)
        if registers:
            self.register_tokens = nn.Parameter(torch.empty(1, registers, width))
        self.patch_embed = PatchEmbed(in_channels, width, patch_size)
        self.pos_embed = SinusoidalPositions(self.grid, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=ENCODER_NORM_EPS)
        self._initialise()

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> VisionTransformer:
        """Build the encoder that a model's spec describes, with fresh weights."""
        return cls(
            width=spec.width,
            depth=spec.depth,
            heads=spec.attention_heads,
            image_size=(spec.image_height, spec.image_width),
            patch_size=spec.patch_size,
            in_channels=spec.in_channels,
            registers=spec.registers,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode (B, C, H, W) float images in [0, 1] to patch tokens (B, N, D), row-major."""
        return self._transform(self._embed(images))

    def forward_patches(self, patches: Tensor, positions: Tensor | None = None) -> Tensor:
        """Encode patches that are already cut, all or, as masked autoencoders do (He et al.,
        2022), only the visible ones.

        Args:
            patches: (B, K, P) float pixels in [0, 1], each patch flattened as (channel, row,
                column).
            positions: (B, K) int64 place of each patch, row-major, in [0, N); None means that all
                N patches are there, in order.

        Returns:
            (B, K, D) tokens in the order of ``patches``.
        """
        projection = self.patch_embed.proj
        tokens = F.linear(patches, projection.weight.flatten(1), projection.bias)
        table = self.pos_embed()
        return self._transform(tokens + (table if positions is None else table[0][positions]))

    def _embed(self, images: Tensor) -> Tensor:
        return self.patch_embed(images) + self.pos_embed()

    def _transform(self, x: Tensor) -> Tensor:
        if self.registers:  # they carry no position, so they join after it was added
            x = torch.cat([self.register_tokens.expand(x.shape[0], -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, self.registers :])

    @torch.no_grad()
    def _initialise(self) -> None:
        initialise_linear_layers(self)
        if self.registers:
            nn.init.normal_(self.register_tokens, std=1e-6)
        for layer, block in enumerate(self.blocks, start=1):
            shrink_residual_branch(block.attn.proj, block.mlp.fc2, layer)


@torch.no_grad()
def initialise_linear_layers(module: nn.Module) -> None:
    """Draw every linear layer's weight from a normal truncated at +-2, std 0.02; zero its bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=INIT_STD)
            nn.init.zeros_(layer.bias)


@torch.no_grad()
def shrink_residual_branch(attention_out: nn.Linear, mlp_out: nn.Linear, layer: int) -> None:
    """Divide the last weights of layer l's two branches by sqrt(2 l): the residual sum of a deep
    stack then starts with bounded variance (Bao et al., "BEiT", 2022)."""
    for linear in (attention_out, mlp_out):
        linear.weight.div_(math.sqrt(2.0 * layer))
