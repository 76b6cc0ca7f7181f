# SPDX-License-Identifier: Apache-2.0
"""Encoder, heads and preprocessing against a second, plain implementation in NumPy float64.

The reference below is written from the published description of the architecture, with loops and
without any of the product's shortcuts (fused attention, folded pooler, joined images).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import erf, expit

from sparsh_ros.models.heads import AttentivePooler, ForceHead, PoseHead, SlipHead
from sparsh_ros.models.preprocess import Preprocess
from sparsh_ros.models.vit import SinusoidalPositions, VisionTransformer

Array = NDArray[np.float64]
Weights = dict[str, Array]
TOLERANCE = 1e-4

WIDTH, DEPTH, HEADS = 48, 3, 4


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x: Array, weights: Weights, name: str, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def softmax(x: Array) -> Array:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def mlp(x: Array, weights: Weights, name: str) -> Array:
    hidden = linear(x, weights, f"{name}.fc1")
    return linear(0.5 * hidden * (1 + erf(hidden / np.sqrt(2))), weights, f"{name}.fc2")


def attend(query: Array, key: Array, value: Array, heads: int) -> Array:
    """(M, D), (N, D), (N, D) -> (M, D), head by head."""
    size = query.shape[1] // heads
    mixed = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        mixed.append(softmax(query[:, own] @ key[:, own].T / np.sqrt(size)) @ value[:, own])
    return np.concatenate(mixed, axis=1)


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


def pool(tokens: Array, weights: Weights, heads: int, prefix: str = "") -> Array:
    """(N, D) -> (D,), keys and values of every token spelled out."""
    block = f"{prefix}cross_attention_block"
    query = weights[f"{prefix}query_tokens"][0]
    normal = layer_norm(tokens, weights, f"{block}.norm1", 1e-5)
    key, value = np.split(linear(normal, weights, f"{block}.xattn.kv"), 2, axis=1)
    mixed = attend(linear(query, weights, f"{block}.xattn.q"), key, value, heads)
    y = query + linear(mixed, weights, f"{block}.xattn.proj")
    return (y + mlp(layer_norm(y, weights, f"{block}.norm2", 1e-5), weights, f"{block}.mlp"))[0]


def probe(x: Array, weights: Weights, name: str, activation=lambda x: np.maximum(x, 0)) -> Array:
    return linear(activation(linear(x, weights, f"{name}.0")), weights, f"{name}.2")


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


def test_pooler_equals_its_plain_form() -> None:
    pooler = AttentivePooler(WIDTH, HEADS)
    weights = randomise(pooler)
    tokens = torch.randn(3, 20, WIDTH, generator=torch.Generator().manual_seed(2))
    wanted = np.stack([pool(each, weights, HEADS) for each in tokens.double().numpy()])
    assert error(pooler(tokens), wanted) < TOLERANCE


def test_heads() -> None:
    tokens = torch.randn(1, 20, WIDTH, generator=torch.Generator().manual_seed(3))

    def run(kind: type[torch.nn.Module]) -> tuple[dict[str, torch.Tensor], Weights, Array]:
        head = kind(WIDTH, HEADS)
        weights = randomise(head)
        pooled = pool(tokens[0].double().numpy(), weights, HEADS, "pooler.")
        return {name: value[0] for name, value in head(tokens).items()}, weights, pooled

    found, weights, pooled = run(ForceHead)
    x, y, z = probe(pooled, weights, "probe")
    assert error(found["force"], np.array([np.tanh(x), np.tanh(y), expit(z)])) < TOLERANCE

    found, weights, pooled = run(SlipHead)
    normal = layer_norm(pooled, weights, "fc_norm", 1e-5)
    assert error(found["slip"], probe(normal, weights, "probe", expit)) < TOLERANCE
    change = np.clip(probe(normal, weights, "force_probe"), -1, 1)
    assert error(found["force"], change) < TOLERANCE

    found, weights, pooled = run(PoseHead)
    for name in ("tx", "ty", "yaw"):
        assert error(found[name], probe(pooled, weights, f"probe_{name}")) < TOLERANCE


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
