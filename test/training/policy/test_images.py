# SPDX-License-Identifier: Apache-2.0
"""Policies with an encoder of their own see what the live path sees."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch

from sparsh_ros.errors import ParameterError
from sparsh_ros.policies import demonstrations
from sparsh_ros.policies.demonstrations import record
from sparsh_ros.policies.observation import CHUNK, STEPS, Moment, Observer
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.policies.touch import POOLED
from sparsh_ros.training.policy.images import END_TO_END, FINE_TUNED, ImagePairs, make_network
from sparsh_ros.training.policy.networks import ChunkNet
from sparsh_ros.training.policy.samples import make_samples
from sparsh_ros.training.policy.train import PolicySettings, train_policy


@pytest.fixture(scope="module")
def recorded():
    """Two short demonstrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstrations, "LONGEST_S", 2.0)
        return [record("toy", seed, TouchReader()) for seed in (3, 4)]


@pytest.fixture(scope="module")
def pairs(recorded):
    return ImagePairs(recorded)


def test_features_of_the_untrained_copy_are_those_that_were_recorded(recorded, pairs):
    """Of touch of the same period and of the one before, with joints that are never late."""
    network = make_network(ChunkNet, pairs, FINE_TUNED).eval()
    samples = make_samples(recorded, "features", "joints")
    assert len(pairs) == len(samples.actions) > 20
    assert np.array_equal(pairs.actions, samples.actions)
    # There the first image of a run had no partner, and hence no features.
    with torch.no_grad():
        features = network.features(*pairs.see(torch.arange(len(pairs)))).numpy()
    assert features.shape[1] == STEPS * (2 * POOLED + 7)
    live = samples.observations[:, : 2 * POOLED].any(1)
    assert live.mean() > 0.9
    assert np.abs(features - samples.observations)[live].max() < 1e-3


def test_a_new_encoder_learns_and_lies_in_the_file(recorded, tmp_path):
    path = tmp_path / "chunks.onnx"
    settings = PolicySettings("chunks", 2, batch=16, encoder=END_TO_END)
    result = train_policy(recorded[:1] * 2, settings, path)
    assert result.losses[-1] < result.losses[0]
    policy = Policy(path)
    assert policy.card.observation == "images"
    observer, rng = Observer("images"), np.random.default_rng(0)
    chunks = []
    for index in (12, 13, 16):
        moment = Moment(recorded[0].touches(index), recorded[0].columns["joints"][index], 5.0)
        chunks.append(policy.act(observer.update(moment), rng))
    assert chunks[0].shape == (CHUNK, 7)
    assert (chunks[0] != chunks[2]).any()


def test_live_images_are_those_of_the_demonstration(recorded):
    """Image, the one before it and the background, as the reader hands them on."""
    columns = recorded[0].columns
    reader = TouchReader()
    reader.begin((columns["backgrounds"][0], columns["backgrounds"][1]))
    for index in range(3):
        images = columns["images"][index, 0], columns["images"][index, 1]
        live = reader.read(index / 12, images)
    for ours, kept in zip(live, recorded[0].touches(2), strict=True):
        assert np.array_equal(ours.images, kept.images)
        assert not np.array_equal(ours.images[0], ours.images[1])


def test_who_has_no_encoder_is_refused(recorded, tmp_path):
    with pytest.raises(ParameterError, match="found felt"):
        train_policy(recorded, PolicySettings("felt", encoder=FINE_TUNED), tmp_path / "x.onnx")
