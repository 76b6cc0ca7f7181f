# SPDX-License-Identifier: Apache-2.0
"""How good an encoder is: a linear probe, or transfer with its last stage trained as well.

As in SARL, section 3.4, as far as it is told there. Ours, where it is not: batches of 128, inputs
and regression targets standardised by the training split, the epoch that is best on VALIDATION.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.schedule import cosine
from sparsh_ros.training.vitactip.dataset import TipImages
from sparsh_ros.training.vitactip.tasks import Task

PROBE, TRANSFER = "probe", "transfer"
BATCH = 128
_READ_BATCH = 128


@dataclass(frozen=True)
class Fit:
    """How to train a head.

    Attributes:
        epochs: How many.
        rate: Learning rate.
        sgd: SGD with momentum 0.9, else AdamW.
        decays: Whether the rate falls to zero by half a cosine, else it is constant.
        seed: Of weights and order.
    """

    epochs: int
    rate: float
    sgd: bool = False
    decays: bool = False
    seed: int = 0


def published_fit(task: Task, protocol: str) -> Fit:
    """SARL's; it does not tell the rate of transfer, which is ours."""
    if protocol == TRANSFER:
        return Fit(60, 1e-3, decays=True)
    return Fit(100, 0.02, sgd=True) if task.classes else Fit(200, 0.01)


class MultiPool(nn.Module):
    """The head of transfer: a linear layer on the means of stage 3, frozen, and stage 4, trained.

    Args:
        encoder: Whose last stage is copied.
        outputs: Numbers to give.
    """

    def __init__(self, encoder: ResNet18, outputs: int) -> None:
        super().__init__()
        self.layer4 = copy.deepcopy(encoder.layer4).requires_grad_()
        dim = encoder.config.embed_dim
        self.linear = nn.Linear(dim // 2 + dim, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) maps of stage 3 -> (B, outputs)."""
        both = maps.mean(dim=(2, 3)), self.layer4(maps).mean(dim=(2, 3))
        return self.linear(torch.cat(both, dim=1))


@torch.no_grad()
def read_images(encoder: ResNet18, tips: TipImages, protocol: str) -> Tensor:
    """What a head reads of all images: vectors (N, D), for transfer maps of stage 3."""
    size, parts = encoder.config.image_size, []
    encoder.eval()
    for rows in np.array_split(np.arange(len(tips)), max(len(tips) // _READ_BATCH, 1)):
        images = tips.clips(rows)[:, 0].permute(0, 3, 1, 2).float() / 255.0
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        parts.append(encoder(images) if protocol == PROBE else encoder.maps(images)[1])
    return torch.cat(parts)


def score(
    task: Task,
    encoder: ResNet18,
    inputs: Mapping[str, Tensor],
    tips: Mapping[str, TipImages],
    protocol: str,
    fit: Fit,
) -> dict[str, float]:
    """Train a head and score it on the test split.

    Args:
        task: What is asked.
        encoder: It stays as it is.
        inputs: By split, what `read_images` gives.
        tips: By split, the labels.
        protocol: `PROBE` or `TRANSFER`.
        fit: How to train.

    Returns:
        See `Task.scores`.
    """
    torch.manual_seed(fit.seed)
    given = {split: inputs[split][task.rows(found)] for split, found in tips.items()}
    wanted = {split: task.targets(found) for split, found in tips.items()}
    to_numbers = _Scale.of(wanted["train"]) if not task.classes else _Scale.none()
    if protocol == PROBE:
        scale = _Scale.of(given["train"])
        given = {split: scale.apply(values) for split, values in given.items()}
        head: nn.Module = nn.Linear(given["train"].shape[1], task.outputs)
    else:
        head = MultiPool(encoder, task.outputs)
    targets = to_numbers.apply(wanted["train"])
    best, kept = None, None
    for _ in _epochs(head, task, given["train"], targets, fit):
        found = to_numbers.undo(_answer(head, given["validation"]))
        value = task.scores(found, wanted["validation"])[task.measure]
        value = value if task.classes else -value
        if best is None or value > best:
            best, kept = value, copy.deepcopy(head.state_dict())
    head.load_state_dict(kept)
    return task.scores(to_numbers.undo(_answer(head, given["test"])), wanted["test"])


def _epochs(
    head: nn.Module, task: Task, inputs: Tensor, targets: Tensor, fit: Fit
) -> Iterator[None]:
    if fit.sgd:
        optimiser: torch.optim.Optimizer = torch.optim.SGD(head.parameters(), fit.rate, 0.9)
    else:
        optimiser = torch.optim.AdamW(head.parameters(), fit.rate)
    for epoch in range(fit.epochs):
        head.train()
        if fit.decays:
            optimiser.param_groups[0]["lr"] = cosine(epoch / fit.epochs, fit.rate, 0.0)
        for rows in torch.randperm(len(inputs)).split(BATCH):
            if len(rows) == 1:  # batch norm has nothing to compare it with
                continue
            loss = task.loss(head(inputs[rows]), targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        yield


@torch.no_grad()
def _answer(head: nn.Module, inputs: Tensor) -> Tensor:
    head.eval()
    return torch.cat([head(part) for part in inputs.split(_READ_BATCH)])


@dataclass(frozen=True)
class _Scale:
    """To mean 0 and deviation 1, and back."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, values: Tensor) -> _Scale:
        return cls(values.mean(dim=0), values.std(dim=0).clamp(min=1e-6))

    @classmethod
    def none(cls) -> _Scale:
        return cls(torch.zeros(()), torch.ones(()))

    def apply(self, values: Tensor) -> Tensor:
        return values if self.mean.ndim == 0 else (values - self.mean) / self.deviation

    def undo(self, values: Tensor) -> Tensor:
        return values * self.deviation + self.mean


def changed(fit: Fit, epochs: int | None, rate: float | None, seed: int) -> Fit:
    """Another seed, and epochs or rate where they are given."""
    return replace(fit, epochs=epochs or fit.epochs, rate=rate or fit.rate, seed=seed)
