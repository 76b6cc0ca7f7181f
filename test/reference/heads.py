# SPDX-License-Identifier: Apache-2.0
"""Attentive probes: shapes of their official files, and what they compute for one image."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from reference.layers import Array, Weights, attend, layer_norm, linear, mlp

Shapes = dict[str, tuple[int, ...]]


def shapes(task: str, width: int, fingers: int = 1, ratio: int = 4) -> Shapes:
    """Keys and shapes of an official head, without the prefix of its file."""
    block = "pooler.cross_attention_block"
    found: Shapes = {"pooler.query_tokens": (1, 1, width)}
    for name in (f"{block}.norm1", f"{block}.norm2"):
        found |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    layers = {
        f"{block}.xattn.q": (width, width),
        f"{block}.xattn.kv": (2 * width, width),
        f"{block}.xattn.proj": (width, width),
        f"{block}.mlp.fc1": (ratio * width, width),
        f"{block}.mlp.fc2": (width, ratio * width),
    }
    if task == "slip":
        found |= {"fc_norm.weight": (width,), "fc_norm.bias": (width,)}
    for probe, outputs in PROBES[task].items():
        layers[f"{probe}.0"] = (fingers * width // 4, fingers * width)
        layers[f"{probe}.2"] = (outputs, fingers * width // 4)
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


PROBES = {
    "force": {"probe": 3},
    "slip": {"force_probe": 3, "probe": 2},
    "pose": {"probe_tx": 11, "probe_ty": 11, "probe_yaw": 11},
    "grasp": {"probe": 2},
    "textile": {"probe": 20},
}


def pool(tokens: Array, weights: Weights, heads: int, prefix: str = "pooler.") -> Array:
    """(N, D) -> (D,), keys and values of every token spelled out."""
    block = f"{prefix}cross_attention_block"
    query = weights[f"{prefix}query_tokens"][0]
    normal = layer_norm(tokens, weights, f"{block}.norm1", 1e-5)
    key, value = np.split(linear(normal, weights, f"{block}.xattn.kv"), 2, axis=1)
    mixed = attend(linear(query, weights, f"{block}.xattn.q"), key, value, heads)
    y = query + linear(mixed, weights, f"{block}.xattn.proj")
    return (y + mlp(layer_norm(y, weights, f"{block}.norm2", 1e-5), weights, f"{block}.mlp"))[0]


def decode(task: str, fingers: list[Array], weights: Weights, heads: int) -> dict[str, Array]:
    """Tokens (N, D) of each finger -> the head's outputs by name."""
    pooled = np.concatenate([pool(tokens, weights, heads) for tokens in fingers])
    if task == "force":
        x, y, z = _perceptron(pooled, weights, "probe")
        return {"force": np.array([np.tanh(x), np.tanh(y), expit(z)])}
    if task == "slip":
        normal = layer_norm(pooled, weights, "fc_norm", 1e-5)
        change = np.clip(_perceptron(normal, weights, "force_probe"), -1, 1)
        return {"slip": _perceptron(normal, weights, "probe", expit), "force": change}
    if task == "pose":
        return {axis: _perceptron(pooled, weights, f"probe_{axis}") for axis in ("tx", "ty", "yaw")}
    return {task: _perceptron(pooled, weights, "probe")}


def _perceptron(x: Array, weights: Weights, name: str, activation=lambda x: np.maximum(x, 0)):
    return linear(activation(linear(x, weights, f"{name}.0")), weights, f"{name}.2")
