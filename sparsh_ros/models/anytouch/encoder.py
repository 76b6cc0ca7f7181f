# SPDX-License-Identifier: Apache-2.0
"""The encoders of AnyTouch (Feng et al., 2025, arXiv:2502.12191) and AnyTouch 2 (2026,
arXiv:2602.09617): one network for many kinds of sensors, which is told by tokens which one it is.

    encoder = load_encoder("checkpoint.pth")
    hidden = encoder(images, sensor="digit")
    vector = encoder.embed(images, sensor="digit", pooling="cls")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sparsh_ros.errors import FrameError, ModelError
from sparsh_ros.models.anytouch.tower import VisionTower
from sparsh_ros.models.checkpoints.anytouch.config import SENSOR_IDS, UNIVERSAL, AnyTouchConfig
from sparsh_ros.models.layers import INIT_STD

POOLINGS = ("cls", "global")
BACKGROUND_OFFSET = 130 / 255
"""What AnyTouch 2 sees where a frame is as its background."""

Sensor = int | str | Tensor | None


def sensor_ids(sensor: Sensor, slots: int) -> Tensor:
    """Slots of the sensor tokens, () or (B,) int64.

    Args:
        sensor: Id of the sensor, -1 for the universal one; its name, of `SENSOR_IDS`; None for any
            sensor; or ids (B,) int64, one per clip, which are not checked.
        slots: Slots that there are.

    Raises:
        ModelError: There is no such sensor.
    """
    if isinstance(sensor, Tensor):
        return sensor
    if sensor is None:
        return torch.tensor(UNIVERSAL)
    if isinstance(sensor, str):
        if sensor not in SENSOR_IDS:
            raise ModelError(
                f"sensor {sensor!r}: wanted one of {', '.join(SENSOR_IDS)}, an id, or None for "
                "the universal token"
            )
        sensor = SENSOR_IDS[sensor]
    if isinstance(sensor, bool) or not isinstance(sensor, int) or not -1 <= sensor < slots:
        raise ModelError(f"sensor: wanted an id of -1 to {slots - 1}, found {sensor!r}")
    return torch.tensor(sensor)


class AnyTouch(nn.Module):
    """Encoder of AnyTouch: three frames to one token per patch.

    Attributes:
        config: The architecture.
        ignored: Part -> names of the tensors beside the encoder in the file it was loaded from.
    """

    mean: ClassVar[Sequence[float]] = (0.485, 0.456, 0.406)  # of ImageNet
    std: ClassVar[Sequence[float]] = (0.229, 0.224, 0.225)

    def __init__(self, config: AnyTouchConfig) -> None:
        """Build an encoder with fresh weights."""
        super().__init__()
        self.config = config
        self.ignored: Mapping[str, Sequence[str]] = {}
        self.touch_model = VisionTower(config)
        self.touch_projection = nn.Linear(config.embed_dim, config.projection_dim, bias=False)
        shape = (config.sensors, config.sensor_tokens, config.embed_dim)
        self.sensor_token = nn.Parameter(INIT_STD * torch.randn(shape))

    def forward(self, images: Tensor, sensor: Sensor = None) -> Tensor:
        """Encode touch images.

        Args:
            images: (B, T, 3, H, W) floats in [0, 1], RGB, oldest frame first; or (B, 3, H, W),
                one image that stands still.
            sensor: See `sensor_ids`.

        Returns:
            (B, 1 + S + N, D) last hidden state, without the norm after it: the class token, the
            S = 5 sensor tokens, then the patches, row by row.

        Raises:
            FrameError: The images have another shape or are no floats.
            ModelError: There is no such sensor.
        """
        return self._encode(self._as_clips(images), sensor)

    def embed(self, images: Tensor, sensor: Sensor = None, pooling: str = "cls") -> Tensor:
        """Summarise touch images as one vector each.

        Args:
            images: As for `forward`.
            sensor: As for `forward`.
            pooling: "cls", the class token after the last norm, or "global", the mean of the
                patches without it; projected both.

        Returns:
            (B, P): P = 768 in the published weights. Not normalised to unit length.

        Raises:
            FrameError: As `forward`.
            ModelError: As `forward`, or the pooling is unknown.
        """
        return self.pool(self(images, sensor), pooling)

    def pool(self, hidden: Tensor, pooling: str = "cls") -> Tensor:
        """The second half of `embed`: what `forward` gives to one vector each."""
        check_pooling(pooling)
        if pooling == "cls":
            return self.touch_projection(self.touch_model.post_layernorm(hidden[:, 0]))
        return self.touch_projection(self._mean_patch(hidden))

    def _mean_patch(self, hidden: Tensor) -> Tensor:
        return hidden[:, 1 + self.config.sensor_tokens :].mean(dim=1)

    def _encode(self, clips: Tensor, sensor: Sensor) -> Tensor:
        ids = sensor_ids(sensor, self.config.sensors).to(clips.device)
        tokens = self.sensor_token[ids].expand(clips.shape[0], -1, -1)
        return self.touch_model(self.normalise(clips), tokens)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (..., 3, H, W) in [0, 1] as the network sees them."""
        mean, std = (images.new_tensor(value).view(3, 1, 1) for value in (self.mean, self.std))
        return (images - mean) / std

    def _as_clips(self, images: Tensor) -> Tensor:
        frames, *image = self.config.input_shape
        if not images.is_floating_point():
            raise FrameError(f"encoder input: wanted floats in [0, 1], found {images.dtype}")
        if list(images.shape[1:]) == image:
            return images[:, None].expand(-1, frames, -1, -1, -1)
        if list(images.shape[1:]) != [frames, *image]:
            wanted = ", ".join(map(str, image))
            raise FrameError(
                f"encoder input: wanted (B, {frames}, {wanted}) or (B, {wanted}), found "
                f"{tuple(images.shape)}"
            )
        return images


class AnyTouch2(AnyTouch):
    """Encoder of AnyTouch 2: four frames in tubelets of two, their background taken away."""

    mean: ClassVar[Sequence[float]] = (0.48145466, 0.4578275, 0.40821073)  # of CLIP
    std: ClassVar[Sequence[float]] = (0.26862954, 0.26130258, 0.27577711)

    def forward(
        self, images: Tensor, sensor: Sensor = None, background: Tensor | None = None
    ) -> Tensor:
        """Encode touch images.

        Args:
            images: As for `AnyTouch.forward`.
            sensor: See `sensor_ids`.
            background: (B, 3, H, W) floats in [0, 1], the gel untouched; the encoder sees
                clamp(frame - background + 130/255, 0, 1). None: `images` are that already.

        Returns:
            (B, 1 + S + N, D) as `AnyTouch.forward`; patches time first, then rows, then columns.

        Raises:
            FrameError: Images or background have another shape or are no floats.
            ModelError: There is no such sensor.
        """
        clips = self._as_clips(images)
        if background is not None:
            wanted = (len(images), *self.config.input_shape[1:])
            if tuple(background.shape) != wanted or not background.is_floating_point():
                raise FrameError(
                    f"background: wanted {wanted} floats in [0, 1], found "
                    f"{tuple(background.shape)} {background.dtype}"
                )
            clips = (clips - background[:, None] + BACKGROUND_OFFSET).clamp(0, 1)
        return self._encode(clips, sensor)

    def embed(
        self,
        images: Tensor,
        sensor: Sensor = None,
        pooling: str = "cls",
        background: Tensor | None = None,
    ) -> Tensor:
        """Summarise touch images as one vector each.

        Args:
            images: As for `forward`, as are ``sensor`` and ``background``.
            pooling: "cls", the class token after the last norm, projected to (B, P), P = 512; or
                "global", the mean of the patches as they are, (B, D), D = 768, as its probes do.

        Raises:
            FrameError: As `forward`.
            ModelError: As `forward`, or the pooling is unknown.
        """
        return self.pool(self(images, sensor, background), pooling)

    def pool(self, hidden: Tensor, pooling: str = "cls") -> Tensor:
        """The second half of `embed`: what `forward` gives to one vector each."""
        return self._mean_patch(hidden) if pooling == "global" else super().pool(hidden, pooling)


def check_pooling(pooling: str) -> None:
    """Raise ModelError unless it is one of `POOLINGS`."""
    if pooling not in POOLINGS:
        raise ModelError(f"pooling: wanted one of {', '.join(POOLINGS)}, found {pooling!r}")


def build_anytouch(config: AnyTouchConfig) -> AnyTouch:
    """Build the encoder of that architecture, with fresh weights."""
    return (AnyTouch if config.tubelet is None else AnyTouch2)(config)
