# SPDX-License-Identifier: Apache-2.0
"""The encoders of AnyTouch and AnyTouch 2, told from the shapes of their tensors. No torch.

AnyTouch (Feng et al., 2025, arXiv:2502.12191) and AnyTouch 2 (2026, arXiv:2602.09617) are CLIP's
vision tower with tokens that name the sensor. Attention heads leave no trace in the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sparsh_ros.errors import WeightsError

FAMILIES = ("anytouch", "anytouch2")
SENSOR_TOKEN = "sensor_token"
POSITION_IDS = "new_position_ids"
PATCH_KERNEL = "touch_model.embeddings.patch_embedding.weight"
IMAGE_SIDE = 224
UNIVERSAL = -1
"""Id of the last slot of the sensor tokens: any sensor, above all one that training did not see."""
SENSOR_IDS = {
    "gelsight": 0,
    "gelsight_2017": 0,
    "digit": 1,
    "gelslim": 2,
    "gelsight_mini": 3,
    "duragel": 4,
}
"""Sensor -> slot of its tokens; the other slots were never trained, but for the universal one."""

FORCE_LIMITS_N = {
    "digit": (5.25, 10.61, 14.14),
    "gelsight_mini": (6.84, 9.87, 8.52),
    "duragel": (3.92, 3.64, 7.89),
}
"""Sensor -> newtons (x, y, z) at an output of 1 of the force head of AnyTouch 2."""

_HEAD_WIDTH = 64
_MOST = {
    "embed_dim": 1 << 16,
    "depth": 256,
    "frames": 1024,
    "patch_size": 1024,
    "mlp_dim": 1 << 20,
    "projection_dim": 1 << 16,
    "sensors": 1 << 12,
    "sensor_tokens": 1 << 10,
    "positions": 1 << 16,
}
"""More than any encoder has."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class AnyTouchConfig:
    """All that it takes to build an encoder of `sparsh_ros.models.anytouch.encoder`.

    Attributes:
        embed_dim: Channels D of a token.
        depth: Transformer blocks.
        num_heads: Attention heads per block.
        patch_size: Side of a square patch in pixels.
        frames: Frames of a clip.
        tubelet: Frames that make one token; None for AnyTouch, whose tokens see all frames.
        image_size: Height and width of the input in pixels.
        mlp_dim: Hidden units of the perceptrons; None takes 4 D.
        projection_dim: Channels of what `embed` gives for the class token.
        sensors: Slots of sensor tokens; the last one is the universal one.
        sensor_tokens: Tokens in each slot.
    """

    embed_dim: int
    depth: int
    num_heads: int
    patch_size: int
    frames: int
    tubelet: int | None = None
    image_size: tuple[int, int] = (IMAGE_SIDE, IMAGE_SIDE)
    mlp_dim: int | None = None
    projection_dim: int = 768
    sensors: int = 10
    sensor_tokens: int = 5

    @property
    def family(self) -> str:
        """ "anytouch" or "anytouch2"."""
        return "anytouch" if self.tubelet is None else "anytouch2"

    @property
    def patches(self) -> int:
        """Tokens of patches."""
        steps = 1 if self.tubelet is None else self.frames // self.tubelet
        return steps * math.prod(side // self.patch_size for side in self.image_size)

    @property
    def tokens(self) -> int:
        """All tokens that the encoder returns: class, sensor, patches."""
        return 1 + self.sensor_tokens + self.patches

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: (T, 3, H, W)."""
        return (self.frames, 3, *self.image_size)


@dataclass(frozen=True)
class InferredAnyTouch:
    """What the tensors of an AnyTouch encoder tell; fields as those of `AnyTouchConfig`.

    Attributes:
        source: Where the tensors are from, for messages.
        frames: Frames of a clip; None for AnyTouch 2, where the image's size decides.
        positions: Patches that have a learned position.
    """

    source: str
    embed_dim: int
    depth: int
    patch_size: int
    frames: int | None
    tubelet: int | None
    mlp_dim: int
    projection_dim: int
    sensors: int
    sensor_tokens: int
    positions: int

    @classmethod
    def from_shapes(cls, shapes: Shapes, source: str) -> InferredAnyTouch:
        """Read the architecture from the shape of every tensor, names as `find_anytouch` gives.

        Raises:
            WeightsError: The tensors are not those of an encoder.
        """
        layers = "touch_model.encoder.layers."
        try:
            embed_dim, first, second, height, width = shapes[PATCH_KERNEL]
            of_clips = second == 3  # AnyTouch lays the frames along the axis of the channels
            sensors, sensor_tokens, _ = shapes[SENSOR_TOKEN]
            config = cls(
                source=source,
                embed_dim=embed_dim,
                depth=len({name.split(".")[3] for name in shapes if name.startswith(layers)}),
                patch_size=height,
                frames=first if of_clips else None,
                tubelet=None if of_clips else second,
                mlp_dim=shapes[f"{layers}0.mlp.fc1.weight"][0],
                projection_dim=shapes["touch_projection.weight"][0],
                sensors=sensors,
                sensor_tokens=sensor_tokens,
                positions=shapes["touch_model.embeddings.position_embedding.weight"][0] - 1,
            )
        except (KeyError, IndexError, ValueError) as error:
            raise WeightsError(
                f"{source}: wanted the tensors of an AnyTouch encoder, found one missing or of "
                f"another shape ({error}); see `sparsh-ros weights inspect {source}`"
            ) from error
        if height != width or 3 not in (first, second):
            raise config._conflict(
                "square patches of three colours", f"{PATCH_KERNEL} {shapes[PATCH_KERNEL]}"
            )
        config._check_sizes()
        return config

    @property
    def family(self) -> str:
        """ "anytouch" or "anytouch2"."""
        return "anytouch" if self.tubelet is None else "anytouch2"

    def default_num_heads(self) -> int | None:
        """Attention heads, one per 64 channels; None where that does not come out even."""
        return None if self.embed_dim % _HEAD_WIDTH else self.embed_dim // _HEAD_WIDTH

    def any_config(self) -> AnyTouchConfig:
        """An architecture with these tensors, whatever its image: enough to compare tensors."""
        steps = 1 if self.tubelet is None else self.tubelet
        row = (self.patch_size, self.patch_size * self.positions)
        return self._config(row, self.frames or steps, self.default_num_heads() or 1)

    def complete(
        self,
        image_size: tuple[int, int] | None = None,
        frames: int | None = None,
        num_heads: int | None = None,
    ) -> AnyTouchConfig:
        """Complete what the tensors tell to an architecture.

        Args:
            image_size: Height and width of the input in pixels; None takes a square, of 224
                pixels where the positions allow.
            frames: Frames of a clip; None takes as many as have positions.
            num_heads: Attention heads; None takes one per 64 channels.

        Raises:
            WeightsError: What is given contradicts the tensors.
        """
        image_size = self._square(frames) if image_size is None else tuple(image_size)
        if len(image_size) != 2 or any(s < 1 or s % self.patch_size for s in image_size):
            raise self._conflict(
                f"image_size={image_size}", f"patches of {self.patch_size} x {self.patch_size}"
            )
        config = self._config(
            image_size, self._frames(image_size, frames), self._num_heads(num_heads)
        )
        if config.patches != self.positions:
            given = f"image_size={image_size}, frames={config.frames}"
            raise self._conflict(
                f"{config.patches} patches ({given})", f"learned positions of {self.positions}"
            )
        return config

    def _config(self, image_size: tuple[int, int], frames: int, num_heads: int) -> AnyTouchConfig:
        names = ("embed_dim", "depth", "patch_size", "tubelet", "mlp_dim", "projection_dim")
        own = {name: getattr(self, name) for name in (*names, "sensors", "sensor_tokens")}
        return AnyTouchConfig(**own, image_size=image_size, frames=frames, num_heads=num_heads)

    def _square(self, frames: int | None) -> tuple[int, int]:
        """The square image that fits the positions: of 224 pixels, else of two or one tubelets."""
        usual = (IMAGE_SIDE // self.patch_size) ** 2
        steps = (1,) if self.tubelet is None else (2, 1, *range(3, self.positions + 1))
        if frames is not None and self.tubelet is not None:
            steps = (max(1, frames // self.tubelet),)
        elif IMAGE_SIDE % self.patch_size == 0 and usual and self.positions % usual == 0:
            steps = (self.positions // usual, *steps)
        for step in steps:
            cells = math.isqrt(self.positions // step)
            if step * cells**2 == self.positions:
                return (cells * self.patch_size, cells * self.patch_size)
        raise self._conflict("positions of a square image", f"{self.positions} of them")

    def _frames(self, image_size: tuple[int, int], given: int | None) -> int:
        if self.frames is not None:
            if given not in (None, self.frames):
                raise self._conflict(f"frames={given}", f"patches of {self.frames} frames")
            return self.frames
        cells = math.prod(side // self.patch_size for side in image_size)
        frames = self.positions // cells * self.tubelet if given is None else given
        if frames < 1 or frames % self.tubelet:
            raise self._conflict(f"frames={frames}", f"tubelets of {self.tubelet} frames")
        return frames

    def _num_heads(self, given: int | None) -> int:
        num_heads = self.default_num_heads() if given is None else given
        if num_heads is None:
            raise self._conflict(
                f"one attention head per {_HEAD_WIDTH} channels", f"embed_dim {self.embed_dim}"
            )
        if num_heads < 1 or self.embed_dim % num_heads:
            raise self._conflict(f"num_heads={num_heads}", f"embed_dim {self.embed_dim}")
        return num_heads

    def _check_sizes(self) -> None:
        """Refuse what no encoder has, before anything is built of it."""
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise self._conflict(f"{name} of 1 to {most:,}", f"{value:,}")

    def _conflict(self, wanted: str, found: str) -> WeightsError:
        return WeightsError(
            f"{self.source}: wanted {wanted}, found {found}; give image_size, frames or num_heads "
            "that fit, or use other weights"
        )
