# SPDX-License-Identifier: Apache-2.0
"""A linear layer on frozen features, trained as AnyTouch trains its probes.

AdamW with beta (0.9, 0.99), half a cosine to zero without a warm-up; the epoch that is best on
VALIDATION is kept. The published probes keep the one that is best on the test split.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sparsh_ros.training.schedule import cosine

BETAS = (0.9, 0.99)
INIT_STD = 0.01
Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
"""Number of the epoch -> features (B, D) and labels (B,), batch by batch."""


@dataclass(frozen=True)
class LinearFit:
    """How to train a head.

    Attributes:
        epochs: How many.
        batch: Samples per step.
        rate: Learning rate at the start.
        weight_decay: Of AdamW.
        seed: Of weights and order.
    """

    epochs: int = 50
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


def fresh_head(inputs: int, outputs: int, seed: int) -> nn.Linear:
    """A linear layer whose weights are drawn as those of the published probes."""
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(inputs, outputs)
    nn.init.trunc_normal_(head.weight, std=INIT_STD, generator=generator)
    nn.init.zeros_(head.bias)
    return head


def train_head(
    head: nn.Linear,
    batches: Batches,
    loss: Callable[[Tensor, Tensor], Tensor],
    fit: LinearFit,
    score: Callable[[nn.Linear], float],
) -> float:
    """Train a head, and leave it as it was after its best epoch.

    Args:
        head: What is trained.
        batches: What an epoch sees.
        loss: Of outputs and labels.
        fit: How to train.
        score: Of the head on validation, the higher the better.

    Returns:
        The best score.
    """
    optimiser = torch.optim.AdamW(
        head.parameters(), fit.rate, betas=BETAS, weight_decay=fit.weight_decay
    )
    best, kept = -np.inf, None
    for epoch in range(fit.epochs):
        for group in optimiser.param_groups:
            group["lr"] = cosine(epoch / fit.epochs, fit.rate, 0.0)
        for features, labels in batches(epoch):
            optimiser.zero_grad()
            loss(head(features), labels).backward()
            optimiser.step()
        if (found := score(head)) > best:
            best, kept = found, copy.deepcopy(head.state_dict())
    if kept is not None:
        head.load_state_dict(kept)
    return best


def shuffled(features: Tensor, labels: Tensor, fit: LinearFit) -> Batches:
    """Features that lie in memory, in another order each epoch."""

    def epoch(number: int) -> Iterable[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng([fit.seed, number])
        for rows in np.array_split(rng.permutation(len(features)), -(-len(features) // fit.batch)):
            yield features[rows], labels[rows]

    return epoch
