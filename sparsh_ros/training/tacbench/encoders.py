# SPDX-License-Identifier: Apache-2.0
"""Encoders of the benchmark from files, and what each makes of a clip.

Any encoder gets the same clips: background taken away, frames of 1/60 s. AnyTouch is not told which
sensor it sees: the universal token stands for all. A ResNet, which sees single images, reads the
two frames of a pair one by one, and each place of its last map gives one token of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from sparsh_ros.errors import ModelError
from sparsh_ros.models.anytouch.encoder import BACKGROUND_OFFSET, AnyTouch, AnyTouch2
from sparsh_ros.models.loading.encoders import load_encoder
from sparsh_ros.models.resnet.files import CONFIG_FILE, load_resnet
from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.transforms import NEUTRAL
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.training.episodes import RATE_HZ
from sparsh_ros.training.patches import unfold_scaling
from sparsh_ros.training.pretraining.pretrain import MODEL_FILE
from sparsh_ros.training.recipes.parts import read_clips

_CLIP_STEP = 2
"""Recorded frames from one frame of a clip to the next, for encoders of three frames or more."""
_HEAD_CHANNELS = 64  # of a token for each head of attention, as published encoders have


@dataclass(frozen=True)
class ReadSpec(ModelSpec):
    """A model of any width, of which nothing is known but how the benchmark reads it.

    Attributes:
        channels: Of a token.
    """

    channels: int = 0

    @property
    def embed_dim(self) -> int:
        return self.channels

    @property
    def num_heads(self) -> int:
        heads = max(self.channels // _HEAD_CHANNELS, 1)
        return heads if self.channels % heads == 0 else 1


@dataclass(frozen=True)
class Contender:
    """An encoder in the benchmark.

    Attributes:
        name: In the table.
        spec: Its description.
        frozen: Whether it stays as it is, or is trained from scratch with the heads.
        network: The encoder, where it is not what the description's own file holds.
    """

    name: str
    spec: ModelSpec
    frozen: bool
    network: nn.Module | None = None

    @property
    def has_grid(self) -> bool:
        """Whether its tokens lie on a grid of patches, as a head for force fields wants."""
        return not isinstance(self.network, AnyTouch | ResNet18)


def open_contender(path: Path) -> Contender:
    """A frozen encoder.

    Args:
        path: Folder of a pre-training run, or a checkpoint of Sparsh, AnyTouch or AnyTouch 2.

    Raises:
        ModelError: It is neither, or its description cannot be read.
        WeightsError: As `load_encoder` and `load_resnet`.
    """
    if (path / MODEL_FILE).is_file():
        return Contender(path.name, load_model_spec(path / MODEL_FILE), frozen=True)
    if not path.is_file() and not (path / CONFIG_FILE).is_file():
        raise ModelError(
            f"--encoders {path}: wanted a checkpoint, or a pre-training run with {MODEL_FILE} or "
            f"{CONFIG_FILE}, found none; `sparsh-ros train mae --run {path}` makes one"
        )
    network = load_encoder(path) if path.is_file() else load_resnet(path)
    name = path.stem if path.is_file() else path.name
    return Contender(name, _describe(name, network, path.parent), True, network)


def _describe(
    name: str, network: VisionTransformer | AnyTouch | ResNet18, folder: Path
) -> ReadSpec:
    config = network.config
    if isinstance(network, ResNet18):
        frames, side, patch = 2, (config.image_size,) * 2, 1
    else:
        frames = config.frames or config.in_channels // 3
        side, patch = config.image_size, config.patch_size
    images = {"image_height": side[0], "image_width": side[1], "patch_size": patch}
    if frames > 2:
        offsets = tuple(_CLIP_STEP * step / RATE_HZ for step in range(frames))
        images |= {"frame_offsets_s": offsets, "tubelet": config.tubelet}
    channels = config.embed_dim * (frames if isinstance(network, ResNet18) else 1)
    return ReadSpec(name, "nano", "", folder, channels=channels, **images)


def readable(network: nn.Module) -> nn.Module:
    """The encoder as `read_tokens` takes it, in evaluation mode."""
    vision = isinstance(network, VisionTransformer)
    return (unfold_scaling(network) if vision else network).eval()


def read_tokens(network: nn.Module, clips: Tensor) -> Tensor:
    """(B, T, H, W, 3) uint8 clips, newest frame first, background taken away -> (B, N, D)."""
    if isinstance(network, VisionTransformer):
        return network.forward_patches(read_clips(clips, network))
    images = clips.permute(0, 1, 4, 2, 3).float() / 255.0
    if isinstance(network, AnyTouch):
        if isinstance(network, AnyTouch2):
            images = (images + (BACKGROUND_OFFSET - NEUTRAL / 255.0)).clamp(0, 1)
        return network(images.flip(1))
    return network.read_pair(images)
