# SPDX-License-Identifier: Apache-2.0
"""The force-field decoder: maps of normal force and shear from four depths of the encoder.

A Dense Prediction Transformer (Ranftl et al., 2021, arXiv:2103.13413) with the output block of
Monodepth2 (Godard et al., 2019, arXiv:1806.01260). Parameter names and numbers are those of the
published Sparsh decoders (Higuera et al., 2024, arXiv:2410.24090). The maps have no unit: they
were learned without measured forces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import ModelError
from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD, MAPS
from sparsh_ros.models.transforms import NEUTRAL

if TYPE_CHECKING:
    from sparsh_ros.models.vit import VisionTransformer

BLOCKS = (2, 5, 8, 11)  # whose outputs are read, counted from 0: of an encoder of depth 12
IMAGE_SIZE = (224, 224)  # height and width that the published decoders were trained on
PATCH_SIZE = 16  # the decoder makes 16 x 16 pixels of every token
SHEAR_LIMIT = 20.0  # pixels


class Resample(nn.Module):
    """Project D channels to C, then change the size: (B, D, h, w) -> (B, C, h * s, w * s)."""

    def __init__(self, embed_dim: int, channels: int, scale: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(embed_dim, channels, kernel_size=1)
        self.conv2: nn.Module = nn.Identity()
        if scale > 1:
            size = int(scale)
            self.conv2 = nn.ConvTranspose2d(channels, channels, kernel_size=size, stride=size)
        elif scale < 1:
            size = int(1 / scale)
            self.conv2 = nn.Conv2d(channels, channels, kernel_size=size, stride=size)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class Reassemble(nn.Module):
    """Put tokens back in their places and resample: (B, N, D) -> (B, C, rows * s, columns * s)."""

    def __init__(self, embed_dim: int, channels: int, scale: float, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.resample = Resample(embed_dim, channels, scale)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.resample(tokens.transpose(1, 2).unflatten(2, self.grid))


class ResidualUnit(nn.Module):
    """Two convolutions added to the rectified input, (B, C, h, w) each way.

    The sum takes relu(x) and not x: the published weights were trained with a ReLU that
    overwrote its input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu()
        return self.conv2(self.conv1(x).relu()) + x


class Fusion(nn.Module):
    """Join one depth with what came from below it, at twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res_conv1 = ResidualUnit(channels)
        self.res_conv2 = ResidualUnit(channels)

    def forward(self, x: Tensor, deeper: Tensor | None) -> Tensor:
        x = self.res_conv1(x)
        if deeper is not None:
            x = x + deeper
        x = self.res_conv2(x)
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class Conv3x3(nn.Module):
    """A 3 x 3 convolution that continues the image at its border by reflection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ConvBlock(nn.Module):
    """A `Conv3x3` and ELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = Conv3x3(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.conv(x))


class MapProbe(nn.Module):
    """Fused features (B, C, h, w) -> (B, P, 2h, 2w), from which `normal` and `shear` are read."""

    def __init__(self, channels: int, probe_channels: int, maps: Sequence[str]) -> None:
        super().__init__()
        self.upconv_0 = ConvBlock(channels, probe_channels)
        self.upconv_1 = ConvBlock(probe_channels + channels, probe_channels)
        if "normal" in maps:
            self.dispconv = Conv3x3(probe_channels, 1)
        if "shear" in maps:
            hidden = probe_channels // 2
            layers = Conv3x3(probe_channels, hidden), nn.GELU(), Conv3x3(hidden, 2)
            self.shear_mlp = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.upconv_1(torch.cat([self.upconv_0(x), x], dim=1))
        return F.interpolate(x, scale_factor=2, mode="nearest")

    def normal(self, x: Tensor) -> Tensor:
        """Normal force in [0, 1], (B, 1, H, W)."""
        return self.dispconv(x).sigmoid()

    def shear(self, x: Tensor) -> Tensor:
        """Shear in pixels, (B, 2, H, W)."""
        return SHEAR_LIMIT * self.shear_mlp(x).tanh()


class ForceFieldDecoder(nn.Module):
    """Tapped blocks -> {"normal": (B, 1, H, W), "shear": (B, 2, H, W)}, as large as the images.

    "normal" lies in [0, 1], without unit; "shear" is the motion of the gel's skin from the older
    frame to the current one, (right, down) in pixels of the map, in [-20, 20].

    Args:
        embed_dim: Channels D of a token.
        channels: Channels C of the maps on the way to their fusion.
        image_size: Height and width in pixels of the encoder's input, multiples of 32: two patches
            of 16, because the deepest tap is halved and doubled again.
        maps: Which of the two maps there are weights for.
        probe_channels: Channels P of the maps after fusion; official decoders have 128, whatever C.

    Raises:
        ModelError: The image size is no multiple.
    """

    task = FORCE_FIELD

    def __init__(
        self,
        embed_dim: int,
        channels: int = 128,
        image_size: tuple[int, int] = IMAGE_SIZE,
        maps: Sequence[str] = tuple(MAPS),
        probe_channels: int = 128,
    ) -> None:
        super().__init__()
        rows, columns = (side // PATCH_SIZE for side in image_size)
        if any(side < 2 * PATCH_SIZE or side % (2 * PATCH_SIZE) for side in image_size):
            raise ModelError(
                f"force-field decoder: wanted image_size in multiples of {2 * PATCH_SIZE} pixels, "
                f"found {tuple(image_size)}; use {IMAGE_SIZE}"
            )
        self.grid = (rows, columns)
        self.outputs = tuple(maps)
        self.norm = nn.LayerNorm(embed_dim)
        self.reassembles = nn.ModuleList(
            Reassemble(embed_dim, channels, scale, self.grid) for scale in (4, 2, 1, 0.5)
        )
        self.fusions = nn.ModuleList(Fusion(channels) for _ in BLOCKS)
        self.probe = MapProbe(channels, probe_channels, maps)

    def forward(self, taps: Sequence[Tensor]) -> dict[str, Tensor]:
        """Read both maps from the same taps, shallow first: outputs (B, N, D) of four blocks.

        Up to three registers before the patches, as hooks on the blocks give them, are left out.

        Raises:
            ModelError: Other than four taps, or not one token per patch of the grid.
        """
        features = self.features(taps)
        return {name: self.read(name, features) for name in self.outputs}

    def features(self, taps: Sequence[Tensor]) -> Tensor:
        """Fuse the taps, deepest first, to (B, P, H, W)."""
        taps = self._patches(taps)
        fused = None
        for tap, reassemble, fusion in reversed(
            list(zip(taps, self.reassembles, self.fusions, strict=True))
        ):
            fused = fusion(reassemble(self.norm(tap)), fused)
        return self.probe(fused)

    def read(self, name: str, features: Tensor) -> Tensor:
        """Read one map, "normal" (B, 1, H, W) or "shear" (B, 2, H, W), from `features`."""
        return self.probe.normal(features) if name == "normal" else self.probe.shear(features)

    def _patches(self, taps: Sequence[Tensor]) -> list[Tensor]:
        count, embed_dim = self.grid[0] * self.grid[1], self.norm.normalized_shape[0]
        found = [tuple(tap.shape[1:]) for tap in taps]
        # Both sides of a grid are even, so four tokens more may be another grid's.
        accepted = [(count + registers, embed_dim) for registers in range(4)]
        if len(found) != len(BLOCKS) or len(set(found)) != 1 or found[0] not in accepted:
            raise ModelError(
                f"force-field decoder: wanted the outputs of {len(BLOCKS)} blocks, (batch, "
                f"{count}, {embed_dim}) each, found {found}; it was built for "
                f"{self.grid[0]} x {self.grid[1]} patches"
            )
        registers = found[0][0] - count
        return [tap[:, registers:] for tap in taps] if registers else list(taps)


class ForceField(nn.Module):
    """Encoder and decoder: a pair of images -> {"normal": (B, 1, H, W), "shear": (B, 2, H, W)}.

        field = ForceField(
            load_encoder("dino_vitbase.safetensors", image_size=(224, 224)),
            load_head("epoch-0031.pth"),
        )

    The two maps come from two passes: "normal" compares the current frame with the untouched gel,
    "shear" with the older frame. Both run as one batch of 2 B.

    Raises:
        ModelError: The encoder cuts its images into another grid than the decoder's.
    """

    def __init__(self, encoder: VisionTransformer, decoder: ForceFieldDecoder) -> None:
        super().__init__()
        if encoder.config.grid != decoder.grid:
            raise ModelError(
                f"force field: the decoder was built for {decoder.grid} patches, the encoder for "
                f"{encoder.config.grid}; give both the same image_size"
            )
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Read the maps from (B, 6, H, W) float images in [0, 1], their background subtracted,
        the current frame first."""
        current = images[:, :3]
        passes = {
            "normal": torch.cat([current, torch.full_like(current, NEUTRAL / 255)], dim=1),
            "shear": images,
        }
        stacked = torch.cat([passes[name] for name in self.decoder.outputs])
        features = self.decoder.features(self.encoder.intermediate(stacked, BLOCKS))
        # Not chunk(): in an exported graph it would fix the batch.
        parts = features.unflatten(0, (len(self.decoder.outputs), -1)).unbind(0)
        names = zip(self.decoder.outputs, parts, strict=True)
        return {name: self.decoder.read(name, part) for name, part in names}
