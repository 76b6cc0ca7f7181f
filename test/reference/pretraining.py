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


def unit(vector):
    """Of length 1."""
    return vector / np.linalg.norm(vector)


def nt_xent(first, second, temperature):
    """SimCLR: each of 2 B views among all others."""
    views = [unit(v) for v in np.concatenate([first, second])]
    batch, losses = len(first), []
    for i, own in enumerate(views):
        others = [np.exp(own @ v / temperature) for j, v in enumerate(views) if j != i]
        right = np.exp(own @ views[(i + batch) % (2 * batch)] / temperature)
        losses.append(-np.log(right / sum(others)))
    return np.mean(losses)


def negative_cosine(prediction, projection):
    """SimSiam."""
    return -np.mean([unit(p) @ unit(z) for p, z in zip(prediction, projection, strict=True)])


def barlow(first, second, redundancy, eps):
    """Barlow Twins: correlations of all pairs of units."""
    total = 0.0
    for i in range(first.shape[1]):
        for j in range(first.shape[1]):
            a, b = first[:, i] - first[:, i].mean(), second[:, j] - second[:, j].mean()
            found = np.mean(a * b) / np.sqrt((np.mean(a**2) + eps) * (np.mean(b**2) + eps))
            total += (1.0 - found) ** 2 if i == j else redundancy * found**2
    return total


def vicreg(first, second, weights, eps):
    """VICReg: invariance, variance, covariance."""
    batch, units = first.shape
    invariance = np.mean((first - second) ** 2)
    variance = covariance = 0.0
    for view in (first, second):
        centred = view - view.mean(axis=0)
        for i in range(units):
            deviation = np.sqrt((centred[:, i] ** 2).sum() / (batch - 1) + eps)
            variance += max(0.0, 1.0 - deviation) / units / 2.0
            for j in range(units):
                if i != j:
                    covariance += ((centred[:, i] @ centred[:, j]) / (batch - 1)) ** 2 / units
    return weights[0] * invariance + weights[1] * variance + weights[2] * covariance


def sinkhorn(scores, smoothness, steps):
    """SwAV: columns, then rows, scaled in turn."""
    shares = np.exp(scores / smoothness)
    shares /= shares.sum()
    batch, prototypes = shares.shape
    for _ in range(steps):
        for k in range(prototypes):
            shares[:, k] /= prototypes * shares[:, k].sum()
        for b in range(batch):
            shares[b] /= batch * shares[b].sum()
    return shares * batch


def swapped_prediction(first, second, temperature, smoothness, steps):
    """SwAV: each view's prediction with the other's assignment."""
    total = 0.0
    for found, wanted in ((first, second), (second, first)):
        wanted = sinkhorn(wanted, smoothness, steps)
        for row, code in zip(found, wanted, strict=True):
            total -= (code * np.log(softmax(row / temperature))).sum() / len(first) / 2.0
    return total


def minc(online, target, moment, scale):
    """MINC at alpha 2; the form of the lower triangle, entry by entry."""
    losses = []
    for own, other in zip(online, target, strict=True):
        form = sum(own[i] * moment[i, j] * own[j] for i in range(len(own)) for j in range(i + 1))
        losses.append(-(scale * (own @ other) - 0.5 * scale**2 * form))
    return np.mean(losses)


def code_logits(vectors, codes, eps):
    """CPLearn with the paper's factor of the vectors and its temperature."""
    (batch, units), count = vectors.shape, codes.shape[1]
    scale = np.sqrt(units / batch)
    temperature = units / (np.sqrt(batch) * np.log((1.0 - eps * (count - 1)) / eps))
    return np.array([scale * unit(np.asarray(v)) @ codes / temperature for v in vectors])


def cplearn(first, second, invariance):
    """CPLearn: agreement and the prior."""
    ours = np.array([softmax(row) for row in first])
    theirs = np.array([softmax(row) for row in second])
    agreement = -np.mean([(p * np.log(q)).sum() for p, q in zip(ours, theirs, strict=True)])
    used = ours.mean(axis=0)
    return invariance * agreement + (used * np.log(used * len(used))).sum()


def info_nce(queries, keys, queue, temperature):
    """MoCo and DenseCL: each key among itself and the queue."""
    losses = []
    for query, key in zip(queries, keys, strict=True):
        likeness = np.array([query @ key, *(query @ old for old in queue)]) / temperature
        losses.append(-np.log(softmax(likeness)[0]))
    return np.mean(losses)


def matching_keys(ours, theirs, keys):
    """DenseCL: of the most similar place, looked for place by place."""
    found = np.empty((*ours.shape[:2], keys.shape[2]))
    for image in range(len(ours)):
        for place, own in enumerate(ours[image]):
            likeness = [unit(own) @ unit(other) for other in theirs[image]]
            found[image, place] = keys[image, int(np.argmax(likeness))]
    return found
