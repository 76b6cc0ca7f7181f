# SPDX-License-Identifier: Apache-2.0
"""Force fields as a task: every token answers for its own place, in kPa and mm, and is exported."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsh_ros import cli
from sparsh_ros.engines import create_engine
from sparsh_ros.errors import ModelError
from sparsh_ros.models.heads import FIELD_SCALES, FieldHead, build_field_head
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.zoo import describe_as_yaml, load_model_spec
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench.fields import field_of, field_scores
from sparsh_ros.training.tacbench.objectives import probe_loss


@pytest.mark.parametrize("recipe", ["mae", "vjepa"])
def test_a_token_answers_for_its_place(recipe, tmp_path):
    spec = model_spec(recipe, "nano", tmp_path)
    torch.manual_seed(0)
    head = build_field_head(spec)
    tokens = torch.zeros(1, 48 * head.times, 64)
    still = head(tokens)
    assert (still["pressure"].shape, still["stretch"].shape) == ((1, 1, 20, 15), (1, 2, 20, 15))
    tokens[0, 0] = 1.0  # the newest frame's upper left
    change = (field_of(head(tokens)) - field_of(still)).abs().sum(dim=1)[0]
    assert change[:3, :3].max() > 0.0 and change[4:].max() == 0.0 and change[:, 4:].max() == 0.0


def test_a_head_learns_a_field_and_errors_have_units(tmp_path):
    torch.manual_seed(0)
    head = build_field_head(model_spec("mae", "nano", tmp_path))
    tokens = torch.randn(8, 48, 64)
    truth = field_of(head(tokens)).detach().abs() + 0.1
    torch.testing.assert_close(
        head(tokens)["pressure"], FIELD_SCALES[0] * field_of(head(tokens))[:, :1]
    )
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
    assert scores["pressure_mae_kpa"] == pytest.approx(0.1 * FIELD_SCALES[0], rel=1e-4)
    assert scores["shear_mae_mm"] == pytest.approx(0.5 * FIELD_SCALES[1], rel=1e-4)
    mixed = truth.numpy().copy()
    mixed[:, :, 10:] = 0.0  # untouched: what is said there does not count
    wrong = torch.from_numpy(mixed) + 0.0
    wrong[:, :, 10:] += 1.0
    assert field_scores(wrong, mixed)["pressure_mae_kpa"] == pytest.approx(0.0, abs=1e-4)
    assert np.isfinite(losses).all()


def test_a_probe_for_fields_is_exported(dataset, tmp_path, capsys):
    """Of clips, and with the encoder; one of pairs, frozen, goes live in test/nodes/graph."""
    (tmp_path / "model.yaml").write_text(describe_as_yaml(model_spec("vjepa", "nano", tmp_path)))
    run = tmp_path / "run"
    words = ["--model", tmp_path / "model.yaml", "--run", run, "--data", dataset, "--threads", 1]
    words += ["--from-scratch", "--budget", 50, "--steps", 100, "--learning-rate", 3e-3]
    words += ["--batch", 8, "--chains", 1]
    assert cli.main(["train", "probe", "forcefield", *map(str, words)]) == 0
    about = json.loads((run / "probe.json").read_text())
    found, guess = (about[key]["forcefield"]["pressure_mae_kpa"] for key in ("scores", "trivial"))
    assert f"{found:.3f}" in capsys.readouterr().out and found < guess
    spec = load_model_spec(run / "model.yaml")
    assert spec.heads == ("forcefield",)
    images = np.random.default_rng(0).integers(0, 256, (spec.frames + 1, 1, 320, 240, 3), np.uint8)
    field = create_engine(spec, "cpu", threads=1).run_head("forcefield", *images)
    assert {name: values.shape[1:] for name, values in field.items()} == {
        "pressure": (1, 20, 15),
        "stretch": (2, 20, 15),
    }
    head = load_model_heads(["forcefield"], spec)["forcefield"]  # torch; the export compared both
    assert isinstance(head, FieldHead) and head.times == len(images) // 2


def test_an_encoder_without_a_grid_is_refused(tmp_path):
    spec = replace(model_spec("mae", "nano", tmp_path), family="anytouch")
    with pytest.raises(ModelError, match=r"tokens lie on a grid.*found mae-nano of anytouch"):
        build_field_head(spec)
