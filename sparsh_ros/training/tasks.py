# SPDX-License-Identifier: Apache-2.0
"""What the three heads are trained towards and scored by (Higuera et al., 2024, section 4).

* force: smooth L1 (beta 0.02) between the output and force / scale, clipped to [-1, 1];
* slip: cross-entropy, weighted so that both classes count alike, plus smooth L1 of the change of
  force / scale, clipped;
* pose: three cross-entropies over 11 bins, with weights of 0.7 to 1.3 that favour rare bins, over
  the pairs in which the object stayed in contact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.evaluation import baselines, metrics
from sparsh_ros.models.spec import POSE_BINS, ModelSpec
from sparsh_ros.names import POSE_AXES
from sparsh_ros.training.store import PairLabels

HEAD_NAMES = ("force", "slip", "pose")
BETA = 0.02
BIN_WEIGHTS = (0.7, 1.3)
NO_MOTION = -1  # bin of a pair without a known motion

Outputs = Mapping[str, Tensor]
Scores = dict[str, float]


def bin_motion(motion: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.int64]:
    """Bins (n, 3) of motions (n, 3) in mm, mm, degrees; `NO_MOTION` where NaN."""
    edges = (spec.pose_bin_edges_mm, spec.pose_bin_edges_mm, spec.pose_bin_edges_deg)
    columns = zip(motion.T, edges, strict=True)
    bins = np.stack([metrics.assign_bins(column, edge) for column, edge in columns], axis=1)
    bins[np.isnan(motion).any(axis=1)] = NO_MOTION
    return bins


def bin_values(motion: NDArray[np.float32], spec: ModelSpec) -> ModelSpec:
    """Set the spec's bin values to the mean training motion, (n, 3) mm and degrees, in each bin; a
    bin without motions keeps its value."""
    bins = bin_motion(motion, spec)
    values = np.array([*spec.pose_bin_values_mm, spec.pose_bin_values_deg])
    for axis in range(3):
        for index in np.unique(bins[bins[:, axis] != NO_MOTION, axis]):
            values[axis, index] = motion[bins[:, axis] == index, axis].mean(dtype=np.float64)
    rounded = [tuple(float(round(v, 5)) for v in row) for row in values]
    return replace(
        spec, pose_bin_values_mm=(rounded[0], rounded[1]), pose_bin_values_deg=rounded[2]
    )


@dataclass(frozen=True)
class Targets:
    """Labels as the losses want them: force and delta (n, 3) float32 in output units, slipping
    (n,) int64, bins (n, 3) int64."""

    force: Tensor
    delta: Tensor
    slipping: Tensor
    bins: Tensor

    @classmethod
    def of(cls, labels: PairLabels, spec: ModelSpec) -> Targets:
        """Targets of labels, with the spec's bin edges."""
        force = np.clip(labels.force_n / labels.force_scale_n, -1.0, 1.0)
        delta = np.clip(labels.delta_force_n / labels.delta_force_scale_n, -1.0, 1.0)
        return cls(
            torch.from_numpy(force),
            torch.from_numpy(delta),
            torch.from_numpy(labels.slipping.astype(np.int64)),
            torch.from_numpy(bin_motion(labels.motion, spec)),
        )

    def __getitem__(self, index: Any) -> Targets:
        return Targets(*(value[index] for value in vars(self).values()))


@dataclass(frozen=True)
class ClassWeights:
    """Weights of the classes of slip (2,) and of the bins of each axis (3, 11)."""

    slip: Tensor
    bins: Tensor

    @classmethod
    def of(cls, targets: Targets) -> ClassWeights:
        """Weights from the frequencies in the training set."""
        slip = torch.bincount(targets.slipping, minlength=2).clamp(min=1)
        bins = targets.bins[targets.bins[:, 0] != NO_MOTION]
        counts = torch.stack([torch.bincount(c, minlength=POSE_BINS) for c in bins.T]).clamp(min=1)
        mean = counts.sum(dim=1, keepdim=True) / POSE_BINS
        return cls(slip.sum() / (2.0 * slip), (mean / counts).clamp(*BIN_WEIGHTS))


def head_loss(name: str, outputs: Outputs, targets: Targets, weights: ClassWeights) -> Tensor:
    """Loss of one head on a batch; float32."""
    if name == "force":
        return F.smooth_l1_loss(outputs["force"].float(), targets.force, beta=BETA)
    if name == "slip":
        slip = F.cross_entropy(outputs["slip"].float(), targets.slipping, weights.slip)
        measured = targets.delta.isfinite().all(dim=1)
        if not measured.any():  # slip was labelled, force was not
            return slip
        found, wanted = outputs["force"].float()[measured], targets.delta[measured]
        return slip + F.smooth_l1_loss(found, wanted, beta=BETA)
    known = targets.bins[:, 0] != NO_MOTION
    bins = targets.bins[known].T
    logits = [outputs[axis].float()[known] for axis in POSE_AXES]
    if not known.any():
        return torch.stack(logits).sum()  # a zero that has a gradient
    return sum(map(F.cross_entropy, logits, bins, weights.bins))


def head_scores(
    name: str, outputs: Outputs, labels: PairLabels, spec: ModelSpec, threshold: float
) -> Scores:
    """Score one head's outputs for pairs with ``labels``, in physical units.

    Args:
        name: "force", "slip" or "pose".
        outputs: The head's outputs for n pairs.
        labels: What is true of them.
        spec: Bin edges and bin values.
        threshold: Slip probability at and above which the answer is "slipping"; chosen on
            validation data.
    """
    if name == "force":
        return metrics.force_errors(outputs["force"].numpy() * labels.force_scale_n, labels.force_n)
    if name == "slip":
        probability = slip_probability(outputs)
        delta = outputs["force"].numpy() * labels.delta_force_scale_n
        errors = metrics.force_errors(delta, labels.delta_force_n)
        return {
            **metrics.slip_scores(probability, labels.slipping, threshold),
            "average_precision": metrics.average_precision(probability, labels.slipping),
            **{f"delta_{key}": value for key, value in errors.items() if key.startswith("mae_")},
        }
    return _pose_scores(outputs, labels, spec)


def slip_probability(outputs: Outputs) -> NDArray[np.float32]:
    """Probability of slip (n,) from the slip head's logits."""
    return outputs["slip"].softmax(dim=1)[:, 1].numpy()


def _pose_scores(outputs: Outputs, labels: PairLabels, spec: ModelSpec) -> Scores:
    bins = bin_motion(labels.motion, spec)
    known = bins[:, 0] != NO_MOTION
    logits = torch.stack([outputs[axis] for axis in POSE_AXES], dim=1)[known]
    values = torch.tensor([*spec.pose_bin_values_mm, spec.pose_bin_values_deg])
    estimate = (logits.softmax(dim=2) * values).sum(dim=2)
    found = logits.argmax(dim=2)
    return metrics.pose_scores(found.numpy(), bins[known], estimate.numpy(), labels.motion[known])


def trivial_scores(name: str, train: PairLabels, labels: PairLabels, spec: ModelSpec) -> Scores:
    """Score the answer that needs no sensor: mean force, always slipping, the commonest bin and no
    motion."""
    if name == "force":
        return baselines.baseline_force(train.force_n, labels.force_n)
    if name == "slip":
        truth = labels.delta_force_n
        errors = metrics.force_errors(np.zeros_like(truth), truth)
        return {
            **baselines.baseline_slip(labels.slipping),
            "average_precision": float(labels.slipping.mean()),
            **{f"delta_{key}": value for key, value in errors.items() if key.startswith("mae_")},
        }
    train_bins, bins = bin_motion(train.motion, spec), bin_motion(labels.motion, spec)
    known = bins[:, 0] != NO_MOTION
    return baselines.baseline_pose(
        train_bins[train_bins[:, 0] != NO_MOTION], bins[known], labels.motion[known]
    )
