# SPDX-License-Identifier: Apache-2.0
"""Each method trains in the loop: it learns, and goes on after a kill as if nothing had been."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.models.resnet.network import ResNetConfig
from sparsh_ros.training.loop.training import LoopSettings, Training
from sparsh_ros.training.pretraining.images import IMAGE_RECIPES, build_recipe
from sparsh_ros.training.recipes.sarl import WEIGHTS, Sarl

CONFIG = ResNetConfig(8, pools_early=False, image_size=24)


class Blobs:
    """Images of a coloured spot, (24, 24, 3)."""

    def __init__(self, count: int = 32) -> None:
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:24, :24]
        row, column, width = rng.uniform((4, 4, 8), (20, 20, 60), (count, 3)).T[..., None, None]
        spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / width)[..., None]
        colour = rng.uniform(-110, 110, (count, 1, 1, 3))
        self._images = np.uint8(127 + colour * spot)[:, None]

    def __len__(self) -> int:
        return len(self._images)

    def clips(self, index):
        return torch.from_numpy(self._images[index])


SOURCE = Blobs()


def _training(name, folder, steps=12, resume=False, losses=tuple(WEIGHTS)):
    torch.manual_seed(0)
    settings = LoopSettings(steps, batch=16, checkpoint_steps=100, check_batches=1)
    return Training(build_recipe(name, CONFIG, losses), settings, folder, resume)


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    return one_thread


@pytest.mark.parametrize("name", IMAGE_RECIPES)
def test_the_loss_falls(name, tmp_path):
    """On one batch with the same views, queue and moments, so that chance plays no part."""
    training = _training(name, tmp_path)
    recipe, optimiser = training.recipe, training._optimiser
    clips, draw = SOURCE.clips(np.arange(12)), recipe.draw(np.random.default_rng(1), 12)
    memory = {key: value for key, value in recipe.named_buffers() if "." not in key}
    losses = []
    for _ in range(8):
        recipe.load_state_dict(memory, strict=False)
        loss = recipe(clips, draw, 0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[-2:]) < losses[0] - 0.02 * abs(losses[0])
    assert all(p.grad is None for p in recipe.parameters() if not p.requires_grad)


@pytest.mark.parametrize("name", ["sarl", "densecl"])
def test_a_killed_run_continues_to_the_last_bit(name, tmp_path):
    whole = _training(name, tmp_path / "whole")
    losses = [whole.train_step(SOURCE)["loss"] for _ in range(4)]
    half = _training(name, tmp_path / "half")
    for _ in range(2):
        half.train_step(SOURCE)
    half.save()
    half.train_step(SOURCE)  # lost
    resumed = _training(name, tmp_path / "half", resume=True)
    assert [resumed.train_step(SOURCE)["loss"] for _ in range(2)] == losses[2:]
    for key, value in whole.recipe.state_dict().items():
        assert torch.equal(resumed.recipe.state_dict()[key], value), key


def test_the_rate_is_constant_and_the_target_follows(tmp_path):
    training = _training("byol", tmp_path)
    recipe = training.recipe
    before = recipe.target.conv1.weight.clone()
    for _ in range(2):
        training.train_step(SOURCE)
        assert training._optimiser.param_groups[0]["lr"] == pytest.approx(1e-3)
    gap, moved = recipe.encoder.conv1.weight - before, recipe.target.conv1.weight - before
    assert 0.0 < moved.norm() < 0.1 * gap.norm()


def test_sarl_without_its_losses_is_byol(tmp_path):
    found = []
    for name, losses in (("sarl", ()), ("byol", ())):
        training = _training(name, tmp_path / name, losses=losses)
        found.append([training.train_step(SOURCE)["loss"] for _ in range(2)])
    assert found[0] == found[1]


def test_sarl_adds_its_losses_with_their_weights(tmp_path):
    recipe = _training("sarl", tmp_path).recipe
    clips, draw = SOURCE.clips(np.arange(8)), recipe.draw(np.random.default_rng(2), 8)
    losses = {name: value.item() for name, value in recipe(clips, draw, 0.0).items()}
    parts = sum(WEIGHTS[name] * losses[name] for name in WEIGHTS)
    assert losses["loss"] == pytest.approx(losses["byol"] + parts, rel=1e-5)
    assert min(losses[name] for name in WEIGHTS) > 0.0
    only = Sarl(recipe.encoder, ("ram",))
    assert set(only(clips, draw, 0.0)) == {"loss", "byol", "ram"}
