# SPDX-License-Identifier: Apache-2.0
"""What a self-supervised method adds to the training loop: masks, targets, losses, nothing else."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.training.schedule import FLOOR

Draw = dict[str, Tensor]
"""What a step draws at random, such as masks; each tensor has the batch on axis 0."""
Clips = Tensor | dict[str, Tensor]
"""A batch, as a source gives it: (B, T, H, W, 3) uint8, or what else a recipe reads, by name."""
Losses = dict[str, Tensor]
"""Scalars; "loss" is what is minimised, the others are its parts, for the log."""


class Recipe(nn.Module):
    """A method as the loop runs it: encoder, whatever else learns, and the loss.

    Parameters that require a gradient are optimised; everything else is part of the checkpoint.

    Attributes:
        name: Of the method, as in commands and files.
        varies: Whether some steps leave some parameters without a gradient.
        peak_rate: Highest learning rate.
        start_rate: Learning rate at the first step.
        final_rate: Learning rate at the last step.
        warm_up: Share of the steps after which the rate is highest.
        betas: Of AdamW.
        weight_decay: Of AdamW at the first and at the last step.
    """

    name: ClassVar[str]
    varies: ClassVar[bool] = False
    peak_rate: float = 1e-4
    start_rate: float = 1e-5
    final_rate: float = FLOOR
    warm_up: float = 0.15  # 30 of 200 epochs
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: tuple[float, float] = (0.04, 0.4)

    @property
    def options(self) -> dict[str, object]:
        """What else tells one run of this method from another; only the same run is resumed."""
        return {}

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """Draw what a step needs for a batch, that of all processes together."""
        return {}

    def forward(self, clips: Clips, draw: Draw, share: float) -> Losses:
        """Losses of a batch.

        Args:
            clips: (B, T, H, W, 3) uint8 RGB, newest frame first, background taken away; or what
                else the recipe reads.
            draw: What `draw` drew for these clips.
            share: Of the steps that are done, 0 to 1.
        """
        raise NotImplementedError

    def after_step(self, share: float) -> None:
        """Do what follows the optimiser's step, such as to move a teacher."""

    def exported(self) -> nn.Module:
        """The encoder that is kept."""
        raise NotImplementedError

    def picture(self, clips: Clips, draw: Draw) -> NDArray[np.uint8] | None:
        """(H', W', 3) uint8 RGB picture of what was learned; None where there is none to see."""
        return None


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher's parameters towards the student's: t = m t + (1 - m) s."""
    for ours, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
        ours.lerp_(theirs, 1.0 - momentum)
