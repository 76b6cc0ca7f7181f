# SPDX-License-Identifier: Apache-2.0
"""Each method trains in the loop: it learns, and goes on after a kill as if nothing had been."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import sarl as reference

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.resnet.network import ResNetConfig
from sparsh_ros.training.loop.training import LoopSettings, Training
from sparsh_ros.training.pretraining.images import IMAGE_RECIPES, build_recipe
from sparsh_ros.training.recipes.sarl import WEIGHTS, Sarl
from sparsh_ros.training.recipes.siamese.augment import cut_view

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
    for _ in range(6):
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


def test_sarl_is_not_resumed_with_other_losses(tmp_path):
    _training("sarl", tmp_path, losses=("sal",)).save()
    with pytest.raises(WeightsError, match=r"\['ram'\].*\['sal'\].*give the same options"):
        _training("sarl", tmp_path, resume=True, losses=("ram",))
    _training("sarl", tmp_path, resume=True, losses=("sal",))


def test_sarl_without_its_losses_is_byol(tmp_path):
    found = []
    for name, losses in (("sarl", ()), ("byol", ())):
        training = _training(name, tmp_path / name, losses=losses)
        found.append([training.train_step(SOURCE)["loss"] for _ in range(2)])
    assert found[0] == found[1]


def test_sarl_adds_its_losses_both_ways_with_their_weights(tmp_path):
    """Against the NumPy losses on the maps of both networks."""
    recipe = _training("sarl", tmp_path).recipe
    clips, draw = SOURCE.clips(np.arange(4)), recipe.draw(np.random.default_rng(2), 4)
    with torch.no_grad():
        for parameter in recipe.target.parameters():
            parameter.mul_(1.1)  # unlike the encoder
        losses = {name: value.item() for name, value in recipe(clips, draw, 0.0).items()}
        images = clips[:, 0].permute(0, 3, 1, 2) / 255.0
        cuts, views = zip(*(cut_view(images, draw, i, 24) for i in (0, 1)), strict=True)
        online, target = (
            [[m.double().numpy() for m in network.maps(cut)] for cut in cuts]
            for network in (recipe.encoder, recipe.target)
        )
    prototypes = recipe.prototypes.detach().double().numpy()
    wanted = {"sal": 0.0, "ppda": 0.0, "ram": 0.0}
    for one, other in ((0, 1), (1, 0)):
        way = views[one], views[other]
        for ours, theirs in zip(online[one], target[other], strict=True):
            wanted["sal"] += reference.saliency_alignment(ours, theirs, *way) / 6.0
        third = online[one][1], target[other][1]
        wanted["ppda"] += reference.prototype_alignment(*third, prototypes, grid=1) / 2.0
        wanted["ram"] += reference.region_affinity(*third, *way) / 2.0
    for name, value in wanted.items():
        assert losses[name] == pytest.approx(value, rel=1e-3, abs=1e-7), name
    parts = 0.1 * losses["sal"] + 0.05 * losses["ppda"] + 0.02 * losses["ram"]
    assert losses["loss"] == pytest.approx(losses["byol"] + parts, rel=1e-5)
    assert set(Sarl(recipe.encoder, ("ram",))(clips, draw, 0.0)) == {"loss", "byol", "ram"}


def test_methods_remember_earlier_batches_while_they_train(tmp_path):
    for name, memories in (("densecl", ("queue", "dense_queue")), ("minc", ("moment",))):
        recipe = _training(name, tmp_path / name).recipe
        clips, draw = SOURCE.clips(np.arange(8)), recipe.draw(np.random.default_rng(3), 8)
        before = {memory: getattr(recipe, memory) for memory in memories}
        recipe.eval()(clips, draw, 0.0)
        assert all(getattr(recipe, memory) is before[memory] for memory in memories)
        recipe.train()(clips, draw, 0.0)
        for memory in memories:
            after = getattr(recipe, memory)
            assert after.shape == before[memory].shape and not after.requires_grad
            if name == "densecl":  # eight new ones in front, the eight oldest are gone
                assert torch.equal(after[8:], before[memory][:-8])
                torch.testing.assert_close(after[:8].norm(dim=1), torch.ones(8))
            else:  # a fifth of the mean of z z', whose trace is 1
                assert after.trace().item() == pytest.approx(0.2, rel=1e-4)
