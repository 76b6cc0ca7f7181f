# SPDX-License-Identifier: Apache-2.0
"""ResNet-18 (He et al., 2016): the encoder of single images that SARL trains.

Tensors are named as torchvision names them, so that weights of either load into the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from sparsh_ros.models.checkpoints.architecture import EncoderConfig

STAGES = 4
_WIDTH = 64  # channels of the first stage, as published
_WIDEST, _LARGEST = 256, 2048


@dataclass(frozen=True)
class ResNetConfig:
    """Architecture.

    Attributes:
        width: Channels of the first stage; each later one has twice as many.
        pools_early: Whether the stem halves the image a second time. Without, maps are twice as
            large, for small images.
        image_size: Side in pixels of the square images it is trained on.
    """

    width: int = _WIDTH
    pools_early: bool = True
    image_size: int = 224

    def __post_init__(self) -> None:
        for name, value, most in (
            ("width", self.width, _WIDEST),
            ("image_size", self.image_size, _LARGEST),
        ):
            if type(value) is not int or not 0 < value <= most:
                raise ValueError(f"{name}: wanted 1 to {most}, found {value!r}")
        if type(self.pools_early) is not bool:
            raise ValueError(f"pools_early: wanted true or false, found {self.pools_early!r}")

    @property
    def embed_dim(self) -> int:
        """Channels of the last stage, and of the vector."""
        return self.width * 2 ** (STAGES - 1)

    @property
    def stride(self) -> int:
        """Pixels of the image from one place of the last map to the next."""
        return 32 if self.pools_early else 16

    @property
    def is_light(self) -> bool:
        """Whether it is narrower than published, to be trained on a CPU."""
        return self.width < _WIDTH


RESNETS = {
    "resnet18": ResNetConfig(),
    "resnet18-nano": ResNetConfig(16, pools_early=False, image_size=48),
}
"""By name; the second is no published size: it trains on a CPU core in minutes."""


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; (B, C, H, W) -> (B, C', H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(x)) + shortcut).relu()


class ResNet18(nn.Module):
    """Images to maps of features, or to one vector."""

    def __init__(self, config: ResNetConfig = RESNETS["resnet18"]) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if config.pools_early else nn.Identity()
        self.layer1 = _stage(width, width, 1)
        self.layer2 = _stage(width, 2 * width, 2)
        self.layer3 = _stage(2 * width, 4 * width, 2)
        self.layer4 = _stage(4 * width, 8 * width, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of the last three stages.

        Args:
            images: (B, 3, H, W) float RGB in [0, 1]; scaled to [-1, 1] inside.

        Returns:
            (B, C, H', W') of the stages 2, 3 and 4: of 224 pixels and full width, 128 x 28 x 28,
            256 x 14 x 14 and 512 x 7 x 7.
        """
        x = self.pool(self.bn1(self.conv1(2.0 * images - 1.0)).relu())
        second = self.layer2(self.layer1(x))
        third = self.layer3(second)
        return second, third, self.layer4(third)

    def read_pair(self, frames: Tensor) -> Tensor:
        """(B, T, 3, H, W) as for `maps` -> (B, N, T D), the last maps of all frames, row by row."""
        maps = self.maps(frames.flatten(0, 1))[-1].flatten(2)
        return maps.unflatten(0, frames.shape[:2]).permute(0, 3, 1, 2).flatten(2)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) as for `maps` -> (B, D), the mean over the last map."""
        return self.maps(images)[-1].mean(dim=(2, 3))


class ResNetPair(ResNet18):
    """A ResNet-18 for models of frame pairs: each place of the last map is a token of both frames.

    Args:
        config: What the model's description says; ``embed_dim`` is that of both vectors.
    """

    def __init__(self, config: EncoderConfig) -> None:
        width = config.embed_dim // 2**STAGES
        pools_early = config.patch_size == ResNetConfig().stride
        super().__init__(ResNetConfig(width, pools_early, config.image_size[0]))
        self.config = config

    def forward(self, images: Tensor) -> Tensor:
        """(B, 6, H, W) float in [0, 1], newest RGB frame first -> (B, N, 2 D)."""
        return self.read_pair(images.unflatten(1, (2, 3)))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
