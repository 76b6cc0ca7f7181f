# SPDX-License-Identifier: Apache-2.0
"""The force-field decoder against the plain implementation, and its two passes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import dpt as reference
from reference.official import doubles, largest_error, random_weights, save_epoch
from torch import Tensor

from sparsh_ros.errors import ModelError
from sparsh_ros.models.dpt import ForceField, ForceFieldDecoder
from sparsh_ros.models.loading.heads import load_head
from sparsh_ros.models.vit import VisionTransformer

WIDTH, CHANNELS = 32, 8
GRID = (4, 6)
IMAGE_SIZE = (64, 96)
TOLERANCE = 1e-4


def random_decoder(probe_channels: int | None = None) -> dict[str, Tensor]:
    shapes = reference.shapes(WIDTH, CHANNELS, probe_channels)
    return random_weights(shapes, gain=0.7)  # 1 drives tanh to its ends


def official_decoder(
    folder: Path, probe_channels: int | None = None
) -> tuple[ForceFieldDecoder, dict[str, Tensor]]:
    weights = random_decoder(probe_channels)
    return load_head(save_epoch(weights, folder), image_size=IMAGE_SIZE), weights


def taps(batch: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(batch, math.prod(GRID), WIDTH, generator=generator) for _ in range(4)]


def expected(weights: dict[str, Tensor], trap: bool = True) -> dict[str, np.ndarray]:
    image = [tap[0].double().numpy() for tap in taps()]
    return {
        name: value[None]
        for name, value in reference.decode(image, doubles(weights), GRID, trap).items()
    }


@pytest.mark.parametrize("probe_channels", [CHANNELS, 12])
def test_maps_are_those_of_the_plain_form(probe_channels: int, tmp_path: Path) -> None:
    decoder, weights = official_decoder(tmp_path, probe_channels)
    assert decoder.task == "forcefield"
    found, wanted = decoder(taps()), expected(weights)
    assert tuple(found) == tuple(wanted) == decoder.outputs
    assert found["normal"].shape == (1, 1, *IMAGE_SIZE)
    assert found["shear"].shape == (1, 2, *IMAGE_SIZE)
    for name, value in wanted.items():
        assert value.std() > 0.02
        assert largest_error(found[name], value) < TOLERANCE


def test_residual_units_add_the_rectified_input(tmp_path: Path) -> None:
    decoder, weights = official_decoder(tmp_path)
    found, other = decoder(taps()), expected(weights, trap=False)
    for name, value in other.items():
        assert largest_error(found[name], value) > 0.1


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision(precision: torch.dtype, tmp_path: Path) -> None:
    decoder, weights = official_decoder(tmp_path)
    found = decoder.to(precision)([tap.to(precision) for tap in taps()])
    for name, value in expected(weights).items():
        assert found[name].dtype == precision
        wanted = torch.from_numpy(value).flatten(2)
        likeness = torch.cosine_similarity(found[name].double().flatten(2), wanted, dim=2)
        assert likeness.min() > 0.999


def test_images_of_a_batch_do_not_meet(tmp_path: Path) -> None:
    decoder, _ = official_decoder(tmp_path)
    together, alone = decoder(taps(3)), decoder([tap[1:2] for tap in taps(3)])
    for name, value in alone.items():
        assert torch.allclose(together[name][1:2], value, atol=1e-3)


def test_the_published_decoder() -> None:
    shapes = reference.shapes(768)
    assert sum(math.prod(shape) for shape in shapes.values()) == 3_668_931
    with torch.device("meta"):
        state = ForceFieldDecoder(768).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == shapes


def test_fewer_channels_before_fusion_than_after() -> None:
    with torch.device("meta"):
        state = ForceFieldDecoder(WIDTH, 64).state_dict()
    wanted = reference.shapes(WIDTH, 64, probe_channels=128)
    assert {name: tuple(value.shape) for name, value in state.items()} == wanted


def test_other_grids(tmp_path: Path) -> None:
    path = save_epoch(random_decoder(), tmp_path)
    assert load_head(path)([torch.zeros(1, 196, WIDTH)] * 4)["shear"].shape == (1, 2, 224, 224)
    with pytest.raises(ModelError, match=r"multiples of 32 pixels, found \(320, 240\)"):
        load_head(path, image_size=(320, 240))
    with pytest.raises(ModelError, match=r"multiples of 32 pixels, found \(224, 225\)"):
        load_head(path, image_size=(224, 225))


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ([torch.zeros(1, 24, WIDTH)] * 3, r"\(24, 32\)\]"),
        ([torch.zeros(1, 23, WIDTH)] * 4, r"\(23, 32\)\]"),
        ([torch.zeros(1, 28, WIDTH)] * 4, r"\(28, 32\)\]"),
        ([torch.zeros(1, 24, WIDTH)] * 3 + [torch.zeros(1, 25, WIDTH)], r"\(25, 32\)\]"),
        ([torch.zeros(1, 24, 48)] * 4, r"\(24, 48\)\]"),
    ],
)
def test_other_taps_are_refused(wrong: list[Tensor], found: str) -> None:
    decoder = ForceFieldDecoder(WIDTH, CHANNELS, IMAGE_SIZE)
    with pytest.raises(ModelError, match=rf"4 blocks, \(batch, 24, 32\) each, found .*{found}"):
        decoder(wrong)


def encoder(image_size: tuple[int, int] = IMAGE_SIZE) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(WIDTH, 12, 4, image_size=image_size).eval()


def test_normal_and_shear_come_from_two_passes(tmp_path: Path) -> None:
    decoder, _ = official_decoder(tmp_path)
    images = torch.rand(2, 6, *IMAGE_SIZE, generator=torch.Generator().manual_seed(1))
    field, seen = ForceField(encoder(), decoder), []
    field.encoder.patch_embed.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    maps = field(images)
    untouched = torch.full((2, 3, *IMAGE_SIZE), 127 / 255)
    against_gel = torch.cat([images[:, :3], untouched], dim=1)
    assert len(seen) == 1
    assert torch.equal(seen[0], torch.cat([against_gel, images]))
    for name, given in (("normal", against_gel), ("shear", images)):
        wanted = decoder(encoder().intermediate(given, [2, 5, 8, 11]))[name]
        assert maps[name].shape == wanted.shape
        assert torch.allclose(maps[name], wanted, atol=1e-4)
    other = decoder(encoder().intermediate(against_gel, [2, 5, 8, 11]))["shear"]
    assert not torch.allclose(maps["shear"], other, atol=1e-3)


def test_taps_from_hooks_have_registers(tmp_path: Path) -> None:
    decoder, _ = official_decoder(tmp_path)
    tapped, images = [], torch.rand(1, 6, *IMAGE_SIZE)
    hooked = encoder()
    for block in (2, 5, 8, 11):
        hooked.blocks[block].register_forward_hook(lambda _, __, output: tapped.append(output))
    hooked(images)
    assert [tap.shape[1] for tap in tapped] == [25] * 4
    wanted = decoder(encoder().intermediate(images, [2, 5, 8, 11]))
    for name, value in decoder(tapped).items():
        assert torch.allclose(value, wanted[name], atol=1e-4)


def test_encoder_and_decoder_must_share_their_grid() -> None:
    decoder = ForceFieldDecoder(WIDTH, CHANNELS, IMAGE_SIZE)
    with pytest.raises(ModelError, match=r"decoder .* \(4, 6\) patches, the encoder for \(6, 4\)"):
        ForceField(encoder((96, 64)), decoder)


def test_a_decoder_of_one_map(tmp_path: Path) -> None:
    weights = random_decoder()
    both = load_head(save_epoch(weights, tmp_path), image_size=IMAGE_SIZE)
    only = {name: value for name, value in weights.items() if "dispconv" not in name}
    decoder = load_head(save_epoch(only, tmp_path), image_size=IMAGE_SIZE)
    assert decoder.outputs == ("shear",)
    images = torch.rand(1, 6, *IMAGE_SIZE)
    found = ForceField(encoder(), decoder)(images)
    assert tuple(found) == ("shear",)
    wanted = ForceField(encoder(), both)(images)["shear"]
    assert torch.allclose(found["shear"], wanted, atol=1e-4)
