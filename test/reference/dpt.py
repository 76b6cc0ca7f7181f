# SPDX-License-Identifier: Apache-2.0
"""The force-field decoder: shapes of its official file, and what it computes for one image."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from reference.layers import Array, Weights, gelu, layer_norm

Shapes = dict[str, tuple[int, ...]]


def shapes(width: int, channels: int = 128, probe_channels: int | None = None) -> Shapes:
    """Keys and shapes of an official decoder, without the prefix of its file.

    Args:
        probe_channels: 128 in every official decoder; None: as ``channels``, for small tests.
    """
    c, p = channels, probe_channels or channels
    kernels = {f"reassembles.{tap}.resample.conv1": (c, width, 1, 1) for tap in range(4)}
    for tap, size in ((0, 4), (1, 2), (3, 2)):
        kernels[f"reassembles.{tap}.resample.conv2"] = (c, c, size, size)
    for unit in (f"fusions.{tap}.res_conv{k}" for tap in range(4) for k in (1, 2)):
        kernels |= {f"{unit}.conv1": (c, c, 3, 3), f"{unit}.conv2": (c, c, 3, 3)}
    kernels |= {
        "probe.upconv_0.conv.conv": (p, c, 3, 3),
        "probe.upconv_1.conv.conv": (p, p + c, 3, 3),
        "probe.dispconv.conv": (1, p, 3, 3),
        "probe.shear_mlp.0.conv": (p // 2, p, 3, 3),
        "probe.shear_mlp.2.conv": (2, p // 2, 3, 3),
    }
    found: Shapes = {"norm.weight": (width,), "norm.bias": (width,)}
    for name, shape in kernels.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def decode(
    taps: list[Array], weights: Weights, grid: tuple[int, int], trap: bool = True
) -> dict[str, Array]:
    """Block outputs (N, D), shallow first -> maps (1, H, W) and (2, H, W).

    Args:
        trap: Add relu(x) in residual units, as the official code does; False adds x.
    """
    fused = None
    for tap in (3, 2, 1, 0):
        x = _reassemble(taps[tap], weights, tap, grid)
        x = _residual(x, weights, f"fusions.{tap}.res_conv1", trap)
        x = x if fused is None else x + fused
        x = _residual(x, weights, f"fusions.{tap}.res_conv2", trap)
        fused = _enlarge_bilinear(x)
    first = _elu(_convolve_reflected(fused, weights, "probe.upconv_0.conv.conv"))
    joined = np.concatenate([first, fused])
    second = _elu(_convolve_reflected(joined, weights, "probe.upconv_1.conv.conv"))
    large = second.repeat(2, axis=1).repeat(2, axis=2)
    hidden = gelu(_convolve_reflected(large, weights, "probe.shear_mlp.0.conv"))
    return {
        "normal": expit(_convolve_reflected(large, weights, "probe.dispconv.conv")),
        "shear": 20 * np.tanh(_convolve_reflected(hidden, weights, "probe.shear_mlp.2.conv")),
    }


def _reassemble(tokens: Array, weights: Weights, tap: int, grid: tuple[int, int]) -> Array:
    normal = layer_norm(tokens, weights, "norm", 1e-5)
    image = normal.reshape(*grid, -1).transpose(2, 0, 1)
    image = _convolve(image, weights, f"reassembles.{tap}.resample.conv1")
    name = f"reassembles.{tap}.resample.conv2"
    if tap in (0, 1):
        return _spread(image, weights, name)
    return image if tap == 2 else _convolve(image, weights, name, stride=2)


def _residual(x: Array, weights: Weights, name: str, trap: bool) -> Array:
    positive = np.maximum(x, 0)
    inner = np.maximum(_convolve(_pad(positive), weights, f"{name}.conv1"), 0)
    return _convolve(_pad(inner), weights, f"{name}.conv2") + (positive if trap else x)


def _pad(image: Array, mode: str = "constant") -> Array:
    return np.pad(image, ((0, 0), (1, 1), (1, 1)), mode=mode)


def _convolve_reflected(image: Array, weights: Weights, name: str) -> Array:
    return _convolve(_pad(image, "reflect"), weights, name)


def _convolve(image: Array, weights: Weights, name: str, stride: int = 1) -> Array:
    """(C, H, W) -> (C', H', W'), without padding, one pixel at a time."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    size = kernel.shape[2]
    rows = (image.shape[1] - size) // stride + 1
    columns = (image.shape[2] - size) // stride + 1
    result = np.empty((len(kernel), rows, columns))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            window = image[:, top : top + size, left : left + size]
            result[:, row, column] = np.tensordot(kernel, window, axes=3) + bias
    return result


def _spread(image: Array, weights: Weights, name: str) -> Array:
    """Transposed convolution whose stride is its kernel's size: each pixel becomes a square."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]  # (inputs, outputs, s, s)
    size = kernel.shape[2]
    _, rows, columns = image.shape
    result = np.empty((kernel.shape[1], rows * size, columns * size))
    for row in range(rows):
        for column in range(columns):
            square = np.tensordot(image[:, row, column], kernel, axes=1)
            own = np.s_[:, row * size : (row + 1) * size, column * size : (column + 1) * size]
            result[own] = square + bias[:, None, None]
    return result


def _enlarge_bilinear(image: Array) -> Array:
    """Twice the size, the corner pixels in the corners."""
    rows = _interpolation(image.shape[1])
    columns = _interpolation(image.shape[2])
    return rows @ image @ columns.T


def _interpolation(length: int) -> Array:
    weights = np.zeros((2 * length, length))
    for target in range(2 * length):
        position = target * (length - 1) / (2 * length - 1)
        low = min(int(position), max(length - 2, 0))
        weights[target, low] += 1 - (position - low)
        if length > 1:
            weights[target, low + 1] += position - low
    return weights


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
