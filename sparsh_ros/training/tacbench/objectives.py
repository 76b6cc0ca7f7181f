# SPDX-License-Identifier: Apache-2.0
"""The tasks of TacBench as probes learn them: network, loss and scores of each.

Force, slip and pose are as in `training.tasks`. A grasp and a textile are classified: cross-entropy
with classes weighted so that all count alike, and accuracy, as in the paper. A force field is
regressed by its squared error, see `fields`: most of a field is untouched, and where it is
uncertain the absolute error would settle for the median, which is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.checkpoints.head_config import FORCE_FIELD as FIELD
from sparsh_ros.models.classes import GRASPS, TEXTILES
from sparsh_ros.models.heads import build_field_head, build_head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.training import tasks
from sparsh_ros.training.tacbench.fields import field_of, field_scores
from sparsh_ros.training.tasks import ClassWeights, Outputs, Scores, Targets

CLASSES = {"grasp": GRASPS, "textile": TEXTILES}
GROUPS = (tasks.HEAD_NAMES, (FIELD,), *((name,) for name in CLASSES))
"""Tasks that are trained together, on the same batches."""


def build_probe(name: str, spec: ModelSpec) -> nn.Module:
    """A head for a task, with fresh weights."""
    return build_field_head(spec) if name == FIELD else build_head(name, spec)


def loss_weights(name: str, targets: Targets | Tensor) -> ClassWeights | Tensor | None:
    """What the loss of a task takes from the frequencies in the training set."""
    if isinstance(targets, Targets):
        return ClassWeights.of(targets)
    if name not in CLASSES:
        return None
    counts = torch.bincount(targets, minlength=len(CLASSES[name])).clamp(min=1)
    return counts.sum() / (len(counts) * counts)


def probe_loss(
    name: str, outputs: Outputs, targets: Targets | Tensor, weights: ClassWeights | Tensor | None
) -> Tensor:
    """Loss of one head on a batch."""
    if isinstance(targets, Targets):
        return tasks.head_loss(name, outputs, targets, weights)
    if name == FIELD:
        return F.mse_loss(field_of(outputs), targets)
    return F.cross_entropy(outputs[name].float(), targets, weights)


def probe_scores(
    name: str, outputs: Outputs, labels: Any, spec: ModelSpec, threshold: float
) -> Scores:
    """Score one head's outputs.

    Args:
        name: The task.
        outputs: Of the head, for n examples.
        labels: `PairLabels`; classes (n,); or fields (n, 3, 20, 15).
        spec: Bin edges and bin values.
        threshold: Slip probability from which the answer is "slipping".
    """
    if name in CLASSES:
        return {"accuracy": float((outputs[name].argmax(dim=1).numpy() == labels).mean())}
    if name == FIELD:
        return field_scores(field_of(outputs), labels)
    return tasks.head_scores(name, outputs, labels, spec, threshold)


def trivial(name: str, train: Any, labels: Any, spec: ModelSpec) -> Scores:
    """Score the answer that needs no sensor: the commonest class, the mean field, and so on."""
    if name in CLASSES:
        return {"accuracy": float((labels == np.bincount(train).argmax()).mean())}
    if name == FIELD:
        mean = torch.from_numpy(train.mean(axis=0, keepdims=True))
        return field_scores(mean.expand(len(labels), -1, -1, -1), labels)
    return tasks.trivial_scores(name, train, labels, spec)
