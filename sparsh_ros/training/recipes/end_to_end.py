# SPDX-License-Identifier: Apache-2.0
"""The same network without pre-training: encoder and three heads from scratch on the same labels.

One encoder serves the three heads, as on the robot, and their losses are added; this is the
baseline in its strongest affordable form: each head may keep the encoder of its own best moment on
the VALIDATION split.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsh_ros.models.heads import build_head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.progress import progress_bar
from sparsh_ros.training.patches import scale_patches
from sparsh_ros.training.schedule import Budget, build_optimiser, learning_rate, take_step
from sparsh_ros.training.store import PairStore
from sparsh_ros.training.tasks import HEAD_NAMES, ClassWeights, Targets, head_loss

WEIGHT_DECAY = 0.05
CHECK_PAIRS = 2000  # validation pairs per check
CHECKS = 12  # in the whole budget
BATCH = 64  # for reading

Outputs = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class EndToEndSettings:
    """How to train: minutes of wall clock, pairs per step, peak learning rate, seed."""

    minutes: float
    batch: int = 32
    rate: float = 5e-4
    seed: int = 0


class EndToEnd(nn.Module):
    """Encoder and heads: scaled patches (B, 300, 1536) -> outputs by head."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.encoder = VisionTransformer.from_spec(spec)
        self.heads = nn.ModuleDict({name: build_head(name, spec) for name in HEAD_NAMES})

    def forward(self, patches: Tensor) -> Outputs:
        """Encode once, then ask every head."""
        tokens = self.encoder.forward_patches(patches)
        return {name: head(tokens) for name, head in self.heads.items()}


@dataclass
class Best:
    """Lowest validation loss of one head, and the whole network at that moment."""

    loss: float = float("inf")
    step: int = 0
    state: Mapping[str, Tensor] | None = None


class EndToEndTraining:
    """A training run; ``network`` is what is being trained, ``best`` holds what is kept."""

    def __init__(self, spec: ModelSpec, settings: EndToEndSettings) -> None:
        torch.manual_seed(settings.seed)
        self.spec = spec
        self.settings = settings
        self.network = EndToEnd(spec)
        self.optimiser = build_optimiser(self.network, WEIGHT_DECAY)
        self.best = {name: Best() for name in HEAD_NAMES}
        self.step = 0

    def run(
        self,
        train: PairStore,
        validation: PairStore,
        now: Callable[[], float] = time.monotonic,
    ) -> dict[str, Any]:
        """Train until the budget is spent; returns what the run was."""
        targets = Targets.of(train.labels, self.spec)
        weights = ClassWeights.of(targets)
        budget, checks = Budget(self.settings.minutes, now=now), 0
        with progress_bar("End to end", 1.0, counted=False) as bar:
            while (share := budget.share()) < 1.0:
                rate = learning_rate(share, self.settings.rate)
                loss = self.train_step(train, targets, weights, rate)
                bar.update(share, f"step {self.step}, loss {loss:.4f}")
                if share * CHECKS >= checks + 1:
                    checks += 1
                    self.check(validation, weights)
        self.check(validation, weights)
        return {
            "settings": asdict(self.settings),
            "steps": self.step,
            "pairs": self.step * self.settings.batch,
            "seconds": budget.spent_s(),
            "best_step": {name: best.step for name, best in self.best.items()},
        }

    def train_step(
        self, store: PairStore, targets: Targets, weights: ClassWeights, rate: float
    ) -> float:
        """One step on random pairs; returns the sum of the heads' losses."""
        rng = np.random.default_rng([self.settings.seed, self.step])
        index = np.sort(rng.integers(len(store), size=self.settings.batch))
        self.network.train()
        outputs = self._outputs(store, index)
        wanted = targets[index]
        loss = sum(head_loss(name, outputs[name], wanted, weights) for name in HEAD_NAMES)
        take_step(self.network, self.optimiser, loss, rate)
        self.step += 1
        return loss.item()

    def check(self, validation: PairStore, weights: ClassWeights) -> None:
        """Measure every head on validation pairs and keep the network where it is the best."""
        count = min(CHECK_PAIRS, len(validation))
        index = np.linspace(0, len(validation), count, endpoint=False).astype(np.int64)
        outputs = self.read(validation, index)
        wanted = Targets.of(validation.labels[index], self.spec)
        state = copy.deepcopy(self.network.state_dict())
        for name, best in self.best.items():
            loss = head_loss(name, outputs[name], wanted, weights).item()
            if loss < best.loss:
                self.best[name] = Best(loss, self.step, state)

    def read_best(self, store: PairStore) -> Outputs:
        """Outputs of every head for all pairs, each with the network of its best moment."""
        found = {}
        for name, best in self.best.items():
            self.network.load_state_dict(best.state)
            found[name] = self.read(store, np.arange(len(store)))[name]
        return found

    @torch.no_grad()
    def read(self, store: PairStore, index: np.ndarray) -> Outputs:
        """Outputs of every head for pairs ``index``."""
        self.network.eval()
        chunks = [index[start : start + BATCH] for start in range(0, len(index), BATCH)]
        parts = [self._outputs(store, chunk) for chunk in chunks]
        return {
            name: {key: torch.cat([p[name][key] for p in parts]) for key in parts[0][name]}
            for name in HEAD_NAMES
        }

    def _outputs(self, store: PairStore, index: np.ndarray) -> Outputs:
        patches = scale_patches(torch.from_numpy(store.patches(index)))
        with torch.autocast("cpu", torch.bfloat16):
            found = self.network(patches)
        return {n: {key: value.float() for key, value in o.items()} for n, o in found.items()}
