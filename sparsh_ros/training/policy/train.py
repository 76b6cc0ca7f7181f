# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train policy`: from demonstrations to an ONNX file that drives the hand."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from sparsh_ros.errors import ParameterError
from sparsh_ros.export.export import drop_traces
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.policy import KINDS, PolicyCard, metadata
from sparsh_ros.recordings.whole import whole_or_nothing
from sparsh_ros.training.policy.networks import ChunkNet, DiffusionNet, Normalised
from sparsh_ros.training.policy.samples import HORIZON, Samples, make_samples

_SEES = {"diffusion": "features", "chunks": "features", "felt": "felt"}
_DOES = {"diffusion": "joints", "chunks": "joints", "felt": "twist"}
_REPLAN = {"diffusion": 8, "chunks": 8, "felt": 2}
_EPOCHS = {"diffusion": 25, "chunks": 8, "felt": 8}  # regression is best after two of them
_AVERAGED = 0.995  # of the weights, per step, for diffusion
_LIMIT_PERCENTILE, _ROOM = 99.9, 1.2


@dataclass(frozen=True)
class PolicySettings:
    """How to train.

    Attributes:
        kind: of `policy.KINDS`.
        epochs: over the training data; None: as many as are good for the kind.
        batch: pairs per step.
        learning_rate: of AdamW, at its peak.
        seed: of weights, order and the demonstrations for validation.
        without: what the policy does not see, see `observation.GROUPS`.
    """

    kind: str
    epochs: int | None = None
    batch: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    without: str = ""

    @property
    def count(self) -> int:
        """Epochs."""
        return self.epochs or _EPOCHS[self.kind]


@dataclass(frozen=True)
class Result:
    """What came of it: loss on the validation demonstrations by epoch, and the seconds it took."""

    losses: tuple[float, ...]
    seconds: float
    pairs: int


def train_policy(
    demonstrations: Sequence[Demonstration],
    settings: PolicySettings,
    path: Path,
    on_epoch: Callable[[], None] = lambda: None,
) -> Result:
    """Train on nine tenths of the demonstrations, keep the epoch best on the rest, export.

    Args:
        demonstrations: to learn from; two at least.
        settings: of the training.
        path: ONNX file to write.
        on_epoch: called after each epoch.

    Raises:
        ParameterError: The kind is unknown, or there are too few demonstrations.
    """
    if settings.kind not in KINDS:
        raise ParameterError(f"policy: wanted one of {', '.join(KINDS)}, found {settings.kind!r}")
    if len(demonstrations) < 2:
        raise ParameterError("policy: wanted 2 demonstrations or more, to train and to validate")
    began = time.monotonic()
    torch.manual_seed(settings.seed)
    train, validation = _split(demonstrations, settings)
    network, losses = _fit(settings, train, validation, on_epoch)
    card = _card(settings, demonstrations, train)
    with whole_or_nothing(path) as partial:
        _export(network, card, partial)
    return Result(tuple(losses), time.monotonic() - began, len(train.observations))


def _split(
    demonstrations: Sequence[Demonstration], settings: PolicySettings
) -> tuple[Samples, Samples]:
    order = np.random.default_rng(settings.seed).permutation(len(demonstrations))
    held_back = max(len(order) // 10, 1)
    kind, without = settings.kind, settings.without
    parts = [
        make_samples([demonstrations[i] for i in part], _SEES[kind], _DOES[kind], without)
        for part in (order[held_back:], order[:held_back])
    ]
    return parts[0], parts[1]


def _fit(
    settings: PolicySettings, train: Samples, validation: Samples, on_epoch: Callable[[], None]
) -> tuple[Normalised, list[float]]:
    seen, done = (torch.from_numpy(array) for array in train)
    held = tuple(torch.from_numpy(array) for array in validation)
    network = (DiffusionNet if settings.kind == "diffusion" else ChunkNet)(seen, done)
    averaged = copy.deepcopy(network)
    keeps = _AVERAGED if settings.kind == "diffusion" else 0.0
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=0.01)
    steps = settings.count * -(-len(seen) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps + 1, pct_start=max(0.1, 2.0 / steps)
    )
    best, losses = copy.deepcopy(network), []
    for _ in range(settings.count):
        network.train()
        for rows in torch.randperm(len(seen)).split(settings.batch):
            loss = network.loss(seen[rows], done[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            _average(averaged, network, keeps)
        losses.append(_validate(averaged, held))
        if losses[-1] == min(losses):
            best = copy.deepcopy(averaged)
        on_epoch()
    return best.eval(), losses


def _average(averaged: Normalised, network: Normalised, keeps: float) -> None:
    with torch.no_grad():
        pairs = zip(averaged.parameters(), network.parameters(), strict=True)
        for mean, new in pairs:
            mean.lerp_(new, 1.0 - keeps)


def _validate(network: Normalised, held: tuple[torch.Tensor, torch.Tensor]) -> float:
    network.eval()
    state = torch.get_rng_state()
    torch.manual_seed(0)  # the same noise each time, so that epochs can be compared
    with torch.no_grad():
        loss = float(network.loss(*held))
    torch.set_rng_state(state)
    return loss


def _card(
    settings: PolicySettings, demonstrations: Sequence[Demonstration], train: Samples
) -> PolicyCard:
    flat = np.abs(train.actions).reshape(-1, train.actions.shape[2])
    limits = _ROOM * np.percentile(flat, _LIMIT_PERCENTILE, axis=0)
    return PolicyCard(
        kind=settings.kind,
        rate_hz=demonstrations[0].meta["rate_hz"],
        observation=_SEES[settings.kind],
        actions=_DOES[settings.kind],
        limits=tuple(float(value) for value in limits),
        replan=_REPLAN[settings.kind],
        without=settings.without,
        demonstrations=len(demonstrations),
        seed=settings.seed,
    )


def _export(network: Normalised, card: PolicyCard, path: Path) -> None:
    inputs = [torch.zeros(1, len(network.centre))]
    names = ["observation"]
    if isinstance(network, DiffusionNet):
        inputs.append(torch.zeros(1, HORIZON, network.size))
        names.append("noise")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of operators not in use
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            tuple(inputs),
            input_names=names,
            output_names=["actions"],
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    drop_traces(model)
    onnx.helper.set_model_props(model, metadata(card))
    onnx.save(model, str(path))
