# SPDX-License-Identifier: Apache-2.0
"""Masked-autoencoder pre-training: it learns, and it can be interrupted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.patches import scale_patches
from sparsh_ros.training.recipes.mae import (
    MaeSettings,
    Pretraining,
    draw_batch,
    picture_reconstruction,
)
from sparsh_ros.training.schedule import FLOOR, Budget, learning_rate
from sparsh_ros.training.store import open_store


class Ticks:
    """A clock that runs half a second per look: a run of a minute ends after 120 looks."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        self.time += 0.5
        return self.time


def _pretraining(folder, **options):
    torch.manual_seed(0)
    settings = MaeSettings(minutes=1.0, batch=8, rate=5e-3, checkpoint_minutes=0.4)
    return Pretraining(VisionTransformer(32, 1, 2), settings, folder, now=Ticks(), **options)


@pytest.fixture
def store(dataset, tmp_path):
    return open_store(dataset, "train", tmp_path / "cache", chains=5)


def test_batches_show_a_quarter_and_hide_what_they_ask_for(store):
    batch = draw_batch(store, np.array([0, 1]), np.random.default_rng(0), predicted=225)
    assert batch.visible.shape == (2, 75, 1536)
    for keep, predict in zip(batch.keep, batch.predict, strict=True):
        assert sorted([*keep.tolist(), *predict.tolist()]) == list(range(300))
    whole = scale_patches(torch.from_numpy(store.patches(np.array([0, 1]))))
    torch.testing.assert_close(batch.wanted[1], whole[1, batch.predict[1]])


def test_a_run_learns_and_leaves_its_files(store, tmp_path):
    training = _pretraining(tmp_path)
    before = training.check(store)
    summary = training.run(store, store)
    assert summary["held_out_loss"] < 0.95 * before
    assert summary["pairs"] == 8 * summary["steps"] > 0
    rows = (tmp_path / "mae.csv").read_text().splitlines()
    assert rows[0].startswith("step,seconds") and len(rows) > 2
    assert (tmp_path / "mae.png").stat().st_size > 1000


def test_a_resumed_run_continues_as_if_never_stopped(store, tmp_path):
    whole = _pretraining(tmp_path / "whole")
    losses = [whole.train_step(store, 1e-3) for _ in range(4)]
    half = _pretraining(tmp_path / "half")
    for _ in range(2):
        half.train_step(store, 1e-3)
    half.save()
    resumed = _pretraining(tmp_path / "half", resume=True)
    assert resumed.step == 2
    assert resumed.budget.spent_s() > 0
    further = [resumed.train_step(store, 1e-3) for _ in range(2)]
    assert further == pytest.approx(losses[2:], rel=1e-3)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, atol=1e-4, rtol=1e-3)


def test_a_broken_checkpoint_is_refused(tmp_path):
    (tmp_path / "mae.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="without --resume"):
        _pretraining(tmp_path, resume=True)


def test_the_picture_shows_what_is_seen_as_it_is(store, tmp_path):
    training = _pretraining(tmp_path)
    picture = picture_reconstruction(training.model, store, np.random.default_rng(0))
    assert picture.shape[1:] == (720, 3)
    truth, seen = picture[:320, :240], picture[:320, 240:480]
    assert ((seen == 127).all(axis=2) | (seen == truth).all(axis=2)).all()


def test_learning_rate_warms_up_and_ends_at_the_floor():
    rates = [learning_rate(share, 1.0) for share in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(rates[5]) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(FLOOR)
    assert np.all(np.diff(rates[5:]) <= 0)


def test_a_budget_carries_over_an_interruption():
    budget = Budget(minutes=1.0, spent_s=30.0, now=lambda: 100.0)
    assert budget.share() == 0.5
