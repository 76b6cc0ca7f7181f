# SPDX-License-Identifier: Apache-2.0
"""Heads on frozen tokens and the end-to-end network: both learn a toy task, fairly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training import tasks
from sparsh_ros.training.probes import ProbeSettings, Tokens, read_out, train_heads
from sparsh_ros.training.recipes.end_to_end import EndToEndSettings, EndToEndTraining
from sparsh_ros.training.store import PairLabels, open_store
from sparsh_ros.training.tokens import cache_tokens


def _labels(count, seed):
    rng = np.random.default_rng(seed)
    force = rng.uniform(-1, 1, (count, 3)) * (2.0, 2.0, 1.0) + (0.0, 0.0, 2.0)
    motion = rng.normal(0, (1.0, 1.0, 0.8), (count, 3))
    motion[::5] = np.nan
    ones = np.ones((count, 3))
    return PairLabels(
        force_n=force.astype(np.float32),
        delta_force_n=(0.1 * force).astype(np.float32),
        in_contact=np.ones(count, bool),
        slipping=force[:, 0] > 0.5,
        motion=motion.astype(np.float32),
        force_scale_n=np.float32(5.0 * ones),
        delta_force_scale_n=np.float32(0.5 * ones),
    )


def _tokens(labels, spec):
    """Tokens that carry the labels in their first channels, in noise."""
    values = np.random.default_rng(1).normal(0, 0.3, (len(labels), 300, spec.embed_dim))
    signal = np.concatenate([labels.force_n, np.nan_to_num(labels.motion)], axis=1)
    values[:, :, :6] += signal[:, None]
    return Tokens(values.astype(np.float16), tasks.Targets.of(labels, spec))


def test_heads_learn_a_separable_task(spec):
    labels = {split: _labels(count, seed) for split, count, seed in (("a", 256, 0), ("b", 128, 1))}
    train, validation = (_tokens(labels[split], spec) for split in ("a", "b"))
    settings = ProbeSettings(epochs=12, batch=32, rates=(3e-3, 1e-6), seeds=(0, 1))
    trained = train_heads(train, validation, spec, settings)
    assert {name: [c.seed for c in found] for name, found in trained.items()} == {
        name: [0, 1] for name in tasks.HEAD_NAMES
    }
    for name, found in trained.items():
        assert [c.rate for c in found] == [3e-3, 3e-3]  # the one that works, for every seed
        outputs = read_out(validation.values, {name: found[0].best_head()})[name]
        scores = tasks.head_scores(name, outputs, labels["b"], spec, threshold=0.5)
        trivial = tasks.trivial_scores(name, labels["a"], labels["b"], spec)
        if name == "force":
            assert scores["mae_x_mn"] < 0.5 * trivial["mae_x_mn"]
        elif name == "slip":
            assert scores["f1"] > max(0.85, trivial["f1"])
        else:
            assert scores["accuracy"] > trivial["accuracy"] + 0.1


def test_the_best_epoch_is_kept_and_training_stops_without_progress(spec):
    labels = _labels(64, 0)
    tokens = _tokens(labels, spec)
    settings = ProbeSettings(epochs=40, batch=64, rates=(1.0,), seeds=(0,))
    candidate = train_heads(tokens, tokens, spec, settings, names=("force",))["force"][0]
    outputs = read_out(tokens.values, {"force": candidate.best_head()})["force"]
    weights = tasks.ClassWeights.of(tokens.targets)
    loss = tasks.head_loss("force", outputs, tokens.targets, weights).item()
    assert loss == pytest.approx(candidate.loss, rel=1e-5)
    assert candidate.epoch < 36
    assert candidate.optimiser.param_groups[0]["lr"] > 0.01  # stopped long before the last epoch


def test_the_encoder_stays_frozen_and_tokens_are_those_of_its_images(dataset, spec, tmp_path):
    store = open_store(dataset, "test", tmp_path, chains=5)
    torch.manual_seed(0)
    encoder = VisionTransformer.from_spec(spec).eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    tokens = cache_tokens(encoder, store, tmp_path, bfloat16=False)
    pixels = torch.from_numpy(store.patches(np.arange(4))).float() / 255.0
    with torch.no_grad():
        wanted = encoder.forward_patches(pixels)
    np.testing.assert_allclose(tokens[:4], wanted, atol=5e-3)
    rough = cache_tokens(encoder, store, tmp_path / "rough", bfloat16=True)
    np.testing.assert_allclose(rough[:4], wanted, atol=0.1)
    train_heads(
        Tokens(tokens, tasks.Targets.of(store.labels, spec)),
        Tokens(tokens, tasks.Targets.of(store.labels, spec)),
        spec,
        ProbeSettings(epochs=1, rates=(1e-3,), seeds=(0,)),
    )
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])


def test_tokens_are_computed_again_for_another_encoder(dataset, spec, tmp_path):
    store = open_store(dataset, "test", tmp_path, chains=1)
    first, second = (VisionTransformer.from_spec(spec).eval() for _ in range(2))
    tokens = np.array(cache_tokens(first, store, tmp_path, bfloat16=False))
    np.testing.assert_array_equal(cache_tokens(first, store, tmp_path, bfloat16=False), tokens)
    assert not np.allclose(cache_tokens(second, store, tmp_path, bfloat16=False), tokens)


def test_end_to_end_learns_and_keeps_each_heads_best_moment(dataset, spec, tmp_path):
    stores = {s: open_store(dataset, s, tmp_path, chains=5) for s in ("train", "validation")}
    training = EndToEndTraining(spec, EndToEndSettings(minutes=1.0, batch=16))
    targets = tasks.Targets.of(stores["train"].labels, spec)
    weights = tasks.ClassWeights.of(targets)
    losses = [training.train_step(stores["train"], targets, weights, 3e-3) for _ in range(15)]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    training.check(stores["validation"], weights)
    kept = training.best["force"].state["encoder.norm.weight"].clone()
    for parameter in training.network.parameters():
        parameter.data.fill_(5.0)  # a network that is worse
    training.check(stores["validation"], weights)
    assert torch.equal(training.best["force"].state["encoder.norm.weight"], kept)
    outputs = training.read_best(stores["validation"])
    assert outputs["force"]["force"].shape == (len(stores["validation"]), 3)


def test_bin_values_are_training_means_and_empty_bins_keep_theirs(spec):
    motion = np.array([[0.2, 0.0, 0.0], [0.4, 0.0, 0.0], [np.nan] * 3], np.float32)
    values = tasks.bin_values(motion, spec)
    assert values.pose_bin_values_mm[0][6] == pytest.approx(0.3)
    assert values.pose_bin_values_mm[0][10] == spec.pose_bin_values_mm[0][10]
    assert values.pose_bin_values_deg[5] == 0.0


def test_a_batch_without_motion_costs_nothing(spec):
    labels = _labels(4, 0)
    labels.motion[:] = np.nan
    targets = tasks.Targets.of(labels, spec)
    logits = torch.zeros(4, 11, requires_grad=True)
    weights = tasks.ClassWeights(torch.ones(2), torch.ones(3, 11))
    outputs = dict.fromkeys(("tx", "ty", "yaw"), logits)
    loss = tasks.head_loss("pose", outputs, targets, weights)
    loss.backward()
    assert loss.item() == 0.0
