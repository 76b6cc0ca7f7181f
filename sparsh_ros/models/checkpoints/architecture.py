# SPDX-License-Identifier: Apache-2.0
"""What an encoder is, told from the names and shapes of its tensors. No torch.

Attention heads leave no trace in the shapes; every Sparsh encoder has one per 64 channels. Image
size and clip length leave one only where positions are learned: their table has one row per token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsh_ros.errors import WeightsError

HEAD_WIDTH = 64
IMAGE_SIZE = (320, 240)  # height and width that the published encoders were trained on
CLIP_FRAMES = 4  # of V-JEPA, the only published video encoder
PATCH_WEIGHT = "patch_embed.proj.weight"

_SIZES = {
    "embed_dim": (1, 1 << 16),
    "depth": (1, 256),
    "patch_size": (1, 1024),
    "in_channels": (1, 1024),
    "tubelet": (1, 1024),
    "registers": (0, 1024),
    "mlp_dim": (1, 1 << 20),
    "learned_tokens": (1, 1 << 16),
}
"""Least and most of what an encoder may have; far more than any that there is."""
_MOST_TOKENS = 1 << 16

Shapes = Mapping[str, tuple[int, ...]]


def height_and_width(size: int | Sequence[int]) -> tuple[int, ...]:
    """The size of an image that may be given as the side of a square."""
    return (size, size) if isinstance(size, int) else tuple(size)


@dataclass(frozen=True)
class EncoderConfig:
    """All that it takes to build a `sparsh_ros.models.vit.VisionTransformer`.

    Attributes:
        embed_dim: Channels D of a token.
        depth: Transformer blocks.
        num_heads: Attention heads per block.
        image_size: Height and width of the input in pixels.
        patch_size: Side of a square patch in pixels.
        in_channels: Channels of the input: 6 for a pair of frames, 3 for a clip.
        registers: Extra learned tokens, which attend with the patches and are dropped at the end.
        frames: Frames of a clip; None for an image encoder, which takes frames as channels.
        tubelet: Frames of a clip that make one token; None for an image encoder.
        layer_scale: Whether the residual branches have a learned gain per channel.
        learned_positions: Whether positions are a learned table instead of sines and cosines.
        mlp_dim: Hidden units of the perceptrons; None takes 4 D.
    """

    embed_dim: int
    depth: int
    num_heads: int
    image_size: tuple[int, int] = IMAGE_SIZE
    patch_size: int = 16
    in_channels: int = 6
    registers: int = 1
    frames: int | None = None
    tubelet: int | None = None
    layer_scale: bool = True
    learned_positions: bool = False
    mlp_dim: int | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """Tokens along (rows, columns) of an image, or (time, rows, columns) of a clip."""
        time = () if self.tubelet is None else (self.frames // self.tubelet,)
        return (*time, *(side // self.patch_size for side in self.image_size))

    @property
    def tokens(self) -> int:
        """Tokens that the encoder returns; registers are not among them."""
        return math.prod(self.grid)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: (C, H, W), or (C, T, H, W) for a clip."""
        time = () if self.frames is None else (self.frames,)
        return (self.in_channels, *time, *self.image_size)


@dataclass(frozen=True)
class InferredConfig:
    """What the tensors of an encoder tell; the fields are those of `EncoderConfig`.

    Attributes:
        source: Where the tensors are from, for messages.
        learned_tokens: Tokens that have a learned position; None where positions are sinusoidal.
    """

    source: str
    embed_dim: int
    depth: int
    patch_size: int
    in_channels: int
    tubelet: int | None
    registers: int
    layer_scale: bool
    mlp_dim: int
    learned_tokens: int | None

    @classmethod
    def from_shapes(cls, shapes: Shapes, source: str) -> InferredConfig:
        """Read the architecture from the shape of every tensor, names without a prefix.

        Raises:
            WeightsError: The tensors are not those of an encoder.
        """
        try:
            embed_dim, channels, *time, height, patch_width = shapes[PATCH_WEIGHT]
            learned = shapes.get("pos_embed")
            config = cls(
                source=source,
                embed_dim=embed_dim,
                depth=len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
                patch_size=height,
                in_channels=channels,
                tubelet=time[0] if time else None,
                registers=shapes.get("register_tokens", (1, 0, embed_dim))[1],
                layer_scale=any(name.endswith(".ls1.gamma") for name in shapes),
                mlp_dim=shapes.get("blocks.0.mlp.fc1.weight", (4 * embed_dim,))[0],
                learned_tokens=learned[1] if learned else None,
            )
        except (KeyError, IndexError, ValueError) as error:
            raise WeightsError(
                f"{source}: wanted the tensors of a touch encoder, found one missing or of "
                f"another shape ({error}); see `sparsh-ros weights inspect {source}`"
            ) from error
        config._check_sizes()
        if height != patch_width or len(time) > 1:
            raise config._conflict(
                "square patches", f"{PATCH_WEIGHT} {shapes[PATCH_WEIGHT]}", "use other weights"
            )
        return config

    def _check_sizes(self) -> None:
        """Refuse what no encoder has, before anything is built of it."""
        for name, (least, most) in _SIZES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise self._conflict(
                    f"{name} of {least:,} to {most:,}", f"{value:,}", "use other weights"
                )

    def default_num_heads(self) -> int | None:
        """Attention heads, one per 64 channels; None where that does not come out even."""
        return None if self.embed_dim % HEAD_WIDTH else self.embed_dim // HEAD_WIDTH

    def any_config(self) -> EncoderConfig:
        """An architecture with these tensors, whatever its image: enough to compare tensors."""
        image_size = (self.patch_size * (self.learned_tokens or 1), self.patch_size)
        return self.complete(image_size, self.tubelet, self.default_num_heads() or 1)

    def complete(
        self,
        image_size: tuple[int, int] = IMAGE_SIZE,
        frames: int | None = None,
        num_heads: int | None = None,
    ) -> EncoderConfig:
        """Complete what the tensors tell to an architecture.

        Args:
            image_size: Height and width of the input in pixels.
            frames: Frames of a clip; None takes as many as have learned positions, else 4.
            num_heads: Attention heads; None takes one per 64 channels.

        Raises:
            WeightsError: What is given contradicts the tensors.
        """
        self._check_image_size(image_size)
        config = EncoderConfig(
            embed_dim=self.embed_dim,
            depth=self.depth,
            num_heads=self._num_heads(num_heads),
            image_size=tuple(image_size),
            patch_size=self.patch_size,
            in_channels=self.in_channels,
            registers=self.registers,
            frames=self._frames(image_size, frames),
            tubelet=self.tubelet,
            layer_scale=self.layer_scale,
            learned_positions=self.learned_tokens is not None,
            mlp_dim=self.mlp_dim,
        )
        if config.tokens > _MOST_TOKENS:
            raise self._conflict(
                f"at most {_MOST_TOKENS:,} tokens",
                f"{config.tokens:,} (image_size={config.image_size}, patches of {self.patch_size})",
                "give a smaller image_size",
            )
        if self.learned_tokens not in (None, config.tokens):
            given = f"image_size={config.image_size}" + (f", frames={frames}" if frames else "")
            raise self._conflict(
                f"{config.tokens} tokens ({given}, patches of {self.patch_size} pixels)",
                f"learned positions (pos_embed) of {self.learned_tokens}",
                "give the size that the weights were trained on",
            )
        return config

    def _num_heads(self, given: int | None) -> int:
        num_heads = self.default_num_heads() if given is None else given
        if num_heads is None:
            raise self._conflict(
                f"one attention head per {HEAD_WIDTH} channels",
                f"embed_dim {self.embed_dim}",
                "give their number, num_heads=...",
            )
        if num_heads < 1 or self.embed_dim % num_heads:
            found = f"embed_dim {self.embed_dim}, no multiple of it"
            raise self._conflict(f"num_heads={num_heads}", found, "give another number")
        return num_heads

    def _check_image_size(self, size: tuple[int, int]) -> None:
        if len(size) != 2 or any(s < self.patch_size or s % self.patch_size for s in size):
            raise self._conflict(
                f"image_size={tuple(size)}",
                f"patches of {self.patch_size} x {self.patch_size} pixels",
                "give a height and a width that are multiples",
            )

    def _frames(self, image_size: tuple[int, int], given: int | None) -> int | None:
        if self.tubelet is None:
            if given is not None and 3 * given != self.in_channels:
                raise self._conflict(
                    f"frames={given}",
                    f"an image encoder of {self.in_channels} channels",
                    "leave frames out",
                )
            return None
        frames = self._learned_frames(image_size) if given is None else given
        if frames < 1 or frames % self.tubelet:
            action = "give a multiple of it, frames=..."
            raise self._conflict(f"frames={frames}", f"tubelets of {self.tubelet} frames", action)
        return frames

    def _learned_frames(self, image_size: tuple[int, int]) -> int:
        if self.learned_tokens is None:
            return CLIP_FRAMES
        per_step = math.prod(side // self.patch_size for side in image_size)
        return max(self.learned_tokens // per_step, 1) * self.tubelet

    def _conflict(self, wanted: str, found: str, action: str) -> WeightsError:
        return WeightsError(f"{self.source}: wanted {wanted}, found {found}; {action}")
