# SPDX-License-Identifier: Apache-2.0
"""How alike an encoder makes one touch on different sensors: retrieval, and transfer of a probe.

Retrieval takes the vector of a touch on one sensor and asks which of the touches of a gallery, on
another sensor, is nearest by cosine. Transfer trains a linear probe for the kind of object on one
sensor and asks it on the others. Which vector is read, by which sensor token, and the probe's
learning rate are chosen on VALIDATION.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.models.anytouch.encoder import POOLINGS, AnyTouch
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.training.multisensor.dataset import SEEN_KINDS, UNSEEN_KINDS, AlignedTouches
from sparsh_ros.training.multisensor.linear import LinearFit, fresh_head, shuffled, train_head
from sparsh_ros.training.recipes.anytouch.masked import resized

OWN, UNIVERSAL = "own", "universal"
GALLERIES = 20
_BATCH = 128
Vectors = dict[str, Tensor]
"""Sensor -> (N, P) vectors of the touches of a split."""


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        source: Sensor that probes are trained on.
        gallery: Touches among which one is looked for.
        seeds: Of the probes.
        rates: Learning rates of the probes to try.
        epochs: Of each probe.
    """

    source: str = "digit"
    gallery: int = 100
    seeds: Sequence[int] = (0, 1, 2)
    rates: Sequence[float] = (1e-3, 1e-2)
    epochs: int = 50


@torch.no_grad()
def read_vectors(encoder: AnyTouch, touches: AlignedTouches, token: str, pooling: str) -> Vectors:
    """Vectors of the newest frames, as stills.

    Args:
        encoder: It stays as it is.
        touches: A split.
        token: `OWN`, that of the sensor, or `UNIVERSAL`.
        pooling: One of `POOLINGS`.
    """
    encoder.eval()
    vectors = {}
    for place, sensor in enumerate(SENSORS):
        stills = torch.from_numpy(touches.frames[:, place, 0]).permute(0, 3, 1, 2)
        told = sensor if token == OWN else None
        vectors[sensor] = torch.cat(
            [
                encoder.embed(resized(part / 255.0, encoder.config), told, pooling)
                for part in stills.split(_BATCH)
            ]
        )
    return vectors


def retrieve(queries: Tensor, gallery: Tensor, size: int) -> float:
    """Percent of the queries whose own touch is the nearest of a gallery.

    Args:
        queries, gallery: (N, P) vectors; rows of one number are the same touch.
        size: Of a gallery; the mean over `GALLERIES` random ones.
    """
    likeness = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    rng, size = np.random.default_rng(0), min(size, len(queries))
    found = []
    for _ in range(GALLERIES):
        rows = torch.from_numpy(rng.choice(len(queries), size, replace=False))
        nearest = likeness[rows][:, rows].argmax(dim=1)
        found.append((nearest == torch.arange(size)).float().mean().item())
    return 100.0 * mean(found)


def retrieve_all(
    vectors: Vectors, rows: np.ndarray, size: int
) -> dict[str, float]:  # "digit to gelsight_mini" ...
    """`retrieve` among some touches, for each pair of sensors, and the mean of all pairs."""
    pairs = {
        f"{first} to {second}": retrieve(vectors[first][rows], vectors[second][rows], size)
        for first, second in permutations(SENSORS, 2)
    }
    return {"mean": mean(pairs.values()), **pairs}


def transfer(
    vectors: Mapping[str, Vectors], touches: Mapping[str, AlignedTouches], settings: Settings
) -> dict[str, list[float]]:
    """Percent right of a probe for the kind of object, trained on one sensor, asked on each.

    Args:
        vectors: By split.
        touches: By split; of "test" only the kinds that the others have.
        settings: How to compare.

    Returns:
        Sensor -> a value for each seed.
    """
    rows = {split: found.rows_of(SEEN_KINDS) for split, found in touches.items()}
    kinds, labels = np.unique(touches["train"].labels["kind"], return_inverse=True)
    wanted = {
        split: torch.from_numpy(np.searchsorted(kinds, found.labels["kind"][rows[split]]))
        for split, found in touches.items()
    }
    train = vectors["train"][settings.source]
    centre, spread = train.mean(dim=0), train.std(dim=0).clamp(min=1e-6)
    inputs = {
        (split, sensor): (values[rows[split]] - centre) / spread
        for split in touches
        for sensor, values in vectors[split].items()
    }

    def score(head: torch.nn.Linear, split: str, sensor: str) -> float:
        with torch.no_grad():
            right = head(inputs[split, sensor]).argmax(dim=1) == wanted[split]
        return 100.0 * right.float().mean().item()

    results: dict[str, list[float]] = {sensor: [] for sensor in SENSORS}
    for seed in settings.seeds:
        tried = []
        for rate in settings.rates:
            fit = LinearFit(settings.epochs, rate=rate, seed=seed)
            head = fresh_head(train.shape[1], len(kinds), seed)
            batches = shuffled(inputs["train", settings.source], torch.from_numpy(labels), fit)
            best = train_head(
                head,
                batches,
                F.cross_entropy,
                fit,
                lambda head: score(head, "validation", settings.source),
            )
            tried.append((best, head))
        head = max(tried, key=lambda pair: pair[0])[1]
        for sensor in SENSORS:
            results[sensor].append(score(head, "test", sensor))
    return results


def compare(
    encoder: AnyTouch, touches: Mapping[str, AlignedTouches], settings: Settings
) -> dict[str, Any]:
    """Choose what is read of the encoder, then measure; all in percent.

    Returns:
        token, pooling; "retrieval" of kinds seen and unseen in training, "transfer".
    """
    validation = touches["validation"]
    everything = np.arange(len(validation))

    def value(choice: tuple[str, str]) -> float:
        found = read_vectors(encoder, validation, *choice)
        return retrieve_all(found, everything, settings.gallery)["mean"]

    token, pooling = max(product((OWN, UNIVERSAL), POOLINGS), key=value)
    vectors = {split: read_vectors(encoder, t, token, pooling) for split, t in touches.items()}
    test = touches["test"]
    sorts = {"seen kinds": SEEN_KINDS, "unseen kinds": UNSEEN_KINDS}
    return {
        "token": token,
        "pooling": pooling,
        "retrieval": {
            name: retrieve_all(vectors["test"], test.rows_of(kinds), settings.gallery)
            for name, kinds in sorts.items()
        },
        "transfer": transfer(vectors, touches, settings),
    }
