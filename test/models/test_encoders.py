# SPDX-License-Identifier: Apache-2.0
"""Encoders of every kind, loaded from files in the official config, against NumPy float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.interpreter import run_python
from reference import encoder as reference
from safetensors.torch import save_file
from torch import Tensor

from sparsh_ros.errors import FrameError, ModelError
from sparsh_ros.models import load_encoder
from sparsh_ros.models.layers import SinusoidalPositions
from sparsh_ros.models.vit import VisionTransformer

TOLERANCE = 1e-4
SMALLEST_COSINE = 0.999
VIDEO = {"channels": 3, "kernel": (2, 16, 16)}

CASES = {
    "one register": ({}, (64, 48)),
    "no register": ({"registers": 0}, (64, 48)),
    "four registers": ({"registers": 4}, (64, 48)),
    "no layer scale": ({"layer_scale": False}, (64, 48)),
    "learned positions": ({"learned": 12}, (64, 48)),
    "square image": ({}, (96, 96)),
    "landscape": ({}, (48, 80)),
    "small patches, one frame, narrow": ({"kernel": (8, 8), "channels": 3}, (32, 40)),
    "narrow perceptron": ({"mlp_dim": 96}, (64, 48)),
    "video": ({**VIDEO, "registers": 0}, (64, 48)),
    "video, register": ({**VIDEO, "registers": 1}, (64, 48)),
    "video, learned positions": ({**VIDEO, "learned": 24, "layer_scale": False}, (64, 48)),
}


def save(tmp_path: Path, width: int, depth: int, **kind: Any) -> tuple[Path, dict[str, Tensor]]:
    weights = reference.draw(reference.shapes(width, depth, **kind))
    path = tmp_path / "encoder.safetensors"
    save_file(weights, path)
    return path, weights


def random_input(encoder: VisionTransformer, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, *encoder.config.input_shape, generator=generator)


def expected(images: Tensor, weights: dict[str, Tensor], heads: int) -> np.ndarray:
    values = reference.doubles(weights)
    return np.stack([reference.encode(i, values, heads)[0] for i in images.double().numpy()])


@torch.no_grad()
def error(encoder: VisionTransformer, images: Tensor, wanted: np.ndarray) -> float:
    found = encoder(images)
    assert found.dtype == torch.float32
    assert found.shape == wanted.shape
    assert wanted.std() > 0.5
    return float(np.abs(found.numpy() - wanted).max())


@pytest.mark.parametrize(("kind", "size"), CASES.values(), ids=CASES)
def test_every_kind(tmp_path: Path, kind: dict[str, Any], size: tuple[int, int]) -> None:
    path, weights = save(tmp_path, 128, 3, **kind)
    encoder = load_encoder(path, image_size=size)
    images = random_input(encoder)
    assert not encoder.training
    assert error(encoder, images, expected(images, weights, 2)) < TOLERANCE


@pytest.mark.parametrize(
    ("width", "depth", "kind"),
    [
        (192, 12, {}),
        (192, 12, VIDEO),
        (384, 12, {}),
        (384, 12, VIDEO),
        (1024, 2, {}),  # of 24 blocks, for the sake of time
    ],
)
def test_every_size(tmp_path: Path, width: int, depth: int, kind: dict[str, Any]) -> None:
    path, weights = save(tmp_path, width, depth, **kind)
    encoder = load_encoder(path, image_size=(32, 48))
    images = random_input(encoder, batch=1)
    assert error(encoder, images, expected(images, weights, width // 64)) < TOLERANCE


def test_the_side_of_a_square_will_do(tmp_path: Path) -> None:
    path, _ = save(tmp_path, 128, 1)
    assert (
        load_encoder(path, image_size=64).config == load_encoder(path, image_size=(64, 64)).config
    )


def test_base_as_published(tmp_path: Path) -> None:
    path, weights = save(tmp_path, 768, 12)
    encoder = load_encoder(path)
    images = random_input(encoder, batch=1)
    assert images.shape == (1, 6, 320, 240)
    wanted = expected(images, weights, 12)
    assert wanted.shape == (1, 300, 768)
    assert error(encoder, images, wanted) < TOLERANCE


def test_video_as_published(tmp_path: Path) -> None:
    path, weights = save(tmp_path, 192, 4, **VIDEO)
    encoder = load_encoder(path)
    images = random_input(encoder, batch=1)
    assert images.shape == (1, 3, 4, 320, 240)
    wanted = expected(images, weights, 3)
    assert wanted.shape == (1, 600, 192)
    assert error(encoder, images, wanted) < TOLERANCE


def test_longer_clips(tmp_path: Path) -> None:
    path, weights = save(tmp_path, 64, 2, **VIDEO)
    encoder = load_encoder(path, image_size=(32, 48), frames=8)
    images = random_input(encoder)
    assert images.shape == (2, 3, 8, 32, 48)
    assert error(encoder, images, expected(images, weights, 1)) < TOLERANCE


def test_heads_that_width_does_not_fix(tmp_path: Path) -> None:
    path, weights = save(tmp_path, 48, 2)
    encoder = load_encoder(path, image_size=(64, 48), num_heads=4)
    images = random_input(encoder)
    assert error(encoder, images, expected(images, weights, 4)) < TOLERANCE


@pytest.mark.parametrize("kind", [{}, VIDEO], ids=["image", "video"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(tmp_path: Path, kind: dict[str, Any], dtype: torch.dtype) -> None:
    path, weights = save(tmp_path, 192, 12, **kind)
    encoder = load_encoder(path, image_size=(64, 48))
    images = random_input(encoder, batch=1)
    with torch.no_grad():
        found = encoder.to(dtype)(images.to(dtype))
    assert found.dtype == dtype
    wanted = torch.from_numpy(expected(images, weights, 3))
    assert torch.cosine_similarity(found.double(), wanted, dim=-1).min() > SMALLEST_COSINE


@pytest.mark.parametrize("kind", [{}, VIDEO], ids=["image", "video"])
def test_autocast_to_half_precision(tmp_path: Path, kind: dict[str, Any]) -> None:
    path, weights = save(tmp_path, 192, 12, **kind)
    encoder = load_encoder(path, image_size=(64, 48))
    images = random_input(encoder, batch=1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = encoder(images)
    wanted = torch.from_numpy(expected(images, weights, 3))
    assert torch.cosine_similarity(found.double(), wanted, dim=-1).min() > SMALLEST_COSINE


@pytest.mark.parametrize("registers", [0, 2])
def test_outputs_of_blocks(tmp_path: Path, registers: int) -> None:
    path, weights = save(tmp_path, 64, 5, registers=registers)
    encoder = load_encoder(path, image_size=(64, 48))
    images = random_input(encoder, batch=1)
    with torch.no_grad():
        found = encoder.intermediate(images, [0, 2, 4])
    _, taps = reference.encode(images[0].double().numpy(), reference.doubles(weights), 1)
    for tap, index in zip(found, (0, 2, 4), strict=True):
        assert tap.shape == (1, 12, 64)
        assert np.abs(tap[0].numpy() - taps[index]).max() < TOLERANCE


@pytest.mark.parametrize("blocks", [[], [5], [-1], [2, 1], [1, 1]])
def test_blocks_that_are_not_there(tmp_path: Path, blocks: list[int]) -> None:
    path, _ = save(tmp_path, 64, 5)
    encoder = load_encoder(path, image_size=(64, 48))
    with pytest.raises(ModelError, match="ascending blocks of 0 to 4"):
        encoder.intermediate(random_input(encoder), blocks)


@pytest.mark.parametrize("shape", [(1, 6, 48, 64), (1, 3, 64, 48), (6, 64, 48), (1, 6, 80, 48)])
def test_images_of_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path, _ = save(tmp_path, 64, 1)
    encoder = load_encoder(path, image_size=(64, 48))
    with pytest.raises(FrameError, match=r"wanted \(B, 6, 64, 48\), found"):
        encoder(torch.zeros(shape))


def test_registers_of_zeros_are_those_of_a_file_with_zeros(tmp_path: Path) -> None:
    path, weights = save(tmp_path, 64, 3, registers=0)
    encoder = load_encoder(path, image_size=(64, 48), zero_registers=1)
    images = random_input(encoder)
    wanted = expected(images, weights | {"register_tokens": torch.zeros(1, 1, 64)}, 1)
    assert error(encoder, images, wanted) < TOLERANCE
    assert error(load_encoder(path, image_size=(64, 48)), images, wanted) > 10 * TOLERANCE
    path, _ = save(tmp_path, 64, 3, registers=1)
    with pytest.raises(ModelError, match="zero_registers=1 .* found 1 trained"):
        load_encoder(path, image_size=(64, 48), zero_registers=1)


@pytest.mark.parametrize("width", [46, 48])
@pytest.mark.parametrize("grid", [(5, 3), (2, 5, 3)])
def test_positions(width: int, grid: tuple[int, ...]) -> None:
    wanted = reference.positions(list(grid), width)
    assert np.abs(SinusoidalPositions(grid, width)()[0].numpy() - wanted).max() < 1e-6


def test_frequencies_are_those_of_the_file(tmp_path: Path) -> None:
    weights = reference.draw(reference.shapes(64, 1))
    own = load_from(weights, tmp_path)
    weights["pos_embed.frequency_bands"] *= 0.5
    assert not torch.allclose(own.pos_embed(), load_from(weights, tmp_path).pos_embed(), atol=0.1)


def load_from(weights: dict[str, Tensor], folder: Path) -> VisionTransformer:
    save_file(weights, folder / "encoder.safetensors")
    return load_encoder(folder / "encoder.safetensors", image_size=(64, 48))


def test_gradients_flow_for_fine_tuning(tmp_path: Path) -> None:
    path, _ = save(tmp_path, 64, 2)
    encoder = load_encoder(path, image_size=(64, 48))
    encoder(random_input(encoder)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_importing_the_package_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import sparsh_ros.models as m; "
        "assert {'load_encoder', 'load_head'} <= set(dir(m)); assert not hasattr(m, 'nothing')"
    )
    run_python(code)
