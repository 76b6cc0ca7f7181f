# SPDX-License-Identifier: Apache-2.0
"""Force fields as a task: every token answers for its own place, in kPa and mm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench.fields import SCALE, build_field_head, field_scores
from sparsh_ros.training.tacbench.objectives import probe_loss


@pytest.mark.parametrize("recipe", ["mae", "vjepa"])
def test_a_token_answers_for_its_place(recipe, tmp_path):
    spec = model_spec(recipe, "nano", tmp_path)
    torch.manual_seed(0)
    head = build_field_head(spec)
    tokens = torch.zeros(1, 48 * head.times, 64)
    still = head(tokens)["forcefield"]
    assert still.shape == (1, 3, 20, 15)
    tokens[0, 0] = 1.0  # the newest frame's upper left
    change = (head(tokens)["forcefield"] - still).abs().sum(dim=1)[0]
    assert change[:3, :3].max() > 0.0 and change[4:].max() == 0.0 and change[:, 4:].max() == 0.0


def test_a_head_learns_a_field_and_errors_have_units(tmp_path):
    torch.manual_seed(0)
    head = build_field_head(model_spec("mae", "nano", tmp_path))
    tokens = torch.randn(8, 48, 64)
    truth = head(tokens)["forcefield"].detach().abs() + 0.1
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = probe_loss("forcefield", head(tokens), truth, None)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    scores = field_scores(truth + torch.tensor([0.1, 0.3, 0.4])[:, None, None], truth.numpy())
    assert scores["pressure_mae_kpa"] == pytest.approx(0.1 * SCALE[0], rel=1e-4)
    assert scores["shear_mae_mm"] == pytest.approx(0.5 * SCALE[1], rel=1e-4)
    mixed = truth.numpy().copy()
    mixed[:, :, 10:] = 0.0  # untouched: what is said there does not count
    wrong = torch.from_numpy(mixed) + 0.0
    wrong[:, :, 10:] += 1.0
    assert field_scores(wrong, mixed)["pressure_mae_kpa"] == pytest.approx(0.0, abs=1e-4)
    assert np.isfinite(losses).all()
