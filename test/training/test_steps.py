# SPDX-License-Identifier: Apache-2.0
"""What is chosen after training is chosen on validation pairs, never on those of the test."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sparsh_ros.training.steps import pick_seed, score_held_out
from sparsh_ros.training.store import PairLabels

COUNT = 100


def _labels(slipping: np.ndarray) -> PairLabels:
    three = np.ones((COUNT, 3), np.float32)
    return PairLabels(
        force_n=three,
        delta_force_n=three,
        in_contact=np.ones(COUNT, bool),
        slipping=slipping,
        motion=three,
        force_scale_n=three,
        delta_force_scale_n=three,
    )


def _outputs(probability: np.ndarray) -> dict[str, torch.Tensor]:
    logit = torch.from_numpy(np.log(probability / (1.0 - probability)))
    return {"slip": torch.stack([0.0 * logit, logit], 1), "force": torch.ones(COUNT, 3)}


def test_the_slip_threshold_is_the_best_one_on_validation(spec) -> None:
    probability = np.linspace(0.01, 0.99, COUNT)
    stores = {
        "validation": SimpleNamespace(labels=_labels(probability > 0.8)),
        "test": SimpleNamespace(labels=_labels(probability > 0.3)),
    }
    outputs = {split: _outputs(probability) for split in stores}
    scores = score_held_out("slip", outputs, stores, spec)
    assert scores["threshold"] == pytest.approx(0.8, abs=0.01)
    assert scores["recall"] == pytest.approx(20 / 70, abs=0.03)


def test_the_seed_with_the_lowest_validation_loss_ships() -> None:
    losses = (2.0, 1.0, 3.0)
    assert pick_seed([SimpleNamespace(loss=loss) for loss in losses]) == 1
