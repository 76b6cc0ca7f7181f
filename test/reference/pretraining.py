# SPDX-License-Identifier: Apache-2.0
"""Losses and masks of the self-supervised recipes in NumPy, float64, one element at a time."""

from __future__ import annotations

import numpy as np


def softmax(values):
    """Of a vector."""
    raised = np.exp(values - values.max())
    return raised / raised.sum()


def mean_squares(found, wanted):
    """MAE: the mean of squared differences."""
    return float(((found - wanted) ** 2).sum() / found.size)


def cross_entropy(student, teacher, centre, student_temperature, teacher_temperature):
    """Of one view with one view."""
    wanted = softmax((teacher - centre) / teacher_temperature)
    return float(-(wanted * np.log(softmax(student / student_temperature))).sum())


def distillation(student, teacher, centre, student_temperature, teacher_temperature):
    """DINO: every student view with every teacher view, summed, mean over images."""
    total = 0.0
    for image in range(len(student)):
        for ours in student[image]:
            for theirs in teacher[image]:
                total += cross_entropy(
                    ours, theirs, centre, student_temperature, teacher_temperature
                )
    return total / len(student)


def patches(student, teacher, centre, student_temperature, teacher_temperature):
    """iBOT: each patch with the same patch, mean over patches and images, summed over views."""
    images, views, count, _ = student.shape
    total = 0.0
    for image in range(images):
        for view in range(views):
            for place in range(count):
                ours, theirs = student[image, view, place], teacher[image, view, place]
                total += cross_entropy(
                    ours, theirs, centre, student_temperature, teacher_temperature
                )
    return total / (images * count)


def koleo(classes):
    """Minus the mean logarithm of the distance to the nearest other, on the unit sphere."""
    unit = classes / np.linalg.norm(classes, axis=1, keepdims=True)
    logs = []
    for index, own in enumerate(unit):
        others = np.delete(unit, index, axis=0)
        logs.append(np.log(min(np.linalg.norm(own - other) for other in others)))
    return float(-np.mean(logs))


def moved_centre(centre, logits, momentum):
    """Running mean of the teacher's logits."""
    flat = logits.reshape(-1, logits.shape[-1])
    return momentum * centre + (1.0 - momentum) * flat.sum(axis=0) / len(flat)


def layer_norm(tokens, eps=1e-5):
    """Each token to mean 0 and variance 1."""
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


def smooth_l1(found, wanted):
    """I-JEPA: half the square below 1, else the absolute difference minus a half."""
    gap = np.abs(found - wanted)
    return float(np.where(gap < 1.0, 0.5 * gap**2, gap - 0.5).mean())


def l1(found, wanted):
    """V-JEPA."""
    return float(np.abs(found - wanted).mean())


def block(grid, top, left, size):
    """Numbers of the patches in a block, by looking at every patch of the grid."""
    rows, columns = grid
    return [
        row * columns + column
        for row in range(rows)
        for column in range(columns)
        if top <= row < top + size[0] and left <= column < left + size[1]
    ]


def cut(clips, patch, tubelet=None):
    """(B, T, H, W, 3) -> (B, N, P), one pixel at a time."""
    batch, frames, height, width, _ = clips.shape
    time = tubelet or frames
    found = []
    for clip in clips:
        rows = []
        for t in range(frames // time):
            for row in range(height // patch):
                for column in range(width // patch):
                    part = clip[
                        t * time : (t + 1) * time,
                        row * patch : (row + 1) * patch,
                        column * patch : (column + 1) * patch,
                    ]
                    if tubelet is None:  # channels: first frame's colours, then the next one's
                        rows.append(np.concatenate([f.transpose(2, 0, 1) for f in part]).ravel())
                    else:
                        rows.append(part.transpose(3, 0, 1, 2).ravel())
        found.append(rows)
    return np.array(found)
