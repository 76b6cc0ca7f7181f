# SPDX-License-Identifier: Apache-2.0
"""The encoders: shapes of their official files, and what they compute for one image or clip."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from reference.layers import Array, Weights, attend, layer_norm, linear, mlp

Shapes = dict[str, tuple[int, ...]]


def shapes(
    width: int,
    depth: int,
    *,
    channels: int = 6,
    kernel: tuple[int, ...] = (16, 16),
    registers: int = 1,
    layer_scale: bool = True,
    learned: int | None = None,
    mlp_dim: int | None = None,
) -> Shapes:
    """Keys and shapes of an official encoder.

    Args:
        kernel: Of the patches, (p, p), or (t, p, p) of a video encoder.
        learned: Tokens with a learned position; None for sinusoidal positions.
    """
    axes, hidden = len(kernel), mlp_dim or 4 * width
    found: Shapes = {"register_tokens": (1, registers, width)} if registers else {}
    found["patch_embed.proj.weight"] = (width, channels, *kernel)
    found["patch_embed.proj.bias"] = (width,)
    if learned:
        found["pos_embed"] = (1, learned, width)
    else:
        found["pos_embed.frequency_bands"] = (axes, math.ceil(width / (2 * axes)))
    linears = {
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        "mlp.fc1": (hidden, width),
        "mlp.fc2": (width, hidden),
    }
    for block in (f"blocks.{index}" for index in range(depth)):
        for norm in ("norm1", "norm2"):
            found |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
        for name, shape in linears.items():
            found |= {f"{block}.{name}.weight": shape, f"{block}.{name}.bias": shape[:1]}
        if layer_scale:
            found |= {f"{block}.ls1.gamma": (width,), f"{block}.ls2.gamma": (width,)}
    return found | {"norm.weight": (width,), "norm.bias": (width,)}


def draw(wanted: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Values for an encoder, away from the ones and zeros that hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, shape in wanted.items():
        value = torch.randn(shape, generator=generator)
        if name == "pos_embed.frequency_bands":
            value = torch.from_numpy(np.tile(frequencies(shape[1]), (shape[0], 1))).float()
        elif name.endswith("gamma"):
            value = 0.5 + 0.3 * value
        elif "norm" in name and name.endswith("weight"):
            value = 1 + 0.3 * value
        elif len(shape) == 1:
            value = 0.3 * value
        elif name.endswith("weight"):
            value = value / math.sqrt(math.prod(shape[1:]))
        drawn[name] = value
    return drawn


def encode(image: Array, weights: Weights, heads: int) -> tuple[Array, list[Array]]:
    """(C, H, W) or (C, T, H, W) -> tokens (N, D), and what each block gave, (N, D) each."""
    x = _embed(image, weights)
    registers = weights.get("register_tokens", np.zeros((1, 0, x.shape[1])))[0]
    x = np.concatenate([registers, x])
    depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    taps = []
    for block in (f"blocks.{index}" for index in range(depth)):
        normal = layer_norm(x, weights, f"{block}.norm1", 1e-6)
        query, key, value = np.split(linear(normal, weights, f"{block}.attn.qkv"), 3, axis=1)
        mixed = linear(attend(query, key, value, heads), weights, f"{block}.attn.proj")
        x = x + weights.get(f"{block}.ls1.gamma", 1.0) * mixed
        normal = layer_norm(x, weights, f"{block}.norm2", 1e-6)
        x = x + weights.get(f"{block}.ls2.gamma", 1.0) * mlp(normal, weights, f"{block}.mlp")
        taps.append(x[len(registers) :])
    return layer_norm(x, weights, "norm", 1e-6)[len(registers) :], taps


def _embed(image: Array, weights: Weights) -> Array:
    kernel = weights["patch_embed.proj.weight"]
    size = kernel.shape[2:]
    grid = [length // side for length, side in zip(image.shape[1:], size, strict=True)]
    patches = []
    for place in itertools.product(*(range(length) for length in grid)):
        window = [slice(p * s, (p + 1) * s) for p, s in zip(place, size, strict=True)]
        patches.append(image[(slice(None), *window)].ravel())
    tokens = np.array(patches) @ kernel.reshape(len(kernel), -1).T
    learned = weights.get("pos_embed")
    table = positions(grid, len(kernel)) if learned is None else learned[0]
    return tokens + weights["patch_embed.proj.bias"] + table


def frequencies(count: int) -> Array:
    """The angular frequencies of sinusoidal positions, highest first."""
    return 10000.0 ** (-np.arange(count) / count)


def positions(grid: list[int], width: int) -> Array:
    """Sinusoidal positions (N, D) of a grid, row-major."""
    angular = frequencies(math.ceil(width / (2 * len(grid))))
    table = []
    for place in itertools.product(*(range(length) for length in grid)):
        parts = [function(p * angular) for p in place for function in (np.sin, np.cos)]
        table.append(np.concatenate(parts)[:width])
    return np.array(table)


def doubles(weights: Mapping[str, Tensor]) -> Weights:
    """Weights as NumPy float64."""
    return {name: value.double().numpy() for name, value in weights.items()}
