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
from sparsh_ros.training.policy.images import (
    END_TO_END,
    FINE_TUNED,
    ImagePairs,
    SeeingNet,
    make_network,
)
from sparsh_ros.training.policy.networks import ChunkNet, DiffusionNet, Normalised
from sparsh_ros.training.policy.samples import HORIZON, Samples, make_samples

_SEES = {"diffusion": "features", "chunks": "features", "felt": "felt"}
_DOES = {"diffusion": "joints", "chunks": "joints", "felt": "twist"}
_REPLAN = {"diffusion": 8, "chunks": 8, "felt": 2}
_EPOCHS = {"diffusion": 25, "chunks": 8, "felt": 8}  # regression is best after two of them
_AVERAGED = 0.995  # of the weights, per step, for diffusion
_SLOWER = 0.1
_LIMIT_PERCENTILE, _ROOM = 99.9, 1.2
FROZEN = "frozen"
ENCODERS = (FROZEN, FINE_TUNED, END_TO_END)
"""That of the features as recorded, or one in the policy: the same trained on, or a new one."""


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
        encoder: of `ENCODERS`; policies by what is felt have a frozen one.
        truth: learn from what was true in place of what was felt, for `bench bead-maze --truth`.
    """

    kind: str
    epochs: int | None = None
    batch: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    without: str = ""
    encoder: str = FROZEN
    truth: bool = False

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
        ParameterError: The kind is unknown, it has no encoder of its own, or there are too few
            demonstrations.
    """
    if settings.kind not in KINDS:
        raise ParameterError(f"policy: wanted one of {', '.join(KINDS)}, found {settings.kind!r}")
    if len(demonstrations) < 2:
        raise ParameterError("policy: wanted 2 demonstrations or more, to train and to validate")
    if settings.encoder != FROZEN and (_SEES[settings.kind] != "features" or settings.without):
        raise ParameterError(
            f"encoder {settings.encoder}: wanted a policy that sees all of the encoder's features "
            f"(diffusion, chunks), found {settings.kind} without {settings.without or 'nothing'!r}"
        )
    if settings.truth and _SEES[settings.kind] != "felt":
        raise ParameterError(f"truth: wanted a policy by what is felt, found {settings.kind}")
    began = time.monotonic()
    torch.manual_seed(settings.seed)
    train, validation = _split(demonstrations, settings)
    network, losses = _fit(settings, train, validation, on_epoch)
    card = _card(settings, demonstrations, train)
    with whole_or_nothing(path) as partial:
        _export(network, card, partial)
    return Result(tuple(losses), time.monotonic() - began, len(train))


class _VectorPairs:
    """Pairs of observation and chunk, in the way of `ImagePairs`."""

    def __init__(self, samples: Samples) -> None:
        self.observations, self.actions = (torch.from_numpy(array) for array in samples)

    def __len__(self) -> int:
        return len(self.actions)

    def loss(self, network: Normalised, rows: torch.Tensor) -> torch.Tensor:
        return network.loss(self.observations[rows], self.actions[rows])

    def mean_loss(self, network: Normalised) -> torch.Tensor:
        return network.loss(self.observations, self.actions)


_Pairs = _VectorPairs | ImagePairs
_Network = Normalised | SeeingNet


def _split(
    demonstrations: Sequence[Demonstration], settings: PolicySettings
) -> tuple[_Pairs, _Pairs]:
    order = np.random.default_rng(settings.seed).permutation(len(demonstrations))
    held_back = max(len(order) // 10, 1)
    parts = [
        _pairs([demonstrations[i] for i in part], settings)
        for part in (order[held_back:], order[:held_back])
    ]
    return parts[0], parts[1]


def _pairs(demonstrations: Sequence[Demonstration], settings: PolicySettings) -> _Pairs:
    if settings.encoder != FROZEN:
        return ImagePairs(demonstrations)
    kind, touch = settings.kind, "true" if settings.truth else "touch"
    samples = make_samples(demonstrations, _SEES[kind], _DOES[kind], settings.without, touch)
    return _VectorPairs(samples)


def _make(settings: PolicySettings, train: _Pairs) -> _Network:
    kind = DiffusionNet if settings.kind == "diffusion" else ChunkNet
    if isinstance(train, ImagePairs):
        return make_network(kind, train, settings.encoder)
    return kind(train.observations, train.actions)


def _fit(
    settings: PolicySettings, train: _Pairs, validation: _Pairs, on_epoch: Callable[[], None]
) -> tuple[_Network, list[float]]:
    network = _make(settings, train)
    averaged = copy.deepcopy(network)
    keeps = _AVERAGED if settings.kind == "diffusion" else 0.0
    rates = _rates(network, settings.learning_rate)
    optimiser = torch.optim.AdamW(rates, weight_decay=0.01)
    steps = settings.count * -(-len(train) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [group["lr"] for group in rates],
        total_steps=steps + 1,
        pct_start=max(0.1, 2.0 / steps),
    )
    best, losses = copy.deepcopy(network), []
    for _ in range(settings.count):
        network.train()
        for rows in torch.randperm(len(train)).split(settings.batch):
            loss = train.loss(network, rows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            _average(averaged, network, keeps)
        losses.append(_validate(averaged, validation))
        if losses[-1] == min(losses):
            best = copy.deepcopy(averaged)
        on_epoch()
    return best.eval(), losses


def _rates(network: _Network, rate: float) -> list[dict]:
    """Parameters with their learning rates: what was trained already moves slowly."""
    if not isinstance(network, SeeingNet) or not network.encoder.is_trained:
        return [{"params": list(network.parameters()), "lr": rate}]
    return [
        {"params": list(network.policy.parameters()), "lr": rate},
        {"params": list(network.encoder.parameters()), "lr": _SLOWER * rate},
    ]


def _average(averaged: _Network, network: _Network, keeps: float) -> None:
    with torch.no_grad():
        pairs = zip(averaged.parameters(), network.parameters(), strict=True)
        for mean, new in pairs:
            mean.lerp_(new, 1.0 - keeps)
        for mean, new in zip(averaged.buffers(), network.buffers(), strict=True):
            mean.copy_(new)


def _validate(network: _Network, held: _Pairs) -> float:
    network.eval()
    state = torch.get_rng_state()
    torch.manual_seed(0)  # the same noise each time, so that epochs can be compared
    with torch.no_grad():
        loss = float(held.mean_loss(network))
    torch.set_rng_state(state)
    return loss


def _card(
    settings: PolicySettings, demonstrations: Sequence[Demonstration], train: _Pairs
) -> PolicyCard:
    flat = np.abs(train.actions.numpy()).reshape(-1, train.actions.shape[2])
    limits = _ROOM * np.percentile(flat, _LIMIT_PERCENTILE, axis=0)
    return PolicyCard(
        kind=settings.kind,
        rate_hz=demonstrations[0].meta["rate_hz"],
        observation="images" if isinstance(train, ImagePairs) else _SEES[settings.kind],
        actions=_DOES[settings.kind],
        limits=tuple(float(value) for value in limits),
        replan=_REPLAN[settings.kind],
        without=settings.without,
        demonstrations=len(demonstrations),
        seed=settings.seed,
    )


def _export(network: _Network, card: PolicyCard, path: Path) -> None:
    inputs = [torch.zeros(1, network.observation_size)]
    names = ["observation"]
    if card.kind == "diffusion":
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
