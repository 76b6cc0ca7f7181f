# SPDX-License-Identifier: Apache-2.0
"""The losses of SARL in NumPy, float64, one image, cell and pair at a time."""

from __future__ import annotations

import numpy as np


def byol(prediction, projection):
    """2 - 2 cos, mean over the batch."""
    rows = [
        2.0 - 2.0 * (p @ z) / (np.linalg.norm(p) * np.linalg.norm(z))
        for p, z in zip(prediction, projection, strict=True)
    ]
    return float(np.mean(rows))


def follow(x, y, source, target):
    """Pixel (x, y) of the source view -> pixel of the target view, and whether it lies there."""
    if source["flip"]:
        x = source["view_size"] - x
    x = source["crop_left"] + x / source["view_size"] * source["crop_w"]
    y = source["crop_top"] + y / source["view_size"] * source["crop_h"]
    size = target["view_size"]
    x = (x - target["crop_left"]) / target["crop_w"] * size
    y = (y - target["crop_top"]) / target["crop_h"] * size
    if target["flip"]:
        x = size - x
    return x, y, 0.0 <= x <= size - 1.0 and 0.0 <= y <= size - 1.0


def image_view(view, index):
    """The geometry of one image of a batch."""
    return {name: float(values[index]) for name, values in view.items()}


def sample(image, x, y):
    """Bilinear value at pixel coordinates whose pixel centres are whole; zero outside."""
    left, top = int(np.floor(x)), int(np.floor(y))
    value = 0.0
    for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                value += share_x * share_y * image[row, column]
    return value


def resize(image, rows, columns):
    """Bilinear, with the edge repeated, pixel areas aligned."""
    found = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            y = np.clip((i + 0.5) * image.shape[0] / rows - 0.5, 0, image.shape[0] - 1)
            x = np.clip((j + 0.5) * image.shape[1] / columns - 0.5, 0, image.shape[1] - 1)
            found[i, j] = sample(image, x, y)
    return found


def saliency(features):
    """(C, H, W) -> (H, W) of unit norm."""
    total = np.abs(features).sum(axis=0)
    return total / max(np.sqrt((total**2).sum()), 1e-8)


def saliency_alignment(online, target, view1, view2):
    """Squared differences of saliency where both views look, mean over the batch's cells."""
    rows, columns = online.shape[-2:]
    total, count = 0.0, 0
    for index in range(len(online)):
        source, goal = image_view(view1, index), image_view(view2, index)
        ours, theirs = saliency(online[index]), saliency(target[index])
        if theirs.shape != (rows, columns):
            theirs = resize(theirs, rows, columns)
        for i in range(rows):
            for j in range(columns):
                size = source["view_size"]
                x, y, valid = follow(
                    (j + 0.5) * size / columns, (i + 0.5) * size / rows, source, goal
                )
                if valid:
                    x = x / goal["view_size"] * columns - 0.5
                    y = y / goal["view_size"] * rows - 0.5
                    total += (ours[i, j] - sample(theirs, x, y)) ** 2
                    count += 1
    return total / max(count, 1)


def regions(features, grid):
    """(C, H, W) -> (grid * grid, C) unit vectors, bins as of adaptive average pooling."""
    _, rows, columns = features.shape
    found = []
    for i in range(grid):
        for j in range(grid):
            top, bottom = i * rows // grid, -(-(i + 1) * rows // grid)
            left, right = j * columns // grid, -(-(j + 1) * columns // grid)
            mean = features[:, top:bottom, left:right].mean(axis=(1, 2))
            found.append(mean / np.linalg.norm(mean))
    return np.array(found)


def shares(features, prototypes, grid, temperature):
    """Mean soft assignment of the patches to the prototypes."""
    unit = prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    logits = regions(features, grid) @ unit.T / temperature
    soft = np.exp(logits - logits.max(axis=1, keepdims=True))
    soft /= soft.sum(axis=1, keepdims=True)
    return np.maximum(soft.mean(axis=0), 1e-8)


def prototype_alignment(online, target, prototypes, grid=7, temperature=0.1):
    """Both Kullback-Leibler divergences, mean over the batch."""
    total = 0.0
    for ours, theirs in zip(online, target, strict=True):
        p = shares(ours, prototypes, grid, temperature)
        q = shares(theirs, prototypes, grid, temperature)
        total += (p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()
    return total / len(online)


def region_affinity(online, target, view1, view2, grid=6):
    """Squared differences of cosine distances over regions in both views, mean over images."""
    losses = []
    for index in range(len(online)):
        source, goal = image_view(view1, index), image_view(view2, index)
        pairs = []
        for place in range(grid * grid):
            size = source["view_size"]
            x, y, valid = follow(
                (place % grid + 0.5) * size / grid,
                (place // grid + 0.5) * size / grid,
                source,
                goal,
            )
            if valid:
                column = int(x / goal["view_size"] * grid)
                pairs.append((place, int(y / goal["view_size"] * grid) * grid + column))
        if len(pairs) < 2:
            continue
        ours, theirs = regions(online[index], grid), regions(target[index], grid)
        errors = [
            ((1 - ours[a] @ ours[b]) - (1 - theirs[c] @ theirs[d])) ** 2
            for a, c in pairs
            for b, d in pairs
        ]
        losses.append(np.mean(errors))
    return float(np.mean(losses)) if losses else 0.0
