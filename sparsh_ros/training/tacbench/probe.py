# SPDX-License-Identifier: Apache-2.0
"""Train heads: on a frozen encoder, with the encoder, or with a fresh one from scratch.

Every budget of labels gets the same number of steps, as in TacBench, whose epochs grow as labels
shrink. Each head keeps its state, and where the encoder learns the encoder's, of its own best
moment on the VALIDATION split; training stops when no head gets better any more.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsh_ros.errors import TrainingError
from sparsh_ros.evaluation.metrics import select_threshold
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.schedule import CLIP_NORM, fastest_device, warmed_up
from sparsh_ros.training.tacbench.examples import READ_BATCH, Examples
from sparsh_ros.training.tacbench.objectives import (
    build_probe,
    loss_weights,
    probe_loss,
    probe_scores,
)
from sparsh_ros.training.tasks import Outputs, slip_probability

CHECKS = 10  # in a run without early stopping
PATIENCE = 5  # checks
CHECK_EXAMPLES = 600
WARM_UP = 0.05


@dataclass(frozen=True)
class ProbeSettings:
    """How to train heads: steps, examples per step, peak learning rate of Adam, seed."""

    steps: int = 300
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0


@dataclass
class Best:
    """Lowest validation loss of one head, when, and the whole network then."""

    loss: float = float("inf")
    check: int = 0
    state: Mapping[str, Tensor] = field(default_factory=dict)


class Probed(nn.Module):
    """Heads on the tokens they are given, or on those of an encoder that learns with them."""

    def __init__(
        self, names: Sequence[str], spec: ModelSpec, encoder: VisionTransformer | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({name: build_probe(name, spec) for name in names})

    def forward(self, inputs: Tensor) -> dict[str, Outputs]:
        """Tokens (B, N, D), or patches (B, N, P) where there is an encoder, to each head's
        outputs; both on the CPU, where labels and scores are, wherever the network is."""
        inputs = inputs.to(next(self.parameters()).device)
        tokens = inputs if self.encoder is None else self.encoder.forward_patches(inputs)
        found = {name: head(tokens) for name, head in self.heads.items()}
        return {name: {k: v.cpu() for k, v in outputs.items()} for name, outputs in found.items()}


class ProbeTraining:
    """Heads in training; ``best`` holds, by head, what is kept."""

    def __init__(
        self,
        names: Sequence[str],
        spec: ModelSpec,
        settings: ProbeSettings,
        encoder: VisionTransformer | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.spec = spec
        self.network = Probed(names, spec, encoder).to(fastest_device())
        self.best = {name: Best() for name in names}

    def run(self, train: Examples, validation: Examples) -> None:
        """Train until all steps are done or no head has got better for `PATIENCE` checks.

        Raises:
            TrainingError: The loss is no number; nothing is kept.
        """
        settings, validation = self.settings, validation.spread(CHECK_EXAMPLES)
        weights = {name: loss_weights(name, train.targets) for name in self.best}
        optimiser = torch.optim.Adam(self.network.parameters(), lr=settings.rate)
        rng = np.random.default_rng(settings.seed)
        interval = max(settings.steps // CHECKS, 1)
        for step in range(settings.steps):
            rate = warmed_up(step / settings.steps, 0.1 * settings.rate, settings.rate, WARM_UP)
            optimiser.param_groups[0]["lr"] = rate
            loss = self._step(optimiser, train, weights, rng)
            if not np.isfinite(loss):
                raise TrainingError(
                    f"probe of {', '.join(self.best)}: the loss is {loss} at step {step}; nothing "
                    "was written; look for labels out of range, or give a lower --learning-rate"
                )
            if (step + 1) % interval == 0 and self._check(validation, weights, step // interval):
                break

    def _step(
        self,
        optimiser: torch.optim.Optimizer,
        train: Examples,
        weights: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> float:
        index = np.sort(rng.integers(len(train), size=self.settings.batch))
        self.network.train()
        outputs, targets = self.network(train.inputs(index)), train.targets[index]
        loss = sum(probe_loss(name, outputs[name], targets, weights[name]) for name in outputs)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        optimiser.step()
        return loss.item()

    def _check(self, validation: Examples, weights: Mapping[str, Any], check: int) -> bool:
        """Keep what is best; whether to stop."""
        outputs = self.read(validation)
        state = None
        for name, best in self.best.items():
            loss = probe_loss(name, outputs[name], validation.targets, weights[name]).item()
            if loss < best.loss:
                state = state or copy.deepcopy(self.network.state_dict())
                self.best[name] = Best(loss, check, state)
        return all(check - best.check >= PATIENCE for best in self.best.values())

    @torch.no_grad()
    def read(self, examples: Examples) -> dict[str, Outputs]:
        """Outputs of every head for all examples."""
        self.network.eval()
        chunks = np.array_split(np.arange(len(examples)), -(-len(examples) // READ_BATCH))
        parts = [self.network(examples.inputs(chunk)) for chunk in chunks]
        return {
            name: {key: torch.cat([p[name][key] for p in parts]) for key in parts[0][name]}
            for name in self.best
        }

    def read_best(self, name: str, examples: Examples) -> Outputs:
        """Outputs of one head, in its best state, for all examples."""
        self.network.load_state_dict(self.best[name].state)
        return self.read(examples)[name]

    def threshold(self, validation: Examples) -> float:
        """The slip probability from which slip is told, chosen on validation examples."""
        probability = slip_probability(self.read_best("slip", validation))
        return select_threshold(probability, validation.labels.slipping)

    def score(self, name: str, validation: Examples, test: Examples) -> dict[str, float]:
        """Test scores of one head in its best state; validation chooses the slip threshold."""
        threshold = self.threshold(validation) if name == "slip" else 0.0
        outputs = self.read_best(name, test)
        return probe_scores(name, outputs, test.labels, self.spec, threshold)
