# SPDX-License-Identifier: Apache-2.0
"""From simulated images to the table: data, training, probes, through the commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsh_ros import cli
from sparsh_ros.errors import DatasetError, ModelError, WeightsError
from sparsh_ros.models.resnet.files import load_resnet, save_encoder
from sparsh_ros.models.resnet.network import ResNet18, ResNetConfig
from sparsh_ros.names import ENCODER_FILE
from sparsh_ros.training.vitactip import paper, probe
from sparsh_ros.training.vitactip.dataset import (
    TipImages,
    read_splits,
    read_tips,
    simulate_tips,
    write_tips,
)
from sparsh_ros.training.vitactip.tasks import TASKS

LINEAR = probe.Fit(60, 0.02, sgd=True)


@pytest.fixture(scope="module")
def tips(tmp_path_factory):
    """A folder with three small splits."""
    folder = tmp_path_factory.mktemp("tips")
    for split, count in (("train", 48), ("validation", 12), ("test", 12)):
        write_tips(simulate_tips(split, count, "vitactip", 32), folder)
    return folder


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    return one_thread


def test_splits_are_read_as_they_were_made(tips):
    made, read = simulate_tips("test", 12, "vitactip", 32), read_tips(tips, "test")
    np.testing.assert_array_equal(read.images, made.images)
    for name, column in made.labels.items():
        np.testing.assert_array_equal(read.labels[name], column)
    assert read.meta == made.meta
    assert read.clips(np.array([3, 1])).shape == (2, 1, 32, 32, 3)
    assert [len(task.rows(read)) for task in TASKS.values()] == [4] * 6


def test_bad_splits_are_refused_by_a_sentence(tips, tmp_path):
    with pytest.raises(DatasetError, match="found none; make it again"):
        read_tips(tmp_path, "train")
    whole = (tips / "test.npz").read_bytes()
    for content in (whole[:3000], b"PK\x03\x04 no archive", b""):
        (tmp_path / "test.npz").write_bytes(content)
        with pytest.raises(DatasetError, match="cannot be read as images"):
            read_tips(tmp_path, "test")
    test = read_tips(tips, "test")
    write_tips(replace(test, images=test.images[:5]), tmp_path)
    with pytest.raises(DatasetError, match="wanted 12 rows in each column, found 5 in images"):
        read_tips(tmp_path, "test")
    write_tips(test, tmp_path)
    write_tips(replace(test, meta={**test.meta, "split": "train"}), tmp_path)
    with pytest.raises(DatasetError, match="two splits share fingertip"):
        read_splits(tmp_path, ("train", "test"))
    write_tips(
        replace(
            read_tips(tips, "train"), meta={"split": "train", "variant": "vitac", "tips": [0, 1]}
        ),
        tmp_path,
    )
    with pytest.raises(DatasetError, match=r"splits are of \['vitac', 'vitactip'\]"):
        read_splits(tmp_path, ("train", "test"))


def test_a_trained_run_is_compared_in_the_table(tips, tmp_path, capsys):
    run, out = tmp_path / "sarl", tmp_path / "bench"
    train = f"train sarl --size resnet18-nano --data {tips} --run {run} --steps 2 --batch 8"
    assert cli.main(f"{train} --float32 --losses sal ram --threads 1".split()) == 0
    assert json.loads((run / "sarl.json").read_text())["losses"] == ["sal", "ram"]
    bench = f"bench vitactip --encoders {run} --data {tips} --out {out} --seeds 0 1 --epochs 2"
    assert cli.main(f"{bench} --threads 1 --tasks shape force".split()) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("sarl", "untrained", "guess", "shape", "force", "±"))
    cells = (out / "cells.jsonl").read_text()
    assert len(cells.splitlines()) == 2 * 2 * 2 + 2
    assert cli.main(f"{bench} --threads 1 --tasks shape force".split()) == 0  # nothing is left
    assert (out / "cells.jsonl").read_text() == cells


@pytest.mark.parametrize(
    ("task", "column"),
    [("force", np.full((12, 3), np.nan, np.float32)), ("shape", np.full(12, -1))],
)
def test_labels_of_nothing_are_refused_by_a_sentence(task, column, tips, tmp_path, capsys):
    shutil.copytree(tips, tmp_path / "tips")
    with np.load(tips / "validation.npz") as data:
        np.savez(tmp_path / "tips/validation.npz", **{**data, task: column})
    words = f"--encoders nowhere --data {tmp_path / 'tips'} --out {tmp_path / 'out'} --threads 1"
    assert cli.main(f"bench vitactip {words}".split()) == 1
    said = capsys.readouterr().err
    assert f"split validation: wanted labels of {task}, found none in 12 images" in said


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"meta": np.array("[1]")}, "wanted a variant and two fingertips"),
        ({"meta": np.array('{"variant": "vitac", "tips": ["0", 1]}')}, "two fingertips"),
        ({"shape": np.full(12, 99)}, "wanted shape as classes below 8"),
        ({"shape": np.full(12, 0.5)}, "wanted shape as classes below 8"),
        ({"force": np.zeros((12, 7), np.float32)}, r"wanted force as floats \(N, 3\)"),
        ({"images": np.zeros((12, 24, 24, 1), np.uint8)}, "wanted images"),
        ({"shape": np.array([print] * 12, object)}, "cannot be read as images"),
    ],
    ids=["no meta", "tips", "class", "float class", "axes", "grey", "pickle"],
)
def test_foreign_columns_are_refused_by_a_sentence(changed, reason, tips, tmp_path):
    with np.load(tips / "test.npz") as data:
        np.savez(tmp_path / "test.npz", **{**data, **changed})
    with pytest.raises(DatasetError, match=reason) as caught:
        read_tips(tmp_path, "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    ['{"width": "16"}', '{"width": -1}', '{"width": 10000000000}', '{"image_size": 0}']
    + ['{"pools_early": "no"}', "[1]", "null", '{"depth": 3}', "{"],
)
def test_foreign_descriptions_are_refused_by_a_sentence(config, tmp_path):
    (tmp_path / "resnet.json").write_text(config)
    with pytest.raises(ModelError, match=r"wanted a pre-training run with resnet\.json") as caught:
        load_resnet(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_encoder_comes_back_and_strange_folders_are_refused(tmp_path):
    torch.manual_seed(0)
    encoder = ResNet18(ResNetConfig(8, False, 24)).eval()
    images = torch.rand(2, 3, 24, 24)
    save_encoder(encoder, tmp_path)
    torch.testing.assert_close(load_resnet(tmp_path)(images), encoder(images))
    (tmp_path / ENCODER_FILE).write_bytes((tmp_path / ENCODER_FILE).read_bytes()[:-64])
    with pytest.raises(WeightsError, match="is no ResNet-18 as resnet.json describes it"):
        load_resnet(tmp_path)
    with pytest.raises(ModelError, match="wanted a pre-training run with resnet.json"):
        load_resnet(tmp_path / "elsewhere")


def _shown(count, seed, split):
    """Features that tell class and numbers, as if an encoder had found them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 8)).astype(np.float32)
    unknown = np.full((count, 3), np.nan, np.float32)
    labels = {
        "shape": features.argmax(axis=1),
        "force": np.stack([3.0 * features[:, 0], features[:, 1] + 5.0, -features[:, 2]], axis=1),
    }
    images = np.zeros((count, 4, 4, 3), np.uint8)
    columns = labels | {"grating": np.full(count, -1), "edge": unknown}
    return torch.from_numpy(features), TipImages(images, columns, {"split": split})


def test_a_linear_probe_reads_what_is_linear():
    inputs, tips = {}, {}
    for seed, split in enumerate(("train", "validation", "test")):
        inputs[split], tips[split] = _shown(600, seed, split)
    found = probe.score(TASKS["shape"], None, inputs, tips, probe.PROBE, LINEAR)
    assert found["top1"] > 85.0 and found["top5"] >= found["top1"]
    found = probe.score(TASKS["force"], None, inputs, tips, probe.PROBE, probe.Fit(40, 0.01))
    assert found["mae"] < 0.1
    guess = TASKS["force"].guess(tips["train"], tips["test"])
    assert guess["x_n"] == pytest.approx(3.0 * 0.8, rel=0.1)
    assert 5.0 < TASKS["shape"].guess(tips["train"], tips["test"])["top1"] < 20.0


def test_the_epoch_that_is_best_on_validation_is_kept():
    """Validation wants the opposite of what is learned, so that the first epoch is best."""
    inputs, tips = {}, {}
    for seed, split in enumerate(("train", "validation", "test")):
        inputs[split], tips[split] = _shown(200, seed, split)
    wanted = tips["validation"].labels["force"]
    tips["validation"].labels["force"] = 2.0 * wanted.mean(axis=0) - wanted
    short, long = (
        probe.score(TASKS["force"], None, inputs, tips, probe.PROBE, probe.Fit(epochs, 1e-2))
        for epochs in (1, 20)
    )
    assert long == short


def test_transfer_trains_the_last_stage_and_nothing_else():
    torch.manual_seed(0)
    encoder = ResNet18(ResNetConfig(8, False, 24)).eval().requires_grad_(False)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    inputs, tips = {}, {}
    for seed, split in enumerate(("train", "validation", "test")):
        features, tips[split] = _shown(160, seed, split)
        bias = torch.cat([features, torch.zeros(160, 24)], dim=1)
        noise = torch.randn(160, 32, 6, 6, generator=torch.Generator().manual_seed(seed))
        inputs[split] = bias[:, :, None, None] + noise
    fit = probe.Fit(15, 1e-2, decays=True)
    found = probe.score(TASKS["shape"], encoder, inputs, tips, probe.TRANSFER, fit)
    assert found["top1"] > 50.0
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    head = probe.MultiPool(encoder, 8)
    assert head.linear.in_features == 32 + 64
    assert all(p.requires_grad for p in head.parameters())


def test_ranks_are_compared_with_the_paper():
    same = {name: 2.0 * row[0] for name, row in paper.TABLE_1.items()}
    assert paper.rank_correlation(same, "shape") == pytest.approx(1.0)
    turned = {name: -value for name, value in same.items()} | {"guess": 0.0}
    assert paper.rank_correlation(turned, "shape") == pytest.approx(-1.0)
    assert np.isnan(paper.rank_correlation({"sarl": 1.0}, "shape"))
