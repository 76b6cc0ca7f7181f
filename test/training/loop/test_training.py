# SPDX-License-Identifier: Apache-2.0
"""The training loop: it learns, survives what happens to it, and divides among processes."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.program import Program
from torch import distributed

from sparsh_ros.errors import MissingDependencyError, ParameterError, TrainingError, WeightsError
from sparsh_ros.models.checkpoints.architecture import EncoderConfig
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.loop import log, processes
from sparsh_ros.training.loop.training import LoopSettings, Training, kept_steps
from sparsh_ros.training.pretraining.models import RECIPES
from sparsh_ros.training.recipes.masks import take
from sparsh_ros.training.recipes.parts import read_clips


class Blobs:
    """Clips of a spot that moves over a grey gel: (4, 40, 30, 3) frames, or two of them."""

    def __init__(self, frames: int, count: int = 48) -> None:
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:40, :30]
        self._clips = np.empty((count, frames, 40, 30, 3), np.uint8)
        for clip in self._clips:
            centre, speed, colour = rng.uniform((8, 8), (32, 22)), rng.normal(size=2), rng.random(3)
            for step, frame in enumerate(clip):
                row, column = centre - step * speed
                spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 30.0)
                frame[:] = 127 + 60 * (colour - 0.5) * spot[..., None]

    def __len__(self) -> int:
        return len(self._clips)

    def clips(self, index):
        return torch.from_numpy(self._clips[index])


def _source(name):
    return Blobs(4 if name == "vjepa" else 2)


def _recipe(name):
    torch.manual_seed(0)
    clip = {"in_channels": 3, "frames": 4, "tubelet": 2} if name == "vjepa" else {}
    config = EncoderConfig(64, 1, 1, image_size=(40, 30), patch_size=5, **clip)
    return RECIPES[name](VisionTransformer.from_config(config))


def _settings(steps=8, **changes):
    given = {"batch": 8, "rate": 2e-3, "check_batches": 2, "checkpoint_steps": 100}
    return LoopSettings(steps, **(given | changes))


def _train(name, folder, steps, settings=None, resume=False):
    training = Training(_recipe(name), settings or _settings(), folder, resume)
    return training, [training.train_step(_source(name))["loss"] for _ in range(steps)]


@pytest.mark.parametrize("name", ["mae", "ijepa", "vjepa"])
def test_what_predicts_learns_to(name, tmp_path):
    source, steps = _source(name), 20
    training = Training(_recipe(name), _settings(steps), tmp_path)
    before = training.check(source)["loss"]
    summary = training.run(source, source)
    assert summary["steps"] == steps and summary["pairs"] == 8 * steps
    assert summary["held_out"]["loss"] < 0.8 * before


@pytest.mark.parametrize("name", ["dino", "dinov2"])
def test_what_distils_itself_learns_what_its_teacher_says(name, tmp_path):
    """With a teacher that stays and is centred; else the loss rises with the teacher's doubts."""
    source, training = _source(name), Training(_recipe(name), _settings(24), tmp_path)
    recipe = training.recipe
    recipe.momentum = 1.0
    _centre(recipe, source)
    before = training.check(source)["loss"]
    for _ in range(24):
        training.train_step(source)
        _centre(recipe, source)
    assert training.check(source)["loss"] < 0.99 * before


@torch.no_grad()
def _centre(recipe, source):
    clips = read_clips(source.clips(np.arange(len(source))), recipe.teacher)
    registers, tokens = recipe.teacher.forward_registers(clips)
    recipe.centre = recipe.teacher_head(registers[:, 0]).mean(dim=0)
    if recipe.name == "dinov2":
        recipe.patch_centre = recipe.teacher_patch_head(tokens).mean(dim=(0, 1))


@pytest.mark.parametrize(("name", "bfloat16"), [("mae", True), ("dinov2", False), ("vjepa", False)])
def test_a_killed_run_continues_to_the_last_bit(name, bfloat16, tmp_path):
    settings = _settings(bfloat16=bfloat16)
    whole, losses = _train(name, tmp_path / "whole", 4, settings)
    half, _ = _train(name, tmp_path / "half", 2, settings)
    half.save()
    half.train_step(_source(name))  # lost: it was killed before the next checkpoint
    resumed, further = _train(name, tmp_path / "half", 2, settings, resume=True)
    assert further == losses[2:]
    for key, value in whole.recipe.state_dict().items():
        assert torch.equal(resumed.recipe.state_dict()[key], value), key


def test_a_resumed_log_reads_as_if_nothing_had_happened(tmp_path):
    settings, source = _settings(6, checkpoint_steps=2), _source("mae")
    Training(_recipe("mae"), settings, tmp_path / "whole").run(source, source)
    training, _ = _train("mae", tmp_path / "half", 2, settings)
    training.pause(source, {"loss": 1.0}, 1.0)
    training._log.write(4, {"loss": 9.0})  # written after the checkpoint
    Training(_recipe("mae"), settings, tmp_path / "half", resume=True).run(source, source)
    logs = []
    for run in ("whole", "half"):
        with (tmp_path / run / "mae.csv").open() as file:
            logs.append(list(csv.DictReader(file)))
    assert [row["step"] for row in logs[1]] == ["2", "4", "6"]
    assert [row["held_out_loss"] for row in logs[1]] == [row["held_out_loss"] for row in logs[0]]
    assert (tmp_path / "whole" / "mae.png").stat().st_size > 300


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(tmp_path):
    training, _ = _train("mae", tmp_path, 2)
    training.save()
    kept = training.checkpoint.read_bytes()
    with torch.no_grad():
        training.recipe.pixels.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="the loss is nan at step 2; the last good.*step 2"):
        training.run(_source("mae"), _source("mae"))
    assert training.checkpoint.read_bytes() == kept


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_keeps_the_checkpoint(tmp_path):
    training, _ = _train("mae", tmp_path, 1)
    training.save()
    kept = training.checkpoint.read_bytes()
    training.checkpoint.with_suffix(".partial").symlink_to("/dev/full")
    training.train_step(_source("mae"))
    with pytest.raises(TrainingError, match="cannot be written.*the one that is there is whole"):
        training.save()
    assert training.checkpoint.read_bytes() == kept
    (tmp_path / "mae.csv").unlink(missing_ok=True)
    (tmp_path / "mae.csv").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="cannot be written"):
        training.run(_source("mae"), _source("mae"))
    assert training.checkpoint.read_bytes() == kept


def test_only_the_same_run_is_resumed(tmp_path):
    training, _ = _train("mae", tmp_path, 1)
    training.save()
    assert kept_steps(training.checkpoint) == 8
    with pytest.raises(WeightsError, match="give the same options"):
        Training(_recipe("mae"), _settings(batch=4), tmp_path, resume=True)
    training.checkpoint.write_bytes(training.checkpoint.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="without --resume"):
        Training(_recipe("mae"), _settings(), tmp_path, resume=True)


def test_gradients_are_clipped(tmp_path, monkeypatch):
    norms = []

    def watch(parameters, limit):
        parameters = list(parameters)
        clipped = torch.nn.utils.clip_grad.clip_grad_norm_(parameters, limit)
        grads = [p.grad.norm() for p in parameters if p.grad is not None]
        norms.append((clipped.item(), torch.stack(grads).norm().item(), limit))
        return clipped

    monkeypatch.setattr("sparsh_ros.training.loop.training.nn.utils.clip_grad_norm_", watch)
    monkeypatch.setattr("sparsh_ros.training.loop.training.CLIP_NORM", 1e-2)
    _train("mae", tmp_path, 1)
    before, after, limit = norms[0]
    assert before > limit and after == pytest.approx(limit, rel=1e-2)


def test_a_trial_changes_nothing(tmp_path):
    for name in ("dino", "mae"):
        _, losses = _train(name, tmp_path / "a", 2)
        training, _ = _train(name, tmp_path / "b", 0)
        assert training.steps_in(1.0, _source(name)) > 100
        assert [training.train_step(_source(name))["loss"] for _ in range(2)] == losses


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    source = _source("mae")
    settings = _settings(2, checkpoint_steps=1, tensorboard=True)
    Training(_recipe("mae"), settings, tmp_path).run(source, source)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("held_out_loss")] == [1, 2]
    assert len(events.Images("picture")) == 2


def test_tensorboard_is_asked_for_by_name_where_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
        log.RunLog(tmp_path, "mae", 0, tensorboard=True)


def test_the_encoder_is_kept_as_the_teacher_sees(tmp_path):
    training, _ = _train("dino", tmp_path, 2)
    recipe = training.recipe
    moved = [
        (a - b).abs().max().item()
        for a, b in zip(recipe.exported().parameters(), recipe.student.parameters(), strict=True)
    ]
    assert 0.0 < max(moved) < 0.02
    assert not any(p.requires_grad for p in recipe.exported().parameters())


def test_mae_predicts_from_what_is_seen_alone():
    recipe, clips = _recipe("mae"), _source("mae").clips(np.arange(2))
    draw = recipe.draw(np.random.default_rng(0), 2)
    patches = read_clips(clips, recipe.encoder)
    found = recipe.predict(patches, draw)
    images = torch.arange(2)[:, None]
    patches[images, draw["hidden"]] += 5.0
    torch.testing.assert_close(recipe.predict(patches, draw), found)
    assert take(patches, draw["hidden"]).shape == found.shape


def _two(folder, fails):
    """What each of two processes does that `torchrun` started."""
    torch.set_num_threads(1)
    with processes.joined():
        rank, found = distributed.get_rank(), {}
        if fails and rank == 1:
            raise TrainingError("disk full")
        for name in RECIPES:
            _, found[name] = _train(name, folder / name, 3, _settings(6, rate=1e-3))
        with pytest.raises(ParameterError, match="wanted a multiple of the 2 processes"):
            processes.part(7)
        (folder / f"rank_{rank}.json").write_text(json.dumps(found))


@pytest.fixture
def torchrun(tmp_path, monkeypatch):
    """Runs `_two` in two processes, which find what this one imports."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    return lambda *arguments: Program(*command, str(tmp_path), *arguments)


def test_two_processes_train_as_one_with_twice_the_batch(tmp_path, torchrun):
    program = torchrun()
    assert program.wait() == 0, program.said
    alone = {}
    for name in RECIPES:
        _, alone[name] = _train(name, tmp_path / f"{name}1", 3, _settings(6, rate=1e-3))
    for rank in (0, 1):
        found = json.loads((tmp_path / f"rank_{rank}.json").read_text())
        # dinov2 drops paths, and looks for neighbours, in each process by itself
        assert np.isfinite(found.pop("dinov2")).all()
        for name, losses in found.items():
            assert losses == pytest.approx(alone[name], rel=1e-4)


def test_where_one_process_fails_all_end(tmp_path, torchrun):
    program = torchrun("fails")
    assert program.wait() == 1
    assert "disk full" in program.said
    assert not list(tmp_path.glob("rank_*.json"))


if __name__ == "__main__":
    _two(Path(sys.argv[1]), sys.argv[2:] == ["fails"])
