# SPDX-License-Identifier: Apache-2.0
"""Files of AnyTouch and AnyTouch 2: whose tensors are whose, and the encoder they make. No torch.

AnyTouch (Feng et al., 2025, arXiv:2502.12191) lies in `checkpoint.pth` bare (stage 1) or below
`touch_mae_model.` (stage 2), beside decoders and, in stage 2, towers of vision and language.
AnyTouch 2 (Feng et al., 2026, arXiv:2602.09617) has the same names, but for `tactile_model.` in
files of its probes. Both encoders are CLIP's vision tower with tokens that name the sensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

_VIDEO_KERNEL = "video_patch_embedding.weight"
_HEAD_WIDTH = 64
_PREFIXES = {
    "touch_mae_model.": "with other towers beside it",
    "tactile_model.": "in the file of a probe",
    "": "bare, as of stage 1",
}
"""Prefix of the encoder -> what that tells of the file, the preferred one first."""

_OTHERS = {
    "video_position_embedding": "positions that the encoder never uses",
    "new_position_ids": "running numbers of the positions",
    "mask_token": "decoder of the pre-training",
    "touch_decoder_blocks": "decoder of the pre-training",
    "text_model": "language tower",
    "text_projection": "projection of the language tower",
    "vision_model": "tower of ordinary images",
    "visual_projection": "projection of the tower of ordinary images",
    "logit_scale": "temperature of the alignment",
    "cross_sensor_head": "matcher of touches across sensors",
    "head": "head of a task",
}
"""First component of a name -> what it is."""
_CLIP_KERNEL = "patch kernel of CLIP, replaced by that of clips"
_CLIP_IDS = "running numbers of the positions"

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
        """"anytouch" or "anytouch2"."""
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
        """"anytouch" or "anytouch2"."""
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


def anytouch_prefix(plain: Mapping[str, Any]) -> str | None:
    """What stands before the names of an AnyTouch encoder, wrappers left out; None if none is."""
    return next((prefix for prefix in _PREFIXES if prefix + SENSOR_TOKEN in plain), None)


def describe_prefix(prefix: str) -> str:
    """Say what the prefix of an AnyTouch encoder tells of its file."""
    return _PREFIXES[prefix]


def split_anytouch(
    plain: Mapping[str, str], prefix: str
) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Part the tensors of a file: the encoder's, those beside it, and those of no known part.

    Args:
        plain: Name without wrappers -> name in the file.
        prefix: Of the encoder, from `anytouch_prefix`.

    Returns:
        The encoder's own name of a tensor -> its name in the file; part -> names in the file;
        names in the file.
    """
    own: dict[str, str] = {}
    others: dict[str, list[str]] = {}
    unexpected = []
    clips = prefix + _VIDEO_KERNEL in plain
    for name, in_file in plain.items():
        inside = name.startswith(prefix)
        short = name.removeprefix(prefix)
        part = _part(short, clips) if inside else name.split(".")[0]
        if part:
            others.setdefault(part, []).append(in_file)
        elif short == _VIDEO_KERNEL:
            own[PATCH_KERNEL] = in_file
        elif short.startswith(("touch_model.", "touch_projection.")) or short == SENSOR_TOKEN:
            own[short] = in_file
        else:
            unexpected.append(in_file)
    return own, others, unexpected


def describe_part(part: str) -> str:
    """Say what a part beside an AnyTouch encoder is."""
    if part == PATCH_KERNEL:
        return _CLIP_KERNEL
    if "position_ids" in part:
        return _CLIP_IDS
    known = _OTHERS.get(part, "")
    return known or ("decoder of the pre-training" if "decoder" in part else "part of the training")


def _part(name: str, clips: bool) -> str:
    """The part beside the encoder that a tensor belongs to; "" if to none that is known."""
    first = name.split(".")[0]
    if first in _OTHERS or "decoder" in name or "mask_token" in name:
        return first
    if (name == PATCH_KERNEL and clips) or name.endswith("embeddings.position_ids"):
        return name
    return ""
