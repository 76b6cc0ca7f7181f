# SPDX-License-Identifier: Apache-2.0
"""The six tasks: which images they ask of, what is right, how answers are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.errors import DatasetError
from sparsh_ros.simulation.vitactip.objects import MATERIALS, PITCHES_MM, SHAPES
from sparsh_ros.training.vitactip.dataset import TipImages


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: As the labels are called.
        classes: How many; 0 where numbers are asked for.
        axes: Names of the numbers, with their units.
    """

    name: str
    classes: int = 0
    axes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Numbers that a head gives."""
        return self.classes or len(self.axes)

    @property
    def measure(self) -> str:
        """Name of the score that counts."""
        return "top1" if self.classes else "mae"

    def rows(self, tips: TipImages) -> NDArray[np.int64]:
        """Indices of the images that the task asks of."""
        labels = tips.labels[self.name]
        known = labels >= 0 if self.classes else ~np.isnan(labels).any(axis=1)
        return np.flatnonzero(known)

    def targets(self, tips: TipImages) -> Tensor:
        """Labels of these images: (N,) int64 classes or (N, A) float32."""
        return torch.from_numpy(tips.labels[self.name][self.rows(tips)])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a head learns by: cross-entropy of (B, classes) logits, or squared error of
        standardised numbers (B, A)."""
        return F.cross_entropy(outputs, targets) if self.classes else F.mse_loss(outputs, targets)

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Percent of right answers (first, first five) of (N, classes) logits, or mean absolute
        errors (mean over the axes, each axis) of (N, A) numbers."""
        if not self.classes:
            errors = (outputs - targets).abs().mean(dim=0)
            single = dict(zip(self.axes, errors.tolist(), strict=True))
            return {"mae": errors.mean().item(), **single}
        order = outputs.argsort(dim=1, descending=True)
        right = order == targets[:, None]
        return {
            "top1": 100.0 * right[:, 0].float().mean().item(),
            "top5": 100.0 * right[:, :5].any(dim=1).float().mean().item(),
        }

    def guess(self, train: TipImages, test: TipImages) -> dict[str, float]:
        """Scores of the answer that needs no sensor: the commonest classes, or the median."""
        known, wanted = self.targets(train), self.targets(test)
        if self.classes:
            answer = torch.bincount(known, minlength=self.classes).float()
        else:
            answer = known.median(dim=0).values
        return self.scores(answer.expand(len(wanted), -1), wanted)


TASKS = {
    task.name: task
    for task in (
        Task("shape", len(SHAPES)),
        Task("grating", len(PITCHES_MM)),
        Task("material", len(MATERIALS)),
        Task("force", axes=("x_n", "y_n", "z_n")),
        Task("contact", axes=("x_mm", "y_mm")),
        Task("edge", axes=("x_mm", "depth_mm", "yaw_deg")),
    )
}


def check_labelled(splits: Mapping[str, TipImages], tasks: Sequence[str]) -> None:
    """Raise DatasetError where no image of a split has a label of one of the tasks."""
    for split, tips in splits.items():
        for name in tasks:
            if not len(TASKS[name].rows(tips)):
                raise DatasetError(
                    f"split {split}: wanted labels of {name}, found none in {len(tips)} images; "
                    "make more with `sparsh-ros simulate-vitactip`, or leave it out of --tasks"
                )
