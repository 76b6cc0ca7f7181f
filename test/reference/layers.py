# SPDX-License-Identifier: Apache-2.0
"""Layers that encoders and heads share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[np.float64]
Weights = dict[str, Array]


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x: Array, weights: Weights, name: str, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def softmax(x: Array) -> Array:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def mlp(x: Array, weights: Weights, name: str) -> Array:
    return linear(gelu(linear(x, weights, f"{name}.fc1")), weights, f"{name}.fc2")


def attend(query: Array, key: Array, value: Array, heads: int) -> Array:
    """(M, D), (N, D), (N, D) -> (M, D), head by head."""
    size = query.shape[1] // heads
    mixed = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        mixed.append(softmax(query[:, own] @ key[:, own].T / np.sqrt(size)) @ value[:, own])
    return np.concatenate(mixed, axis=1)
