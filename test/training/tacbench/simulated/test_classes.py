# SPDX-License-Identifier: Apache-2.0
"""Grasps and textiles: made by the command, read as clips, learned, exported, refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sparsh_ros import cli
from sparsh_ros.errors import DatasetError
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import describe_as_yaml
from sparsh_ros.training.episodes import SPLITS, SimulatedTouch
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.steps import describe_store
from sparsh_ros.training.tacbench.bench import Arena, BenchSettings, Contender
from sparsh_ros.training.tacbench.probe import ProbeSettings
from sparsh_ros.training.tacbench.simulated import episodes
from sparsh_ros.training.tacbench.simulated.episodes import SIMULATE, STROKE_FRAMES, ClassEpisode
from sparsh_ros.training.tacbench.simulated.store import open_classes


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Grasps of which those that hold are the ones that show red."""
    folder = tmp_path_factory.mktemp("toy")
    for split, (seed, _) in SPLITS.items():
        rng = np.random.default_rng(seed)
        classes = np.arange(24) % 2
        frames = np.full((24, 3, 80, 60, 3), 120, np.uint8)
        frames += rng.integers(0, 8, frames.shape, np.uint8)
        frames[classes == 1, 1:, ..., 0] += 100
        meta = {"sensor": "digit", "instance_seed": seed, "kinds": [split], "task": "grasp"}
        (folder / "grasp" / split).mkdir(parents=True)
        ClassEpisode(frames, np.full((80, 60, 3), 120, np.uint8), classes, meta).save(
            folder / "grasp" / split / "episode_00000.npz"
        )
    return folder


def test_the_command_makes_the_episodes(tmp_path, monkeypatch):
    words = ["--out", tmp_path, "--task", "grasp", "--small", "--episodes", 1, "--workers", 1]
    assert cli.main(["simulate", *map(str, words)]) == 0
    found = ClassEpisode.load(tmp_path / "grasp" / "train" / "episode_00000.npz")
    again = SIMULATE["grasp"](SimulatedTouch("train", 0, 0), 4)
    np.testing.assert_array_equal(found.frames, again.frames)
    assert found.frames.shape == (20, 3, 80, 60, 3) and 0 < found.classes.mean() < 1


def test_a_swatch_rests_and_slides(monkeypatch):
    monkeypatch.setattr(episodes, "SWATCHES_PER_EPISODE", 1)
    found = SIMULATE["textile"](SimulatedTouch("test", 0, 0), 4)
    assert found.frames.shape == (2, STROKE_FRAMES, 80, 60, 3)
    assert found.classes[0] == found.classes[1] and found.meta["kinds"] == []
    rest, slide = (np.abs(np.diff(s.astype(int), axis=0)).mean() for s in found.frames)
    assert slide > 1.3 * rest


def test_clips_of_a_grasp_are_during_and_before(toy, tmp_path):
    pair = open_classes(toy, "grasp", "train", tmp_path, model_spec("mae", "nano", tmp_path))
    clip = pair.clips(np.array([1]))[0].float()
    assert clip[0, 30, 30, 0] - clip[1, 30, 30, 0] > 40 and pair.labels[1] == 1
    four = open_classes(toy, "grasp", "train", tmp_path, model_spec("vjepa", "nano", tmp_path))
    assert (four.rows[2] == [7, 7, 6, 6]).all()


def test_clips_of_a_textile_end_with_the_newest_frame(toy, tmp_path):
    (tmp_path / "textile").mkdir()
    source = toy / "grasp" / "train" / "episode_00000.npz"
    found = ClassEpisode.load(source)
    strokes = np.repeat(found.frames[:, :1], STROKE_FRAMES, axis=1)
    path = tmp_path / "textile" / "train" / "episode_00000.npz"
    path.parent.mkdir()
    ClassEpisode(strokes, found.background, found.classes, found.meta).save(path)
    store = open_classes(
        tmp_path, "textile", "train", tmp_path, model_spec("mae", "nano", tmp_path)
    )
    assert (store.rows[1] == [2 * STROKE_FRAMES - 1, 2 * STROKE_FRAMES - 6]).all()


def test_a_probe_learns_grasps(toy, tmp_path, capsys):
    spec = model_spec("mae", "nano", tmp_path)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), tmp_path / "encoder.safetensors")
    arena = Arena(Contender("it", spec, True), ["grasp"], toy, tmp_path / "cache", 1)
    settings = BenchSettings(probe=ProbeSettings(steps=60, batch=12, rate=3e-3))
    assert arena.scores(1.0, 0, settings)["grasp"]["accuracy"] > 0.9
    assert arena.trivial()["grasp"]["accuracy"] == 0.5
    about = describe_store(arena.stores["test"])
    assert about["classes"] == [12, 12] and "--task grasp" in about["command"]


def test_tasks_of_two_data_sets_are_refused(toy, tmp_path, capsys):
    (tmp_path / "model.yaml").write_text(describe_as_yaml(model_spec("mae", "nano", tmp_path)))
    words = ["--model", tmp_path / "model.yaml", "--run", tmp_path / "run", "--data", toy]
    assert cli.main(["train", "probe", "grasp", "slip", *map(str, words)]) == 1
    assert "wanted those of one data set" in capsys.readouterr().err


def test_labels_that_do_not_match_are_refused(toy, tmp_path):
    path = tmp_path / "grasp" / "train" / "episode_00000.npz"
    path.parent.mkdir(parents=True)
    found = ClassEpisode.load(toy / "grasp" / "train" / "episode_00000.npz")
    ClassEpisode(found.frames, found.background, found.classes[:-1], found.meta).save(path)
    spec = model_spec("mae", "nano", tmp_path)
    with pytest.raises(DatasetError, match=r"a class for each of 24 sequences, found 23"):
        open_classes(tmp_path, "grasp", "train", tmp_path, spec)
    with pytest.raises(DatasetError, match=r"no episodes.*simulate --task textile"):
        open_classes(tmp_path, "textile", "train", tmp_path, spec)
