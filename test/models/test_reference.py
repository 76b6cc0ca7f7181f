# SPDX-License-Identifier: Apache-2.0
"""Encoder and preprocessing against a second, plain implementation in NumPy float64.

The reference below is written from the published description of the architecture, with loops and
without any of the product's shortcuts (fused attention, joined images).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference.layers import Array, Weights, attend, layer_norm, linear, mlp

from sparsh_ros.models.preprocess import Preprocess
from sparsh_ros.models.vit import SinusoidalPositions, VisionTransformer

TOLERANCE = 1e-4

WIDTH, DEPTH, HEADS = 48, 3, 4


def positions(rows: int, columns: int, width: int) -> Array:
    count = int(np.ceil(width / 4))
    frequencies = 10000.0 ** (-np.arange(count) / count)
    table = []
    for row in range(rows):
        for column in range(columns):
            parts = [f(p * frequencies) for p in (row, column) for f in (np.sin, np.cos)]
            table.append(np.concatenate(parts)[:width])
    return np.array(table)


def encode(image: Array, weights: Weights, depth: int, heads: int) -> Array:
    """(C, H, W) -> (N, D)."""
    kernel = weights["patch_embed.proj.weight"]
    size = kernel.shape[-1]
    rows, columns = image.shape[1] // size, image.shape[2] // size
    patches = [
        image[:, r * size : (r + 1) * size, c * size : (c + 1) * size]
        for r in range(rows)
        for c in range(columns)
    ]
    x = np.array([(kernel * patch).sum((1, 2, 3)) for patch in patches])
    x = x + weights["patch_embed.proj.bias"] + positions(rows, columns, kernel.shape[0])
    registers = weights.get("register_tokens", np.zeros((1, 0, kernel.shape[0])))[0]
    x = np.concatenate([registers, x])
    for layer in range(depth):
        block = f"blocks.{layer}"
        normal = layer_norm(x, weights, f"{block}.norm1", 1e-6)
        query, key, value = np.split(linear(normal, weights, f"{block}.attn.qkv"), 3, axis=1)
        mixed = linear(attend(query, key, value, heads), weights, f"{block}.attn.proj")
        x = x + weights[f"{block}.ls1.gamma"] * mixed
        normal = layer_norm(x, weights, f"{block}.norm2", 1e-6)
        x = x + weights[f"{block}.ls2.gamma"] * mlp(normal, weights, f"{block}.mlp")
    return layer_norm(x, weights, "norm", 1e-6)[len(registers) :]


def preprocess(current: NDArray, previous: NDArray, background: NDArray) -> Array:
    """(H, W, 3) uint8 each -> (6, H, W), with the published rule for the background."""
    frames = []
    for frame in (current, previous):
        share = (frame.astype(int) - background.astype(int)) / 255 + 0.5
        frames.append(np.trunc(255 * np.clip(share, 0, 1)) / 255)
    return np.concatenate(frames, axis=2).transpose(2, 0, 1)


def randomise(module: torch.nn.Module) -> Weights:
    """Give every parameter a value that matters; return them all as float64."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            spread = 0.5 / np.sqrt(parameter.shape[-1]) if parameter.ndim > 1 else 0.3
            parameter.add_(torch.randn(parameter.shape, generator=generator) * spread)
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def error(found: torch.Tensor, wanted: Array) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.detach().numpy() - wanted).max())


@pytest.mark.parametrize("registers", [0, 1, 2])
def test_encoder(registers: int) -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(WIDTH, DEPTH, HEADS, image_size=(64, 48), registers=registers)
    weights = randomise(encoder)
    images = torch.rand(2, 6, 64, 48)
    wanted = np.stack([encode(image, weights, DEPTH, HEADS) for image in images.double().numpy()])
    assert wanted.std() > 0.5
    assert error(encoder(images), wanted) < TOLERANCE


@pytest.mark.parametrize("width", [46, 48])
def test_positions(width: int) -> None:
    assert error(SinusoidalPositions((5, 3), width)()[0], positions(5, 3, width)) < 1e-6


def test_preprocessing() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 32, 24, 3), dtype=np.uint8)
    module = Preprocess((32, 24), (32, 24))
    found = module(*(torch.from_numpy(image) for image in images))
    wanted = np.stack([preprocess(*triple) for triple in images.transpose(1, 0, 2, 3, 4)])
    assert error(found, wanted) < 1e-7


def test_background_rule_for_every_pair_of_values() -> None:
    values = np.arange(256, dtype=np.uint8)
    frame, background = np.broadcast_arrays(values[:, None, None], values[None, :, None])
    frame, background = (np.repeat(image, 3, axis=2) for image in (frame, background))
    module = Preprocess((256, 256), (256, 256))
    found = module(*(torch.from_numpy(image)[None] for image in (frame, frame, background)))
    assert error(found[0], preprocess(frame, frame, background)) < 1e-7
