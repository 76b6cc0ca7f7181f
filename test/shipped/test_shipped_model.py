# SPDX-License-Identifier: Apache-2.0
"""The weights that ship, through the live path, on sensors and shapes that training never saw."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparsh_ros.frames import Frame
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.sensors import load_profile
from sparsh_ros.simulation.simulation import TouchSimulation
from sparsh_ros.training.episodes import SPLITS

FIRST_SEED, KINDS = SPLITS["test"]
SEEDS = range(FIRST_SEED + 50_000, FIRST_SEED + 50_005)  # none of the model card's
FRAMES = 150


@pytest.fixture(scope="module")
def estimates() -> list[tuple]:
    """(estimate, truth) of every valid frame of some simulated DIGITs."""
    profile, perception, found = load_profile("digit"), Perception(device="cpu"), []
    for seed in SEEDS:
        simulation = TouchSimulation("digit", seed, touch="protocol", kinds=KINDS)
        perception.add_sensor("finger", profile)
        perception.set_background("finger", simulation.background())
        for index in range(FRAMES):
            truth = simulation.step()
            perception.push("finger", Frame(round(index * 1e9 / 60), truth.image))
            found += [(estimate, truth) for estimate in perception.infer() if estimate.valid]
    return found


def test_forces_are_far_better_than_their_mean(estimates: list[tuple]) -> None:
    found = np.array([estimate.force_n for estimate, _ in estimates])
    truth = np.array([sample.force_n for _, sample in estimates])
    error = np.abs(found - truth).mean(axis=0)
    trivial = np.abs(truth - truth.mean(axis=0)).mean(axis=0)
    assert error[2] < 0.6 * trivial[2]
    for axis in (0, 1):
        assert np.corrcoef(found[:, axis], truth[:, axis])[0, 1] > 0.5


def test_slip_is_more_probable_while_the_object_slips(estimates: list[tuple]) -> None:
    probability = np.array([estimate.slip_probability for estimate, _ in estimates])
    slipping = np.array([sample.slipping for _, sample in estimates])
    assert 20 < slipping.sum() < len(slipping) / 2
    ranks = probability.argsort().argsort()
    area = (ranks[slipping].mean() - (slipping.sum() - 1) / 2) / (~slipping).sum()
    assert area > 0.8  # area under the ROC curve: 0.5 for a coin, 1 for the truth


def test_contact_and_motion_follow_the_object(estimates: list[tuple]) -> None:
    agree = [estimate.in_contact == truth.in_contact for estimate, truth in estimates]
    assert np.mean(agree) > 0.9
    found = np.array([estimate.pose_change[:2] for estimate, _ in estimates])[5:]
    poses = np.array([sample.pose[:2] for _, sample in estimates])
    truth = poses[5:] - poses[:-5]
    known = np.isfinite(found + truth).all(axis=1)
    assert known.sum() > 200
    found, truth = found[known], truth[known]
    assert np.abs(found - truth).mean() < 0.75 * np.abs(truth).mean()


def test_scores_are_in_the_folder_and_name_what_ships() -> None:
    spec = load_model_spec("sparsh-sim-micro")
    scores = json.loads((spec.weights / "scores.json").read_text())
    assert [name for name, entry in scores["scores"].items() if entry["ships"]] == list(spec.heads)
    assert set(scores["data"]["test"]["kinds"]) <= set(KINDS)
    assert not set(scores["data"]["train"]["kinds"]) & set(KINDS)
    size = sum(path.stat().st_size for path in spec.weights.iterdir())
    assert size < 30e6
