# SPDX-License-Identifier: Apache-2.0
"""Training of the classifier of one predicate, choice of its thresholds, and its scores."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import DatasetError
from sparsh_ros.predicates.classifier import Classifier
from sparsh_ros.predicates.samples import Samples

_LEAST_SCALE = 1e-3
_MARGIN = 0.08
"""Half the distance between the thresholds at which a predicate becomes true and false."""
_GRID = np.linspace(0.1, 0.9, 33)


@dataclass(frozen=True)
class PredicateSettings:
    """How to train: units of the layer, most epochs, patience, moments per step, AdamW's rates."""

    units: int = 24
    epochs: int = 40
    patience: int = 8
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    seed: int = 0


class _Network(nn.Module):
    """As `Classifier` computes it, on standardised features (B, fingers, F) -> logits (B,)."""

    def __init__(self, features: int, settings: PredicateSettings) -> None:
        super().__init__()
        self.layer = nn.Linear(features, settings.units)
        self.out = nn.Linear(2 * settings.units, 1)
        self.dropout = settings.dropout

    def forward(self, fingers: Tensor) -> Tensor:
        kept = F.dropout(fingers, self.dropout, self.training)
        units = F.relu(self.layer(kept))
        return self.out(torch.cat([units.mean(dim=1), units.amax(dim=1)], dim=1))[:, 0]


def train_predicate(
    name: str,
    model: str,
    train: Sequence[Samples],
    validation: Sequence[Samples],
    settings: PredicateSettings | None = None,
) -> Classifier:
    """Train the classifier of a predicate; its best epoch and thresholds are those of validation.

    Args:
        name: Of the predicate.
        model: Name of the model whose features these are.
        train: Recordings to learn from.
        validation: Others, of other sensor instances.
        settings: How.

    Raises:
        DatasetError: The predicate has no labels, or is always true or never in one of the two.
    """
    settings = settings or PredicateSettings()
    seen, wanted = _join(name, train, "train")
    judged, truth = _join(name, validation, "validation")
    mean = seen.mean(axis=(0, 1))
    scale = np.maximum(seen.std(axis=(0, 1)), _LEAST_SCALE)
    inputs = [torch.from_numpy((values - mean) / scale) for values in (seen, judged)]
    network = _fit(inputs, (wanted, truth), settings)
    classifier = Classifier(
        name,
        model,
        mean.astype(np.float32),
        scale.astype(np.float32),
        network.layer.weight.detach().half().float().numpy(),  # as its file will hold it
        network.layer.bias.detach().numpy(),
        network.out.weight.detach().numpy()[0],
        float(network.out.bias.item()),
        fingers=seen.shape[1],
    )
    return _with_thresholds(classifier, validation)


def score(classifier: Classifier, recordings: Sequence[Samples]) -> dict[str, float]:
    """F1, precision, recall, with hysteresis, and the F1 of who says that it is always true."""
    likely = [classifier.probability(samples.features) for samples in recordings]
    found = np.concatenate([_hysteresis(own, classifier.on, classifier.off) for own in likely])
    truth = np.concatenate([samples.labels[classifier.name] for samples in recordings])
    share = float(truth.mean())
    return {**_f1(found, truth), "share": share, "f1_always": 2 * share / (1 + share)}


def decide(classifier: Classifier, samples: Samples) -> NDArray[np.bool_]:
    """(n,) what the classifier says of a recording, moment after moment, with hysteresis."""
    return _hysteresis(classifier.probability(samples.features), classifier.on, classifier.off)


def _fit(
    inputs: Sequence[Tensor], labels: Sequence[NDArray[np.bool_]], settings: PredicateSettings
) -> _Network:
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    wanted, truth = (torch.from_numpy(values.astype(np.float32)) for values in labels)
    weight = (1 - wanted.mean()) / wanted.mean()  # both answers count alike
    network = _Network(inputs[0].shape[-1], settings)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    best, state, epoch_of_best = float("inf"), None, 0
    for epoch in range(settings.epochs):
        network.train()
        for index in np.array_split(
            rng.permutation(len(wanted)), max(1, len(wanted) // settings.batch)
        ):
            optimiser.zero_grad()
            logits = network(inputs[0][index])
            F.binary_cross_entropy_with_logits(logits, wanted[index], pos_weight=weight).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            loss = F.binary_cross_entropy_with_logits(
                network(inputs[1]), truth, pos_weight=weight
            ).item()
        if loss < best:
            best, state, epoch_of_best = loss, copy.deepcopy(network.state_dict()), epoch
        elif epoch - epoch_of_best >= settings.patience:
            break
    network.load_state_dict(state)
    return network.eval()


def _with_thresholds(classifier: Classifier, validation: Sequence[Samples]) -> Classifier:
    """The same with the pair of thresholds that has the highest F1 on validation recordings."""
    likely = [classifier.probability(samples.features) for samples in validation]
    truth = np.concatenate([samples.labels[classifier.name] for samples in validation])

    def f1(middle: float) -> float:
        limits = (middle + _MARGIN, middle - _MARGIN)
        return _f1(np.concatenate([_hysteresis(own, *limits) for own in likely]), truth)["f1"]

    best = max(_GRID, key=f1)
    return replace(classifier, on=float(best + _MARGIN), off=float(best - _MARGIN))


def _hysteresis(likely: NDArray[np.float64], on: float, off: float) -> NDArray[np.bool_]:
    value, found = False, []
    for probability in likely.tolist():
        value = probability >= (off if value else on)
        found.append(value)
    return np.array(found, bool)


def _join(
    name: str, recordings: Sequence[Samples], split: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    lacking = [samples.name for samples in recordings if name not in samples.labels]
    if lacking or not recordings:
        raise DatasetError(
            f"predicate {name}: wanted labels in every recording for {split}, found none in "
            f"{', '.join(lacking[:4]) or 'no recordings at all'}"
        )
    labels = np.concatenate([samples.labels[name] for samples in recordings])
    if labels.all() or not labels.any():
        raise DatasetError(
            f"predicate {name}: wanted moments of {split} where it is true and where it is not, "
            f"found it {'always' if labels.all() else 'never'} true; add recordings"
        )
    fingers = {samples.features.shape[1] for samples in recordings}
    if len(fingers) > 1:
        raise DatasetError(
            f"predicate {name}: wanted recordings for {split} of equally many fingers, found "
            f"{sorted(fingers)}"
        )
    return np.concatenate([samples.features for samples in recordings]), labels


def _f1(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float]:
    hits = float(np.sum(found & truth))
    precision = hits / max(float(found.sum()), 1.0)
    recall = hits / max(float(truth.sum()), 1.0)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"f1": f1, "precision": precision, "recall": recall}
