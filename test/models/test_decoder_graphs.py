# SPDX-License-Identifier: Apache-2.0
"""Official decoders after export to ONNX: still the plain form's numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from reference import dpt, heads
from reference.official import doubles, random_weights, save_epoch
from torch import Tensor, nn

from sparsh_ros.export.export import write_graph
from sparsh_ros.models.dpt import ForceField, ForceFieldDecoder
from sparsh_ros.models.loading.heads import load_head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer

WIDTH, CHANNELS, TOKENS = 48, 8, 20
GRID, IMAGE_SIZE = (4, 2), (64, 32)
TOLERANCE = 1e-4


class Taps(nn.Module):
    """A force-field decoder with one graph input per block."""

    def __init__(self, decoder: ForceFieldDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> dict[str, Tensor]:
        return self.decoder([a, b, c, d])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def run_graph(
    module: nn.Module, outputs: tuple[str, ...], inputs: dict[str, Tensor], folder: Path
) -> dict[str, np.ndarray]:
    """Export with a batch of 2, run ONNX Runtime on the inputs given."""
    examples = {name: torch.cat([value, value])[:2] for name, value in inputs.items()}
    spec = ModelSpec("m", "micro", "MIT", folder)
    write_graph(module, examples, list(outputs), spec, "part")
    session = onnxruntime.InferenceSession(folder / "part.onnx")
    values = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return dict(zip(outputs, values, strict=True))


@pytest.mark.parametrize("task", heads.PROBES)
def test_heads(task: str, tmp_path: Path) -> None:
    weights = random_weights(heads.shapes(task, WIDTH))
    head = load_head(save_epoch(weights, tmp_path))
    tokens = random(3, TOKENS, WIDTH)
    found = run_graph(head, head.outputs, {"tokens": tokens}, tmp_path)
    for index, image in enumerate(tokens.double().numpy()):
        wanted = heads.decode(task, [image], doubles(weights), 12)
        for name, value in wanted.items():
            assert np.abs(found[name][index] - value).max() < TOLERANCE


def decoder_file(folder: Path) -> tuple[ForceFieldDecoder, dict[str, Tensor]]:
    weights = random_weights(dpt.shapes(WIDTH, CHANNELS), gain=0.7)
    return load_head(save_epoch(weights, folder), image_size=IMAGE_SIZE), weights


def test_taps_to_maps(tmp_path: Path) -> None:
    decoder, weights = decoder_file(tmp_path)
    taps = {f"block_{n}": random(3, math.prod(GRID), WIDTH, seed=n) for n in (2, 5, 8, 11)}
    found = run_graph(Taps(decoder), decoder.outputs, taps, tmp_path)
    for index in range(3):
        image = [tap[index].double().numpy() for tap in taps.values()]
        for name, value in dpt.decode(image, doubles(weights), GRID).items():
            assert np.abs(found[name][index] - value).max() < TOLERANCE


def test_images_to_maps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(WIDTH, 12, 4, image_size=IMAGE_SIZE).eval()
    module = ForceField(encoder, decoder_file(tmp_path)[0])
    images = torch.rand(3, 6, *IMAGE_SIZE)
    found = run_graph(module, module.decoder.outputs, {"images": images}, tmp_path)
    with torch.no_grad():
        wanted = module(images)
    for name, value in wanted.items():
        assert np.abs(found[name] - value.numpy()).max() < TOLERANCE
