# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train mae|dino|dinov2|ijepa|vjepa`: from small episodes to an encoder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sparsh_ros import cli
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.training.clips.simulated import simulate_small
from sparsh_ros.training.clips.store import open_clips
from sparsh_ros.training.episodes import SimulatedTouch
from sparsh_ros.training.patches import cut_clips


@pytest.mark.parametrize("recipe", ["dinov2", "vjepa"])
def test_a_run_leaves_an_encoder_with_its_description(small, tmp_path, recipe):
    words = ("--data", small, "--run", tmp_path, "--size", "nano", "--threads", 1)
    more = ("--steps", 2, "--batch", 4, "--checkpoint-steps", 1)
    assert cli.main(["train", recipe, *map(str, (*words, *more))]) == 0
    spec = load_model_spec(tmp_path / "model.yaml")
    assert spec.name == f"{recipe}-nano" and spec.weights == tmp_path
    encoder = load_model_encoder(spec, tmp_path / "encoder.safetensors")
    clips = open_clips(small, "train", tmp_path / "cache", spec).clips(np.arange(3))
    pixels = cut_clips(clips, spec.patch_size, spec.tubelet).float() / 255.0
    tokens = encoder.forward_patches(pixels)
    assert tokens.shape == (3, spec.tokens, 64) and torch.isfinite(tokens).all()
    about = json.loads((tmp_path / f"{recipe}.json").read_text())
    assert about["steps"] == 2 and about["data"]["train"]["command"].endswith("--seed 1 --small")


def test_several_folders_are_mixed(small, tmp_path):
    other = tmp_path / "other"
    for split in ("train", "validation"):
        (other / split).mkdir(parents=True)
        episode = simulate_small(SimulatedTouch(split, 2, 0), 0.2)
        episode.save(other / split / "episode_00000.npz")
    words = ("--data", small, other, "--run", tmp_path / "run", "--size", "nano", "--threads", 1)
    assert cli.main(["train", "mae", *map(str, (*words, "--steps", 1, "--batch", 4))]) == 0
    about = json.loads((tmp_path / "run" / "mae.json").read_text())["data"]["train"]
    assert [part["pairs"] for part in about] == [26, 7]


def test_an_unknown_folder_is_one_sentence(tmp_path, capsys):
    words = ["--data", str(tmp_path / "no"), "--run", str(tmp_path), "--size", "nano"]
    assert cli.main(["train", "dino", *words]) == 1
    assert "no episodes under" in capsys.readouterr().err


def test_simulate_writes_small_episodes(tmp_path, monkeypatch):
    from sparsh_ros.commands.simulation import simulate
    from sparsh_ros.training.stream.episodes import StreamEpisode

    monkeypatch.setattr(simulate, "_run_all", lambda jobs, *_: [job[0](*job[1:]) for job in jobs])
    words = ["--out", str(tmp_path), "--episodes", "1", "--duration", "0.1", "--small"]
    assert cli.main(["simulate", *words]) == 0
    episode = StreamEpisode.load(tmp_path / "train" / "episode_00000.npz")
    assert episode.frames.shape == (6, 80, 60, 3)
