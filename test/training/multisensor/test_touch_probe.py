# SPDX-License-Identifier: Apache-2.0
"""Linear probes of AnyTouch from files in the layouts of their data sets to a head that loads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reference import anytouch as reference

from sparsh_ros import cli, load_encoder, load_head
from sparsh_ros.errors import DatasetError, SparshError, WeightsError
from sparsh_ros.recordings.importers.touch_sets import LabelledImages
from sparsh_ros.training.multisensor.linear import LinearFit, fresh_head, shuffled, train_head
from sparsh_ros.training.multisensor.touch_probe import (
    TASKS,
    TouchProbe,
    set_aside,
    train_touch_probe,
)

SIZE = {"width": 64, "depth": 1, "patch": 4, "cells": 3, "projection": 24}
BRIGHT = 6  # label of bright images; others are dark
GROUPS = 10


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    return one_thread


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    state = reference.stage_1(reference.draw(reference.encoder_shapes(1, **SIZE)))
    torch.save({"model": state}, tmp_path / "checkpoint.pth")
    return tmp_path / "checkpoint.pth"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Touch-and-Go, Feel and ObjectFolder in small: bright images and dark ones."""
    rng, lists = np.random.default_rng(0), {}
    for split in ("train", "test"):
        rows = [(f"{split}{n}", n % 2) for n in range(GROUPS)]
        lines = []
        for name, bright in rows:
            _picture(tmp_path / f"TAG/dataset/{name}/gelsight_frame/0.jpg", bright, rng)
            lines.append(f"{name}/0.jpg,{BRIGHT * bright}\n")
            for side in "AB":
                _picture(tmp_path / f"feel/{name}/touch_during/0_{side}.png", bright, rng)
        (tmp_path / f"TAG/{split}.txt").write_text("".join(lines))
        lists[split] = [name for name, _ in rows]
        with (tmp_path / "feel/feel.csv").open("a") as file:
            file.writelines(f"{name},0,{bright}\n" for name, bright in rows)
    np.save(tmp_path / "feel/split_3.npy", lists)
    return tmp_path


def _picture(path: Path, bright: int, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = rng.integers(0, 60, (20, 30, 3)) + 180 * bright
    cv2.imwrite(str(path), image.astype(np.uint8))


def test_the_settings_are_the_published_ones() -> None:
    found = {
        name: (t.outputs, t.pooling, t.sensor, t.batch, t.rate, t.weight_decay, t.fingers)
        for name, t in TASKS.items()
    }
    assert found == {
        "material": (20, "cls", 0, 128, 2e-4, 0.05, 1),
        "roughness": (1, "cls", 0, 128, 2e-4, 0.05, 1),
        "hardness": (1, "cls", 0, 128, 2e-4, 0.05, 1),
        "feel": (1, "cls", 0, 256, 1e-3, 0.05, 2),
        "objectfolder1": (7, "global", -1, 128, 1e-3, 0.01, 1),
        "objectfolder2": (7, "cls", -1, 256, 1e-3, 0.01, 1),
    }
    assert TASKS["material"].colours == (0.4, 0.4, 0.5, 0.3) and not TASKS["objectfolder2"].colours


@pytest.mark.parametrize(("task", "layer"), [("material", "head"), ("hardness", "hardness")])
def test_a_probe_becomes_a_live_head(task, layer, checkpoint, data, tmp_path, capsys) -> None:
    run = tmp_path / "run"
    command = f"train touch-probe {task} --encoder {checkpoint} --data {data} --run {run}"
    assert cli.main(f"{command} --epochs 3 --threads 1".split()) == 0
    assert "% right on test" in capsys.readouterr().out
    summary = json.loads((run / f"{task}.json").read_text())
    assert summary["samples"] == {"train": 9, "validation": 1, "test": 10}
    head, encoder = load_head(run / f"{task}.safetensors"), load_encoder(checkpoint)
    assert head.task == task
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    tensors = head.state_dict()
    vector = encoder.embed(images, "gelsight_2017", "cls")
    wanted = vector @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
    found = head(encoder(images, "gelsight_2017"))[task]
    found = found if task == "material" else found[:, 1:] - found[:, :1]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", ["hardness", "feel"])
def test_probes_learn(task, checkpoint, data, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(TASKS, task, replace(TASKS[task], rate=0.05, colours=()))
    if task == "hardness":  # its list is that of materials
        for split in ("train", "test"):
            path = data / f"TAG/{split}.txt"
            path.write_text(path.read_text().replace(f",{BRIGHT}", ",7"))
    summary = train_touch_probe(TouchProbe(task, checkpoint, data, tmp_path / "run", epochs=20))
    assert summary["test"] == 100.0 and summary["commonest"] == 50.0
    assert (tmp_path / "run" / f"{task}.safetensors").is_file()


def test_whole_groups_are_set_aside() -> None:
    groups = np.repeat([f"object {n}" for n in range(20)], 3)
    samples = LabelledImages([(Path(str(n)),) for n in range(60)], np.arange(60), groups)
    kept, aside = set_aside(samples, 0)
    assert len(kept) == 54 and len(aside) == 6
    assert not set(kept.groups) & set(aside.groups)
    assert aside.labels.tolist() == [int(str(files[0])) for files in aside.files]
    with pytest.raises(DatasetError, match="wanted images of two recordings or objects or more"):
        set_aside(LabelledImages(samples.files[:2], samples.labels[:2], groups[:2]), 0)


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\xff\xd8\xff\xe0 cut"])
def test_bad_images_are_refused_by_a_sentence(content, checkpoint, data, tmp_path) -> None:
    path = data / "TAG/dataset/test3/gelsight_frame/0.jpg"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(SparshError, match=r"test3/gelsight_frame/0.jpg") as caught:
        train_touch_probe(TouchProbe("material", checkpoint, data, tmp_path / "run", epochs=1))
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_only_anytouch_has_these_probes(data, tmp_path) -> None:
    state = reference.second(reference.draw(reference.encoder_shapes(2, **SIZE)))
    torch.save(state, tmp_path / "checkpoint-4frames.pth")
    job = TouchProbe("material", tmp_path / "checkpoint-4frames.pth", data, tmp_path / "run")
    with pytest.raises(WeightsError, match="wanted an encoder of AnyTouch, found AnyTouch2"):
        train_touch_probe(job)


def test_the_best_epoch_on_validation_is_kept() -> None:
    features = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    labels, fit = (features[:, 0] > 0).long(), LinearFit(epochs=6, batch=16, rate=0.05)
    head, heads, scores = fresh_head(5, 2, 0), [], iter([1.0, 4.0, 3.0, 4.0, 2.0, 0.0])

    def score(head: torch.nn.Linear) -> float:
        heads.append(head.weight.detach().clone())
        return next(scores)

    batches = shuffled(features, labels, fit)
    assert sorted(len(part) for part, _ in batches(0)) == [13, 13, 14]
    best = train_head(head, batches, torch.nn.functional.cross_entropy, fit, score)
    assert best == 4.0 and torch.equal(head.weight, heads[1])
    assert not torch.equal(heads[1], heads[5])
