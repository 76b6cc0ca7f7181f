# SPDX-License-Identifier: Apache-2.0
"""The Sparsh encoders: pre-norm Vision Transformers over a pair or a short clip of touch images.

Two RGB frames stacked to six channels go in, one normalised token per 16 x 16 patch comes out; the
video encoder (Bardes et al., "V-JEPA", 2024) takes a clip and cuts it in time as well. The
architecture is that of Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021), with
LayerScale (Touvron et al., 2021), register tokens (Darcet et al., 2024) and sinusoidal or learned
positions. Parameter names are those of the published Sparsh weights (Higuera et al., 2024,
arXiv:2410.24090), so that a checkpoint loads without renaming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import FrameError, ModelError
from sparsh_ros.models.checkpoints.architecture import EncoderConfig
from sparsh_ros.models.layers import (
    ENCODER_NORM_EPS,
    INIT_STD,
    Block,
    PatchEmbed,
    SinusoidalPositions,
    initialise_linear_layers,
    shrink_residual_branch,
)

if TYPE_CHECKING:
    from sparsh_ros.models.spec import ModelSpec


class VisionTransformer(nn.Module):
    """Touch encoder: image pairs or clips in [0, 1] to normalised patch tokens.

    The arguments are the fields of `EncoderConfig`, which says what they mean.

    Attributes:
        config: The architecture.
        grid: Tokens along (rows, columns), or (time, rows, columns).
    """

    def __init__(self, embed_dim: int, depth: int, num_heads: int, **others: Any) -> None:
        super().__init__()
        self.config = config = EncoderConfig(embed_dim, depth, num_heads, **others)
        self.grid = config.grid
        if config.registers:
            self.register_tokens = nn.Parameter(torch.empty(1, config.registers, embed_dim))
        self.patch_embed = PatchEmbed(
            config.in_channels, embed_dim, config.patch_size, config.tubelet
        )
        if config.learned_positions:
            self.pos_embed = nn.Parameter(torch.empty(1, config.tokens, embed_dim))
        else:
            self.pos_embed = SinusoidalPositions(config.grid, embed_dim)
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, config.mlp_dim, config.layer_scale) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim, eps=ENCODER_NORM_EPS)
        self._initialise()

    @classmethod
    def from_config(cls, config: EncoderConfig) -> VisionTransformer:
        """Build the encoder of that architecture, with fresh weights."""
        return cls(**asdict(config))

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> VisionTransformer:
        """Build the encoder that a model's spec describes, with fresh weights."""
        return cls.from_config(spec.encoder_config)

    def add_zero_registers(self, count: int) -> None:
        """Give an encoder that was trained without registers some that are zero.

        TacBench's configurations did so to the I-JEPA and V-JEPA encoders, so the probes that were
        trained with it know only tokens that have attended to such a register.

        Raises:
            ModelError: The encoder has registers of its own.
        """
        if count < 1 or self.config.registers:
            raise ModelError(
                f"encoder: wanted zero_registers={count} for an encoder without registers, found "
                f"{self.config.registers} trained; leave zero_registers out"
            )
        self.config = replace(self.config, registers=count)
        self.register_tokens = nn.Parameter(
            self.norm.weight.new_zeros(1, count, self.config.embed_dim)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode images to patch tokens.

        Args:
            images: (B, C, H, W) floats in [0, 1], C = 6: the current RGB frame, then the older
                one. For a video encoder (B, 3, T, H, W), newest frame first.

        Returns:
            (B, N, D) tokens after the last norm, time first, then rows, then columns.

        Raises:
            FrameError: The images have another shape.
        """
        return self._transform(self._embed(images))

    def intermediate(self, images: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Outputs of some blocks, as dense decoders read them (Ranftl et al., "DPT", 2021).

        Args:
            images: As for `forward`.
            blocks: Indices of blocks, from 0, ascending.

        Returns:
            One (B, N, D) per index: patch tokens as the block left them, without the last norm.

        Raises:
            FrameError: The images have another shape.
            ModelError: There is no such block.
        """
        wanted = list(blocks)
        if (
            not wanted
            or sorted(set(wanted)) != wanted
            or not 0 <= wanted[0] <= wanted[-1] < len(self.blocks)
        ):
            raise ModelError(
                f"encoder: wanted ascending blocks of 0 to {len(self.blocks) - 1}, found {wanted}"
            )
        x = self._prepend_registers(self._embed(images))
        taken = []
        for index, block in enumerate(self.blocks[: wanted[-1] + 1]):
            x = block(x)
            if index in wanted:
                taken.append(x[:, self.config.registers :])
        return taken

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
        return self.forward_registers(patches, positions)[1]

    def forward_registers(
        self, patches: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode patches as `forward_patches` does; registers (B, R, D) come with the tokens (B, K,
        D), since DINO and DINOv2 read the first register as the class of the image."""
        projection = self.patch_embed.proj
        tokens = F.linear(patches, projection.weight.flatten(1), projection.bias)
        table = self._positions()
        x = tokens + (table if positions is None else table[0][positions])
        x = self.norm(self._through_blocks(x))
        return x[:, : self.config.registers], x[:, self.config.registers :]

    def _positions(self) -> Tensor:
        return self.pos_embed if self.config.learned_positions else self.pos_embed()

    def _embed(self, images: Tensor) -> Tensor:
        wanted = self.config.input_shape
        if images.shape[1:] != wanted:  # a transposed image would get the positions of another
            sizes = ", ".join(map(str, wanted))
            raise FrameError(f"encoder input: wanted (B, {sizes}), found {tuple(images.shape)}")
        return self.patch_embed(images) + self._positions()

    def _prepend_registers(self, x: Tensor) -> Tensor:
        if not self.config.registers:  # they carry no position, so they join after it was added
            return x
        return torch.cat([self.register_tokens.expand(x.shape[0], -1, -1), x], dim=1)

    def _transform(self, x: Tensor) -> Tensor:
        return self.norm(self._through_blocks(x)[:, self.config.registers :])

    def _through_blocks(self, x: Tensor) -> Tensor:
        x = self._prepend_registers(x)
        for block in self.blocks:
            x = block(x)
        return x

    @torch.no_grad()
    def _initialise(self) -> None:
        initialise_linear_layers(self)
        if self.config.registers:
            nn.init.normal_(self.register_tokens, std=1e-6)
        if self.config.learned_positions:
            nn.init.trunc_normal_(self.pos_embed, std=INIT_STD)
        for layer, block in enumerate(self.blocks, start=1):
            shrink_residual_branch(block.attn.proj, block.mlp.fc2, layer)
