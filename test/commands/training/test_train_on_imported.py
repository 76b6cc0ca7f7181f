# SPDX-License-Identifier: Apache-2.0
"""What `sparsh-ros import` makes of Sparsh's T1 to T3, its pickles without labels and a video is
what heads and encoders are trained on."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sparsh_ros import cli
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench.bench import Arena, BenchSettings
from sparsh_ros.training.tacbench.encoders import Contender
from sparsh_ros.training.tacbench.probe import ProbeSettings

FRAMES = 16
SPLITS = ("train", "validation", "test")


def _jpegs(seed: int) -> list[bytes]:
    """A spot that grows."""
    rng = np.random.default_rng(seed)
    images = [rng.integers(90, 110, (160, 120, 3)).astype(np.uint8) for _ in range(FRAMES)]
    for size, image in enumerate(images):
        cv2.circle(image, (60, 80), size, (200, 60, 60), -1)
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def _import(layout: str, source: Path, out: Path) -> None:
    assert cli.main(["import", layout, str(source), "--out", str(out)]) == 0


@pytest.fixture
def encoder(tmp_path):
    """An encoder that learned nothing."""
    spec = model_spec("mae", "nano", tmp_path)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), tmp_path / "encoder.safetensors")
    return Contender("it", spec, frozen=True)


def _scores(encoder, tasks, data):
    arena = Arena(encoder, tasks, data, data / "cache", chains=5)
    scores = arena.scores(1.0, 0, BenchSettings(probe=ProbeSettings(steps=2, batch=4)))
    return arena.stores["train"], scores


def test_force_and_slip(tmp_path, encoder):
    for seed, split in enumerate(SPLITS):
        batch = tmp_path / split / "sphere" / "batch_1"
        _dump(batch / "dataset_digit_00.pkl", _jpegs(seed))
        slips = np.arange(FRAMES) % 2
        one = {
            "indexes": np.arange(2, FRAMES),
            "forces": np.linspace((0, 0, 0), (0.5, 0, 3), FRAMES)[2:],
            "slip_label": slips[2:],
        }
        touched = (np.arange(FRAMES) > 1).astype(int)
        _dump(batch / "dataset_slip_forces.pkl", {"in_contact": touched, "trajectories": {0: one}})
        _import("force-slip", tmp_path / split, tmp_path / "bags" / split)
    store, scores = _scores(encoder, ["force", "slip"], tmp_path / "bags")
    newest = np.arange(5, FRAMES)
    np.testing.assert_array_equal(store.labels.slipping, newest % 2 == 1)
    np.testing.assert_allclose(store.labels.force_n[:, 2], 3.0 * newest / (FRAMES - 1), rtol=1e-5)
    assert 0 < scores["force"]["published_rmse_mn"] < 5000 and "f1" in scores["slip"]


def test_motion(tmp_path, encoder):
    for seed, split in enumerate(SPLITS):
        motions = np.tile(np.eye(4), (FRAMES, 1, 1))
        motions[:, 1, 3] = 1e-3
        content = {"digit_ring": _jpegs(seed), "object_ring_rel_pose_n5": motions}
        _dump(tmp_path / split / "one.pkl", content)
        (tmp_path / split / "bgs").mkdir()
        background = np.full((160, 120, 3), 100, np.uint8)
        cv2.imwrite(str(tmp_path / split / "bgs" / "digit_ring.png"), background)
        _import("pose", tmp_path / split, tmp_path / "bags" / split)
    store, scores = _scores(encoder, ["pose"], tmp_path / "bags")
    np.testing.assert_allclose(store.labels.motion[:, 0], 1.0, rtol=1e-5)
    assert len(store) == FRAMES - 5 and "accuracy" in scores["pose"]


def test_pickles_without_labels_and_a_video(tmp_path):
    for seed, split in enumerate(SPLITS[:2]):
        (tmp_path / split / "bgs").mkdir(parents=True)
        background = np.full((160, 120, 3), 100, np.uint8)
        cv2.imwrite(str(tmp_path / split / "bgs" / "bg_0.jpg"), background)
        _dump(tmp_path / split / "004_sugar_box" / "dataset_0.pkl", _jpegs(seed))
        _import("pretraining", tmp_path / split, tmp_path / "pickles" / split)
        film = tmp_path / f"{split}.avi"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 60.0, (240, 320))
        for index in range(90):  # a second of the untouched gel, then a touch
            image = np.full((320, 240, 3), 100, np.uint8)
            cv2.circle(image, (120, 160), max(index - 60, 0), (60, 60, 200), -1)
            writer.write(image)
        writer.release()
        _import("plain", film, tmp_path / "films" / split)
    words = ["--data", tmp_path / "pickles", tmp_path / "films", "--run", tmp_path / "run"]
    more = ["--size", "nano", "--steps", 1, "--batch", 4, "--threads", 1]
    assert cli.main(["train", "mae", *map(str, (*words, *more))]) == 0
    about = json.loads((tmp_path / "run" / "mae.json").read_text())["data"]["train"]
    assert [part["pairs"] for part in about] == [FRAMES - 5, 90 - 5]
