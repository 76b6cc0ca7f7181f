# SPDX-License-Identifier: Apache-2.0
"""Metrics of force, slip and planar motion, each defined once, with its formula. NumPy only.

Each is a ratio of sums over samples. `accumulate_*` gives the sums, which add up over recordings,
and `compute_*` the metric, of one set of sums or of many along leading axes; so a bootstrap over
recordings needs their sums alone. With n samples, estimates e and truths t:

* force, per axis and for the norm: MAE = mean |e - t|, RMSE = sqrt(mean (e - t)^2), in
  millinewtons; for the norm, e and t are the lengths of the force vectors; correlation: Pearson's;
* slip: precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN), with
  "slipping" wherever probability >= threshold; a ratio without cases is 0;
* motion: the ratio of samples in the right one of 11 bins; the same averaged over the bins that
  occur (balanced: most samples hardly move, so the middle bin is a good guess); MAE in mm, degrees.

Over no samples they are NaN, except for the three of slip.

The figure published as "RMSE" for the Sparsh force task takes the root of each squared error before
averaging, so it is a mean absolute error over samples and axes. It is reported here as
`published_rmse_mn`, to compare with published tables and with nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsh_ros.models.spec import POSE_BINS
from sparsh_ros.names import FORCE_AXES, POSE_AXES

Scores = dict[str, float]
Floats = NDArray[np.float64]
Sums = dict[str, Floats]
Values = dict[str, Floats]

_FORCE_COLUMNS = (*FORCE_AXES, "norm")
_POSE_ERRORS = ("mae_tx_mm", "mae_ty_mm", "mae_yaw_deg")


def accumulate_errors(estimate: ArrayLike, truth: ArrayLike) -> Sums:
    """Sums behind MAE, RMSE and correlation of (n,) or (n, k) values; what is not known (NaN) does
    not count.

    Returns:
        count, absolute, squared, and the moments estimate, truth, estimate2, truth2 and product,
        each () or (k,).
    """
    estimate, truth = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    known = np.isfinite(estimate) & np.isfinite(truth)
    estimate, truth = np.where(known, estimate, 0.0), np.where(known, truth, 0.0)
    error = estimate - truth
    return {
        "count": known.sum(axis=0, dtype=np.float64),
        "absolute": np.abs(error).sum(axis=0),
        "squared": (error**2).sum(axis=0),
        "estimate": estimate.sum(axis=0),
        "truth": truth.sum(axis=0),
        "estimate2": (estimate**2).sum(axis=0),
        "truth2": (truth**2).sum(axis=0),
        "product": (estimate * truth).sum(axis=0),
    }


def compute_errors(sums: Sums) -> Values:
    """Scores from such sums: mae; rmse; correlation, Pearson's, NaN where one of both is constant;
    slope, of the straight line through the estimates over the truth, NaN where that is constant."""
    count = sums["count"]
    spread = {name: count * sums[f"{name}2"] - sums[name] ** 2 for name in ("estimate", "truth")}
    # What rounding leaves of a constant is no spread.
    constant = [spread[name] <= 1e-9 * count * sums[f"{name}2"] for name in spread]
    product = count * sums["product"] - sums["estimate"] * sums["truth"]
    norm = np.sqrt(np.maximum(spread["estimate"], 0) * np.maximum(spread["truth"], 0))
    correlation = np.where(constant[0] | constant[1], np.nan, ratio(product, norm))
    return {
        "mae": ratio(sums["absolute"], count),
        "rmse": np.sqrt(ratio(sums["squared"], count)),
        "correlation": correlation,
        "slope": np.where(constant[1], np.nan, ratio(product, spread["truth"])),
    }


def accumulate_force(estimate_n: ArrayLike, truth_n: ArrayLike) -> Sums:
    """Sums behind `force_errors`, of (n, 3) forces in newtons; n may be 0.

    Returns:
        Those of `accumulate_errors`, each (4,): x, y, z and the norm; N and N^2.
    """
    forces = (np.asarray(force, np.float64) for force in (estimate_n, truth_n))
    return accumulate_errors(
        *(np.column_stack([force, np.linalg.norm(force, axis=1)]) for force in forces)
    )


def compute_force(sums: Sums) -> Values:
    """`force_errors` from the sums of `accumulate_force`."""
    found = compute_errors(sums)
    mae = found["mae"] * 1e3
    values = {}
    for index, name in enumerate(_FORCE_COLUMNS):
        values[f"mae_{name}_mn"] = mae[..., index]
        values[f"rmse_{name}_mn"] = found["rmse"][..., index] * 1e3
        values[f"correlation_{name}"] = found["correlation"][..., index]
        values[f"slope_{name}"] = found["slope"][..., index]
    return values | {"published_rmse_mn": mae[..., :3].mean(axis=-1)}


def force_errors(estimate_n: ArrayLike, truth_n: ArrayLike) -> Scores:
    """Force errors in mN: `mae_<axis>_mn` and `rmse_<axis>_mn` for x, y, z and norm, and
    `published_rmse_mn`.

    Args:
        estimate_n: (n, 3) estimated force, newtons, gel frame.
        truth_n: (n, 3) true force.

    Raises:
        ValueError: The arrays are empty or differ in shape.
    """
    errors = _floats(compute_force(accumulate_force(*_matching(estimate_n, truth_n))))
    return {key: errors[key] for key in errors if not key.startswith(("correlation", "slope"))}


def accumulate_slip(estimate: ArrayLike, slipping: ArrayLike) -> Sums:
    """Hits, false alarms and misses () of (n,) booleans against (n,) booleans; n may be 0."""
    estimate, truth = np.asarray(estimate, bool), np.asarray(slipping, bool)
    return {
        "hits": np.sum(estimate & truth, dtype=np.float64),
        "false_alarms": np.sum(estimate & ~truth, dtype=np.float64),
        "misses": np.sum(~estimate & truth, dtype=np.float64),
    }


def compute_slip(sums: Sums) -> Values:
    """Precision, recall and F1 from the sums of `accumulate_slip`."""
    hits, false_alarms, misses = (sums[name] for name in ("hits", "false_alarms", "misses"))
    return {
        "precision": ratio(hits, hits + false_alarms, 0.0),
        "recall": ratio(hits, hits + misses, 0.0),
        "f1": ratio(2 * hits, 2 * hits + false_alarms + misses, 0.0),
    }


def slip_scores(probability: ArrayLike, slipping: ArrayLike, threshold: float) -> Scores:
    """Precision, recall and F1 of "probability >= threshold" against (n,) booleans."""
    estimate = np.asarray(probability, dtype=np.float64) >= threshold
    sums = accumulate_slip(*_matching(estimate, np.asarray(slipping, dtype=bool)))
    return _floats(compute_slip(sums)) | {"threshold": float(threshold)}


def precision_recall_points(
    probability: ArrayLike, slipping: ArrayLike, weights: ArrayLike | None = None
) -> tuple[Floats, Floats, Floats]:
    """Precision and recall at every threshold that separates the samples.

    Args:
        probability: (n,) of slip.
        slipping: (n,) whether it slips.
        weights: (n,) how often each sample counts; None counts each once.

    Returns:
        thresholds (k,) descending, all the distinct probabilities; precision (k,); recall (k,).
        Recall is 0 throughout where nothing ever slips.
    """
    probability, truth = _matching(
        np.asarray(probability, dtype=np.float64), np.asarray(slipping, dtype=bool)
    )
    weights = np.ones(len(truth)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(-probability, kind="stable")
    ranked, weights = probability[order], weights[order]
    hits, all_above = np.cumsum(weights * truth[order]), np.cumsum(weights)
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # ends of runs of ties
    precision = ratio(hits[last], all_above[last], 0.0)
    recall = ratio(hits[last], hits[-1], 0.0)
    return ranked[last], precision, recall


def average_precision(
    probability: ArrayLike, slipping: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Area under the precision-recall steps: sum over k of (R_k - R_(k-1)) P_k."""
    _, precision, recall = precision_recall_points(probability, slipping, weights)
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


def accumulate_pose(
    estimated_bins: ArrayLike, true_bins: ArrayLike, estimate: ArrayLike, truth: ArrayLike
) -> Sums:
    """Sums behind `pose_scores`, with the same arguments; n may be 0.

    A bin below 0 and a motion that is NaN are not known, and do not count.

    Returns:
        confusion (3, 11, 11): samples by axis, true bin and estimated bin; known (3,): samples
        with an error; absolute (3,): the errors added up.
    """
    found, wanted = np.asarray(estimated_bins, np.int64), np.asarray(true_bins, np.int64)
    confusion = np.zeros((len(POSE_AXES), POSE_BINS, POSE_BINS))
    for axis in range(len(POSE_AXES)):
        known = (found[:, axis] >= 0) & (wanted[:, axis] >= 0)
        np.add.at(confusion[axis], (wanted[known, axis], found[known, axis]), 1)
    error = np.abs(np.asarray(estimate, np.float64) - np.asarray(truth, np.float64))
    return {
        "confusion": confusion,
        "known": np.isfinite(error).sum(axis=0, dtype=np.float64),
        "absolute": np.nansum(error, axis=0),
    }


def compute_pose(sums: Sums) -> Values:
    """`pose_scores` from the sums of `accumulate_pose`; NaN for an axis of which nothing is known.

    The means over the axes are those of the known axes.
    """
    confusion = sums["confusion"]
    right, wanted = np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1)
    accuracy = ratio(right.sum(axis=-1), wanted.sum(axis=-1))
    balanced = _known_mean(ratio(right, wanted))
    error = ratio(sums["absolute"], sums["known"])
    values = {f"accuracy_{axis}": accuracy[..., i] for i, axis in enumerate(POSE_AXES)}
    values |= {f"balanced_accuracy_{axis}": balanced[..., i] for i, axis in enumerate(POSE_AXES)}
    values |= {"accuracy": _known_mean(accuracy), "balanced_accuracy": _known_mean(balanced)}
    return values | {name: error[..., i] for i, name in enumerate(_POSE_ERRORS)}


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
    bins, motions = _matching(estimated_bins, true_bins), _matching(estimate, truth)
    return _floats(compute_pose(accumulate_pose(*bins, *motions)))


def _matching(estimate: ArrayLike, truth: ArrayLike) -> tuple[NDArray, NDArray]:
    first, second = np.asarray(estimate), np.asarray(truth)
    if first.shape != second.shape or not len(first):
        raise ValueError(
            f"metrics: wanted estimates and truths of one shape with at least one sample, "
            f"found {first.shape} and {second.shape}"
        )
    return first, second


def ratio(part: Floats, whole: Floats, without_cases: float = np.nan) -> Floats:
    """part / whole, `without_cases` where whole is 0; as an array."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, without_cases), where=whole > 0)


def _known_mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN if all is."""
    return ratio(np.nansum(values, axis=-1), np.isfinite(values).sum(axis=-1))


def _floats(values: Values) -> Scores:
    return {name: float(value) for name, value in values.items()}
