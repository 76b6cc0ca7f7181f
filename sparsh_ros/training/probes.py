# SPDX-License-Identifier: Apache-2.0
"""Attentive heads on the tokens of a frozen encoder.

The three heads see the same batches but share nothing else. The learning rate falls by half a
cosine, epoch by epoch; each head keeps the state of its own best epoch on the VALIDATION split. Its
peak learning rate is the one with the lowest validation loss at the first seed; further seeds show
how much of a score is luck.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsh_ros.models.heads import build_head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.schedule import CLIP_NORM
from sparsh_ros.training.tasks import HEAD_NAMES, ClassWeights, Targets, head_loss

PATIENCE = 4  # epochs without a better validation loss
READ_BATCH = 512


@dataclass(frozen=True)
class ProbeSettings:
    """How to train heads: most epochs, pairs per step, peak rates of Adam to try, seeds."""

    epochs: int = 12
    batch: int = 128
    rates: tuple[float, ...] = (1e-3, 3e-4)
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclass(frozen=True)
class Tokens:
    """Tokens (n, 300, D) float16 of n pairs, and what the heads should say about them."""

    values: NDArray[np.float16]
    targets: Targets


@dataclass
class Candidate:
    """A head in training, and its best state so far."""

    head: nn.Module
    optimiser: torch.optim.Optimizer
    rate: float
    seed: int
    loss: float = float("inf")
    epoch: int = 0
    state: dict[str, Tensor] | None = None

    def slow_down(self, share: float) -> None:
        """Set the learning rate for a share of all epochs, from the peak at 0 to none at 1."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * 0.5 * (1.0 + math.cos(math.pi * share))

    def judge(self, loss: float, epoch: int) -> None:
        """Keep the present state if its validation loss is the lowest so far."""
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            self.state = copy.deepcopy(self.head.state_dict())

    def best_head(self) -> nn.Module:
        """The head in its best state."""
        self.head.load_state_dict(self.state)
        return self.head.eval()

    def summary(self) -> dict[str, Any]:
        """Seed, learning rate, best epoch and its validation loss."""
        names = ("seed", "rate", "epoch", "loss")
        return {name: getattr(self, name) for name in names}


def train_heads(
    train: Tokens,
    validation: Tokens,
    spec: ModelSpec,
    settings: ProbeSettings,
    names: Sequence[str] = HEAD_NAMES,
) -> dict[str, list[Candidate]]:
    """Train heads on frozen tokens: for each name one candidate per seed, in its best state, at
    the learning rate that suits it."""
    weights = ClassWeights.of(train.targets)
    first, *further = settings.seeds
    tried = [
        _train_once(train, validation, spec, settings, weights, dict.fromkeys(names, rate), first)
        for rate in settings.rates
    ]
    chosen = {name: [min((run[name] for run in tried), key=lambda c: c.loss)] for name in names}
    rates = {name: chosen[name][0].rate for name in names}
    for seed in further:
        run = _train_once(train, validation, spec, settings, weights, rates, seed)
        for name in names:
            chosen[name].append(run[name])
    return chosen


def _train_once(
    train: Tokens,
    validation: Tokens,
    spec: ModelSpec,
    settings: ProbeSettings,
    weights: ClassWeights,
    rates: Mapping[str, float],
    seed: int,
) -> dict[str, Candidate]:
    torch.manual_seed(seed)
    candidates = {name: _start(name, spec, rate, seed) for name, rate in rates.items()}
    rng = np.random.default_rng(seed)
    with progress_bar(f"Heads, seed {seed}, epochs", settings.epochs) as bar:
        for epoch in range(1, settings.epochs + 1):
            active = {n: c for n, c in candidates.items() if epoch - c.epoch <= PATIENCE}
            if not active:
                break
            for candidate in active.values():
                candidate.slow_down((epoch - 1) / settings.epochs)
            train_epoch(train, active, weights, settings.batch, rng)
            for name, loss in evaluate(validation, active, weights).items():
                candidates[name].judge(loss, epoch)
            losses = ", ".join(f"{name} {c.loss:.4f}" for name, c in candidates.items())
            bar.update(epoch, losses)
    return candidates


def _start(name: str, spec: ModelSpec, rate: float, seed: int) -> Candidate:
    head = build_head(name, spec)
    return Candidate(head, torch.optim.Adam(head.parameters(), lr=rate, fused=True), rate, seed)


def train_epoch(
    data: Tokens,
    candidates: Mapping[str, Candidate],
    weights: ClassWeights,
    batch: int,
    rng: np.random.Generator,
) -> None:
    """One pass over shuffled pairs; each batch is read once and serves every head."""
    order = rng.permutation(len(data.values))
    for start in range(0, len(order), batch):
        index = np.sort(order[start : start + batch])
        tokens = torch.from_numpy(data.values[index]).float()
        targets = data.targets[index]
        for name, candidate in candidates.items():
            candidate.head.train()
            candidate.optimiser.zero_grad()
            head_loss(name, candidate.head(tokens), targets, weights).backward()
            nn.utils.clip_grad_norm_(candidate.head.parameters(), CLIP_NORM)
            candidate.optimiser.step()


def evaluate(
    data: Tokens, candidates: Mapping[str, Candidate], weights: ClassWeights
) -> dict[str, float]:
    """Loss of each head over all pairs."""
    return {
        name: head_loss(name, outputs, data.targets, weights).item()
        for name, outputs in read_out(
            data.values, {name: c.head for name, c in candidates.items()}
        ).items()
    }


@torch.no_grad()
def read_out(
    values: NDArray[np.float16], heads: Mapping[str, nn.Module]
) -> dict[str, dict[str, Tensor]]:
    """Outputs of each head for all tokens (n, 300, D)."""
    parts: dict[str, list[dict[str, Tensor]]] = {name: [] for name in heads}
    for start in range(0, len(values), READ_BATCH):
        tokens = torch.from_numpy(values[start : start + READ_BATCH].astype(np.float32))
        for name, head in heads.items():
            parts[name].append(head.eval()(tokens))
    return {
        name: {key: torch.cat([part[key] for part in found]) for key in found[0]}
        for name, found in parts.items()
    }
