# SPDX-License-Identifier: Apache-2.0
"""Metrics of force, slip and planar motion, each defined once, with its formula. NumPy only.

With n samples, estimates e and truths t:

* force, per axis and for the norm: MAE = mean |e - t|, RMSE = sqrt(mean (e - t)^2), in
  millinewtons; for the norm, e and t are the lengths of the force vectors;
* slip: precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN), with
  "slipping" wherever probability >= threshold; a ratio without cases is 0;
* motion: the share of samples in the right one of 11 bins; the same averaged over the bins that
  occur (balanced: most samples hardly move, so the middle bin is a good guess); MAE in mm, degrees.

The figure published as "RMSE" for the Sparsh force task takes the root of each squared error before
averaging, so it is a mean absolute error over samples and axes. It is reported here as
`published_rmse_mn`, to compare with published tables and with nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsh_ros.models.zoo import POSE_AXES

FORCE_AXES = ("x", "y", "z")

Scores = dict[str, float]
Floats = NDArray[np.float64]


def force_errors(estimate_n: ArrayLike, truth_n: ArrayLike) -> Scores:
    """Force errors in mN: `mae_<axis>_mn` and `rmse_<axis>_mn` for x, y, z and norm, and
    `published_rmse_mn`.

    Args:
        estimate_n: (n, 3) estimated force, newtons, gel frame.
        truth_n: (n, 3) true force.

    Raises:
        ValueError: The arrays are empty or differ in shape.
    """
    estimate, truth = _matching(estimate_n, truth_n)
    error = estimate - truth
    norm = np.linalg.norm(estimate, axis=1) - np.linalg.norm(truth, axis=1)
    columns = dict(zip((*FORCE_AXES, "norm"), (*error.T, norm), strict=True))
    scores = {f"mae_{name}_mn": _millis(np.abs(column).mean()) for name, column in columns.items()}
    scores |= {
        f"rmse_{name}_mn": _millis(np.sqrt((column**2).mean())) for name, column in columns.items()
    }
    return scores | {"published_rmse_mn": _millis(np.abs(error).mean())}


def slip_scores(probability: ArrayLike, slipping: ArrayLike, threshold: float) -> Scores:
    """Precision, recall and F1 of "probability >= threshold" against (n,) booleans."""
    estimate = np.asarray(probability, dtype=np.float64) >= threshold
    truth = np.asarray(slipping, dtype=bool)
    estimate, truth = _matching(estimate, truth)
    hits, false_alarms, misses = _counts(estimate, truth)
    return {
        "precision": _ratio(hits, hits + false_alarms),
        "recall": _ratio(hits, hits + misses),
        "f1": _ratio(2 * hits, 2 * hits + false_alarms + misses),
        "threshold": float(threshold),
    }


def precision_recall_points(
    probability: ArrayLike, slipping: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Precision and recall at every threshold that separates the samples.

    Returns:
        thresholds (k,) descending, all the distinct probabilities; precision (k,); recall (k,).
        Recall is 0 throughout where nothing ever slips.
    """
    probability, truth = _matching(
        np.asarray(probability, dtype=np.float64), np.asarray(slipping, dtype=bool)
    )
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # ends of runs of ties
    precision = hits[last] / (last + 1.0)
    recall = hits[last] / max(int(hits[-1]), 1)
    return ranked[last], precision, recall


def average_precision(probability: ArrayLike, slipping: ArrayLike) -> float:
    """Area under the precision-recall steps: sum over k of (R_k - R_(k-1)) P_k."""
    _, precision, recall = precision_recall_points(probability, slipping)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def select_threshold(probability: ArrayLike, slipping: ArrayLike) -> float:
    """The threshold with the highest F1, of the highest ones if several tie.

    To be called with VALIDATION data: a threshold picked on the test set flatters the test score.
    The threshold lies halfway between two neighbouring probabilities, so that rounding in another
    engine does not flip the samples it was chosen by.
    """
    thresholds, precision, recall = precision_recall_points(probability, slipping)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    best = int(np.argmax(f1))
    below = thresholds[best + 1] if best + 1 < len(thresholds) else 0.0
    return float((thresholds[best] + below) / 2)


def assign_bins(values: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Bin of each value for ascending ``edges``: k edges make k + 1 bins.

    0 lies below the lowest edge, j in [edge_(j-1), edge_j), k at or above the highest.
    """
    return np.searchsorted(np.asarray(edges), np.asarray(values), side="right").astype(np.int64)


def pose_scores(
    estimated_bins: ArrayLike, true_bins: ArrayLike, estimate: ArrayLike, truth: ArrayLike
) -> Scores:
    """Bin accuracy and motion errors.

    Args:
        estimated_bins: (n, 3) most probable bin of tx, ty, yaw.
        true_bins: (n, 3) bin of the true motion.
        estimate: (n, 3) estimated motion over the model's interval: mm, mm, degrees.
        truth: (n, 3) true motion in the same units.

    Returns:
        `accuracy_<axis>`, `balanced_accuracy_<axis>` and their means over the axes, `accuracy` and
        `balanced_accuracy`; `mae_tx_mm`, `mae_ty_mm`, `mae_yaw_deg`.
    """
    found, wanted = _matching(estimated_bins, true_bins)
    right = (found == wanted).mean(axis=0)
    estimate, truth = _matching(estimate, truth)
    error = np.abs(estimate - truth).mean(axis=0)
    balanced = [_balanced(*columns) for columns in zip(found.T, wanted.T, strict=True)]
    scores = {f"accuracy_{axis}": float(right[i]) for i, axis in enumerate(POSE_AXES)}
    scores |= {f"balanced_accuracy_{axis}": balanced[i] for i, axis in enumerate(POSE_AXES)}
    return scores | {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(balanced)),
        "mae_tx_mm": float(error[0]),
        "mae_ty_mm": float(error[1]),
        "mae_yaw_deg": float(error[2]),
    }


def trivial_force(train_force_n: ArrayLike, truth_n: ArrayLike) -> Scores:
    """Force errors of always answering the mean force of the training set."""
    truth = np.asarray(truth_n, dtype=np.float64)
    mean = np.asarray(train_force_n, dtype=np.float64).mean(axis=0)
    return force_errors(np.broadcast_to(mean, truth.shape), truth)


def trivial_slip(slipping: ArrayLike) -> Scores:
    """The better in F1 of the two constant answers: "always slipping" (never has F1 = 0)."""
    truth = np.asarray(slipping, dtype=bool)
    return slip_scores(np.ones(len(truth)), truth, threshold=0.5)


def trivial_pose(train_bins: ArrayLike, true_bins: ArrayLike, truth: ArrayLike) -> Scores:
    """Scores of always answering the training set's commonest bin, and of "it did not move".

    Args:
        train_bins: (m, 3) bins of the training set.
        true_bins: (n, 3) bins to be guessed.
        truth: (n, 3) true motion, mm, mm, degrees.
    """
    columns = np.asarray(train_bins, dtype=np.int64).T
    commonest = np.array([np.bincount(column).argmax() for column in columns])
    wanted = np.asarray(true_bins)
    return pose_scores(
        np.broadcast_to(commonest, wanted.shape), wanted, np.zeros_like(truth, dtype=float), truth
    )


def _matching(estimate: ArrayLike, truth: ArrayLike) -> tuple[NDArray, NDArray]:
    first, second = np.asarray(estimate), np.asarray(truth)
    if first.shape != second.shape or not len(first):
        raise ValueError(
            f"metrics: wanted estimates and truths of one shape with at least one sample, "
            f"found {first.shape} and {second.shape}"
        )
    return first, second


def _counts(estimate: NDArray, truth: NDArray) -> tuple[int, int, int]:
    return (
        int(np.sum(estimate & truth)),
        int(np.sum(estimate & ~truth)),
        int(np.sum(~estimate & truth)),
    )


def _balanced(found: NDArray, wanted: NDArray) -> float:
    return float(np.mean([(found[wanted == index] == index).mean() for index in np.unique(wanted)]))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _millis(value: float) -> float:
    return float(value) * 1e3
