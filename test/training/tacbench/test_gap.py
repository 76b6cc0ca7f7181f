# SPDX-License-Identifier: Apache-2.0
"""The domain gap: distances of distributions that are known, and frames of one type of sensor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.clips.store import open_clips
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench.gap import (
    frechet_distance,
    halves,
    pooled_features,
    touched_frames,
)


def test_the_distance_of_two_normal_distributions():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(20000, 3)) * (1.0, 2.0, 0.5)
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(first, first + (3.0, 0.0, 4.0)) == pytest.approx(25.0)
    # tr(S + 4 S - 2 (4 S^2)^(1/2)) = tr(S)
    assert frechet_distance(first, 2.0 * first - first.mean(axis=0)) == pytest.approx(
        5.25, rel=0.03
    )


@pytest.mark.parametrize("recipe", ["mae", "vjepa"])
def test_features_are_the_mean_of_the_tokens_of_a_still(dataset, tmp_path, recipe):
    spec = model_spec(recipe, "nano", tmp_path)
    store = open_clips(dataset, "test", tmp_path, spec)
    frames, instances = touched_frames(store, "digit", 5)
    assert frames.shape == (5, 80, 60, 3) and set(instances) <= {0, 1, 2}
    assert len(touched_frames(store, "gelsight_mini", 5)[0]) == 0
    encoder = VisionTransformer.from_spec(spec).eval()
    found = pooled_features(encoder, frames)
    times = len(spec.frame_offsets_s)
    clip = torch.from_numpy(frames).permute(0, 3, 1, 2).float()[:, None] / 255.0
    clip = clip.expand(-1, times, -1, -1, -1)
    clip = clip.transpose(1, 2) if spec.tubelet else clip.flatten(1, 2)
    wanted = encoder(clip).mean(dim=1).detach()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_halves_share_no_instance():
    groups = np.array([4, 4, 7, 9, 7, 12])
    first = halves(groups)
    assert set(groups[first]) == {4, 9} and set(groups[~first]) == {7, 12}
