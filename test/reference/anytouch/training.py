# SPDX-License-Identifier: Apache-2.0
"""Both stages of the training of AnyTouch in NumPy, float64, one element at a time."""

from __future__ import annotations

import numpy as np

from reference.layers import Array, Weights, attend, gelu, layer_norm, linear

NORM_EPS = 1e-12


def cut(image: Array, patch: int) -> Array:
    """(3, H, W) -> (N, 3 p p), a patch row by row, colours innermost."""
    _, height, width = image.shape
    rows = []
    for top in range(0, height, patch):
        for left in range(0, width, patch):
            window = image[:, top : top + patch, left : left + patch]
            rows.append(
                [window[c, y, x] for y in range(patch) for x in range(patch) for c in range(3)]
            )
    return np.array(rows)


def hidden(patches: int, seen: Array) -> list[int]:
    return [place for place in range(patches) if place not in set(seen.tolist())]


def image_loss(found: Array, wanted: Array, seen: Array) -> float:
    """(B, N, P), (B, N, P), (B, K)."""
    errors = [
        float(((found[image, place] - wanted[image, place]) ** 2).sum()) / found.shape[2]
        for image in range(len(found))
        for place in hidden(found.shape[1], seen[image])
    ]
    return sum(errors) / len(errors)


def video_loss(found: Array, wanted: Array, seen: Array) -> tuple[float, float]:
    """(B, N, 4 P): of the first three frames the hidden patches, of the last one all."""
    size = found.shape[2] // 4
    before, after = [], []
    for clip in range(len(found)):
        for place in range(found.shape[1]):
            squares = (found[clip, place] - wanted[clip, place]) ** 2
            frames = [squares[f * size : (f + 1) * size].sum() / size for f in range(4)]
            after.append(frames[3])
            if place in hidden(found.shape[1], seen[clip]):
                before.append(sum(frames[:3]) / 3)
    return sum(before) / len(before), sum(after) / len(after)


def positions(cells: int, width: int) -> Array:
    """(N, W): sines and cosines of the row, then those of the column."""
    bands = [10000.0 ** (-k / (width // 4)) for k in range(width // 4)]
    table = []
    for row in range(cells):
        for column in range(cells):
            parts = [
                wave(at * band)
                for at in (row, column)
                for wave in (np.sin, np.cos)
                for band in bands
            ]
            table.append(parts)
    return np.array(table)


def decode(encoded: Array, weights: Weights, seen: Array, cells: int, video: bool) -> Array:
    """Last hidden state (1 + 5 + K, D) -> patches (N, P) or (N, 4 P)."""
    x = linear(encoded @ weights["touch_projection.weight"].T, weights, "decoder_embed")
    width = x.shape[1]
    patches = np.tile(weights["mask_token"].reshape(1, -1), (cells**2, 1))
    for number, place in enumerate(seen):
        patches[place] = x[6 + number]
    x = np.concatenate([x[:6], patches + positions(cells, width)])
    depth = len({name.split(".")[1] for name in weights if name.startswith("touch_decoder")})
    for block in (f"touch_decoder_blocks.{index}" for index in range(depth)):
        normal = layer_norm(x, weights, f"{block}.layernorm_before", NORM_EPS)
        names = ("query", "key", "value")
        own = [linear(normal, weights, f"{block}.attention.attention.{name}") for name in names]
        mixed = attend(*own, width // 32)
        x = x + linear(mixed, weights, f"{block}.attention.output.dense")
        normal = layer_norm(x, weights, f"{block}.layernorm_after", NORM_EPS)
        inner = gelu(linear(normal, weights, f"{block}.intermediate.dense"))
        x = x + linear(inner, weights, f"{block}.output.dense")
    x = layer_norm(x[6:], weights, "decoder_norm", NORM_EPS)
    return linear(x, weights, "decoder_pred_video" if video else "decoder_pred")


def cross_entropy(logits: Array, right: int) -> float:
    largest = logits.max()
    return float(largest + np.log(np.exp(logits - largest).sum()) - logits[right])


def contrast(first: Array, second: Array, scale: float) -> float:
    """Both ways, each the mean over the pairs, summed."""
    count = len(first)
    if not count:
        return 0.0
    one = sum(cross_entropy(scale * second @ first[i], i) for i in range(count)) / count
    return one + sum(cross_entropy(scale * first @ second[i], i) for i in range(count)) / count


def alignment(touch, picture, words, has_picture, has_words, scale) -> float:
    total = 0.0
    everyone = np.ones(len(touch), bool)
    for first, second, who, weight in (
        (picture, words, has_picture & has_words, 0.2 / 2),
        (touch, picture, everyone & has_picture, 1.0 / 2),
        (touch, words, everyone & has_words, 1.0),
    ):
        total += weight * contrast(first[who], second[who], scale)
    return total


def matching(same: Array, different: Array) -> float:
    """Minus the logarithms of the probabilities of the right answers."""
    right = -np.log(1.0 / (1.0 + np.exp(-same))).mean()
    return 0.1 * float(right - np.log(1.0 - 1.0 / (1.0 + np.exp(-different))).mean())
