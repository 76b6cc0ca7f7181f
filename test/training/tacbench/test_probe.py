# SPDX-License-Identifier: Apache-2.0
"""Probes: they learn, keep their best, use the share of labels they may, and are exported."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures.dataset import FRAMES
from safetensors.torch import save_file

from sparsh_ros import cli
from sparsh_ros.engines import create_engine
from sparsh_ros.errors import TrainingError
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import describe_as_yaml, load_model_spec
from sparsh_ros.training.clips.store import open_clips
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench.bench import Arena, Contender
from sparsh_ros.training.tacbench.examples import cache_tokens, examples_of
from sparsh_ros.training.tacbench.probe import ProbeSettings, ProbeTraining

PAIRS = 6 * (FRAMES - 5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with an encoder that learned nothing."""
    folder = tmp_path_factory.mktemp("run")
    spec = model_spec("mae", "nano", folder)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), folder / "encoder.safetensors")
    (folder / "model.yaml").write_text(describe_as_yaml(spec))
    return folder


@pytest.fixture(scope="module")
def arena(run, dataset, tmp_path_factory):
    spec, cache = load_model_spec(run / "model.yaml"), tmp_path_factory.mktemp("cache")
    return lambda frozen: Arena(
        Contender("it", spec, frozen), ["force", "slip", "pose"], dataset, cache, chains=5
    )


def test_a_probe_beats_the_answer_that_needs_no_sensor(arena):
    field, settings = arena(True), ProbeSettings(steps=150, batch=16, rate=3e-3)
    training, examples = ProbeTraining(["slip"], field.spec, settings), field.examples
    training.run(examples["train"], examples["validation"])
    found = training.score("slip", examples["validation"], examples["test"])
    slipping = examples["test"].labels.slipping.mean()
    assert found["f1"] > 2.0 * slipping / (1.0 + slipping) + 0.2  # more than "always slipping"
    assert found["average_precision"] > slipping + 0.2


def test_from_scratch_the_encoder_learns_too(arena):
    field, settings = arena(False), ProbeSettings(steps=20, batch=8)
    encoder = field.fresh_encoder()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    training = ProbeTraining(["slip"], field.spec, settings, encoder)
    examples = field.examples
    training.run(examples["train"], examples["train"])
    assert training.best["slip"].check > 0  # it got better after the first check
    weight = "blocks.0.attn.qkv.weight"
    assert not torch.equal(encoder.state_dict()[weight], before[weight])


def test_a_share_of_labels_is_the_same_for_all_and_lies_within_a_larger_one(arena):
    examples = arena(False).examples["train"]
    small, large = examples.share(0.1), examples.share(0.5)
    assert (len(small), len(large)) == (round(0.1 * PAIRS), round(0.5 * PAIRS))
    forces = [tuple(row) for row in large.labels.force_n]
    assert all(tuple(row) in forces for row in small.labels.force_n)
    assert len(examples.share(1e-9)) == 1
    third = examples.at(np.array([7, 3])).at(np.array([1]))
    np.testing.assert_array_equal(third.labels.force_n[0], examples.labels.force_n[3])
    torch.testing.assert_close(third.inputs(np.array([0])), examples.inputs(np.array([3])))
    torch.testing.assert_close(third.targets.force[0], examples.targets.force[3])


def test_training_stops_when_validation_does_not_improve(arena, monkeypatch):
    field = arena(True)
    training = ProbeTraining(["force"], field.spec, ProbeSettings(steps=50, batch=4))
    losses = iter([1.0, 0.5, 0.7, 0.6, 0.8, 0.9, 0.7, 0.1, 0.1, 0.1])

    def judge(name, outputs, targets, weights):
        value = next(losses) if len(targets.force) > 4 else 1.0  # a check, or a step
        return outputs["force"].sum() * 0.0 + value

    monkeypatch.setattr("sparsh_ros.training.tacbench.probe.probe_loss", judge)
    training.run(field.examples["train"], field.examples["validation"])
    best = training.best["force"]
    assert (best.loss, best.check) == (0.5, 1)
    assert next(losses) == 0.1  # five checks without a better one, then no more


def test_a_loss_that_is_no_number_ends_it(arena):
    field = arena(True)
    train = field.examples["train"]
    broken = replace(train, inputs=lambda rows: train.inputs(rows) * np.nan)
    training = ProbeTraining(["force"], field.spec, ProbeSettings(steps=5, batch=4))
    with pytest.raises(TrainingError, match="the loss is nan at step 0; nothing was written"):
        training.run(broken, train)


def test_tokens_are_those_of_the_encoder_and_are_kept(run, dataset, tmp_path):
    spec = load_model_spec(run / "model.yaml")
    store = open_clips(dataset, "test", tmp_path, spec, chains=1)
    encoder = VisionTransformer.from_spec(spec).requires_grad_(False)
    tokens = cache_tokens(encoder, store, tmp_path)
    clips = store.clips(np.arange(2)).permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 255.0
    np.testing.assert_allclose(tokens[:2].astype(float), encoder(clips), atol=2e-2)
    kept = next(tmp_path.glob("*.npy"))
    stamp = kept.stat().st_mtime_ns
    examples = examples_of(store, spec, encoder, tmp_path)
    assert kept.stat().st_mtime_ns == stamp
    assert examples.inputs(np.array([0])).dtype == torch.float32
    assert examples_of(store, spec, None, tmp_path).inputs(np.array([0])).shape == (1, 48, 600)


def test_a_probe_with_its_encoder_is_exported(run, dataset, tmp_path, capsys):
    words = ["--model", run / "model.yaml", "--run", tmp_path, "--data", dataset, "--threads", 1]
    more = ["--steps", 10, "--batch", 8, "--budget", 50, "--chains", 1, "--unfreeze"]
    assert cli.main(["train", "probe", "slip", "force", *map(str, (*words, *more))]) == 0
    assert "sparsh-ros run --model" in capsys.readouterr().out
    spec = load_model_spec(tmp_path / "model.yaml")
    assert set(spec.heads) == {"slip", "force"} and spec.name == "mae-nano-probed"
    about = json.loads((tmp_path / "probe.json").read_text())
    assert about["budget"] == 0.5 and about["scores"]["slip"]["threshold"] == spec.slip_threshold
    engine = create_engine(spec, "cpu", threads=1)
    image = np.full((1, 320, 240, 3), 127, np.uint8)
    outputs = engine.run_head("force", engine.encode(image, image, image))
    assert np.isfinite(outputs["force"]).all()


def test_a_probe_does_not_write_over_its_encoder(run, dataset, capsys):
    words = ["--model", str(run / "model.yaml"), "--run", str(run), "--data", str(dataset)]
    assert cli.main(["train", "probe", "force", *words]) == 1
    assert "holds the encoder; wanted another folder" in capsys.readouterr().err
