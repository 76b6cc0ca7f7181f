# SPDX-License-Identifier: Apache-2.0
"""From made-up demonstrations to a policy that runs without torch."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from sparsh_ros import kinematics
from sparsh_ros.bench.maze.offline import piece_errors_mm
from sparsh_ros.errors import DatasetError, ParameterError, WeightsError
from sparsh_ros.policies.controller import MazeController
from sparsh_ros.policies.demonstrations import Demonstration, load_all
from sparsh_ros.policies.observation import (
    CHUNK,
    FELT_NAMES,
    STEPS,
    Moment,
    Observer,
    felt_frame,
    left_out,
)
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.touch import POOLED
from sparsh_ros.training.policy import networks
from sparsh_ros.training.policy.samples import LAGS, make_samples
from sparsh_ros.training.policy.train import PolicySettings, train_policy

ROWS = 60


def demonstration(seed):
    """A hand that follows the print: twist along its axis, at 2.5 mm a period."""
    rng = np.random.default_rng(seed)
    angle = np.cumsum(rng.normal(0.0, 0.03, ROWS))
    axis = np.stack([np.cos(angle), np.zeros(ROWS), np.sin(angle)], 1)
    two = np.stack([axis, axis], 1)
    joints = kinematics.READY + np.zeros((ROWS, 1))
    driver = kinematics.HandDriver(kinematics.READY)
    twist = np.concatenate([2.5e-3 * axis, np.zeros((ROWS, 3))], 1)
    commanded, wanted = [], []
    for row in twist:
        commanded.append(driver.joints.copy())
        wanted.append(driver.move(row).copy())
    joints = np.stack(commanded)
    force = rng.normal(0.0, 1.0, (ROWS, 2, 3)) + np.array([[0, 5, 0], [0, -5, 0]])
    ones, zeros = np.ones((ROWS, 2)), np.zeros((ROWS, 2))
    columns = {
        "joints": joints,
        "commanded": joints,
        "wanted_joints": np.stack(wanted),
        "twist": twist,
        "grip_n": np.full(ROWS, 5.0),
        "held": np.ones(ROWS, bool),
        "bead_m": 2.5e-3 * np.arange(ROWS),
        "touch_valid": ones.astype(bool),
        "touch_in_contact": ones.astype(bool),
        "touch_force_n": force,
        "touch_force_sd_n": 0.1 * np.ones((ROWS, 2, 3)),
        "touch_margin": 0.8 * ones,
        "touch_margin_sd": 0.1 * ones,
        "touch_slide_m_s": zeros,
        "touch_slide_sd_m_s": zeros,
        "touch_slip_share": zeros,
        "touch_motion_m": np.zeros((ROWS, 2, 3)),
        "touch_centre_m": np.zeros((ROWS, 2, 3)),
        "touch_axis": two,
        "touch_elongation": 0.5 * ones,
        "touch_pooled": np.repeat(
            np.pad(axis, ((0, 0), (0, POOLED - 3)))[:, None], 2, axis=1
        ).astype(np.float32),
    }
    return Demonstration({"rate_hz": 12.0, "seed": seed}, columns)


@pytest.fixture(scope="module")
def demonstrations():
    return [demonstration(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def felt(demonstrations, tmp_path_factory):
    """A policy by what is felt."""
    path = tmp_path_factory.mktemp("policies") / "felt.onnx"
    train_policy(demonstrations, PolicySettings("felt", 15), path)
    return Policy(path)


def test_a_diffusion_policy_learns_and_draws_chunks_from_its_file(
    demonstrations, tmp_path, monkeypatch
):
    monkeypatch.setattr(networks, "_DRAWN", [99, 40, 0])  # ten steps take long to export
    path = tmp_path / "diffusion.onnx"
    result = train_policy(demonstrations, PolicySettings("diffusion", 3), path)
    assert result.losses[-1] < result.losses[0]
    policy = Policy(path)
    assert policy.card.kind == "diffusion"
    rng = np.random.default_rng(0)
    chunk = policy.act(np.zeros(policy.observation_size, np.float32), rng)
    assert chunk.shape == (CHUNK, 7)
    assert (np.abs(chunk) <= np.array(policy.card.limits) + 1e-6).all()
    assert len(piece_errors_mm(policy, demonstrations[:1])) >= 3


def test_joint_angles_are_regressed_from_features(demonstrations):
    """As `chunks` does, whose file is made as that of `felt` is."""
    samples = make_samples(demonstrations, "features", "joints")
    assert samples.observations.shape[1] == STEPS * (2 * POOLED + 7)
    assert len(samples.observations) == len(LAGS) * sum(map(len, demonstrations))
    first = demonstrations[0].columns
    moves = first["wanted_joints"] - first["commanded"]
    assert samples.actions[10, 1:9] == pytest.approx(moves[10:18], abs=1e-6)
    now, late = samples.observations[10], samples.observations[10 + len(demonstrations[0])]
    assert now[-7:] == pytest.approx(late[-7:])  # joints are never late
    assert np.array_equal(late[-2 * POOLED - 7 : -7], pooled_at(demonstrations[0], 9))


def pooled_at(demonstration, row):
    return demonstration.columns["touch_pooled"][row].ravel()


def test_twists_by_what_is_felt_follow_the_demonstrator(felt, demonstrations):
    assert np.mean(piece_errors_mm(felt, demonstrations[:1])) < 10.0


def test_limits_hold_whatever_the_network_says(felt):
    wild = np.full(felt.observation_size, 1e6, np.float32)
    chunk = felt.act(wild, np.random.default_rng(0))
    assert chunk.shape == (CHUNK, 6)
    assert (np.abs(chunk) <= np.array(felt.card.limits) + 1e-6).all()


def test_the_controller_carries_out_what_the_policy_says(felt, demonstrations):
    controller = MazeController(felt, kinematics.READY)
    example = demonstrations[0]
    start = kinematics.forward(kinematics.READY).position
    for index in range(20):
        decision = controller.update(index / 12, kinematics.READY, example.touches(index))
    assert decision.state == "follow"
    way = kinematics.forward(decision.joints[0]).position - start
    assert way[0] == pytest.approx(2.5e-3 * 12, abs=8e-3)
    assert len(decision.joints) >= CHUNK - 2


def test_the_truth_can_take_the_place_of_what_was_felt(demonstrations, tmp_path):
    example = demonstrations[0]
    true = {f"true_{name}": example.columns[f"touch_{name}"] for name in ("valid", "in_contact")}
    true["true_force_n"] = 2.0 * example.columns["touch_force_n"]
    both = Demonstration(example.meta, example.columns | true)
    felt = make_samples([both], "felt", "twist").observations
    told = make_samples([both], "felt", "twist", touch="true").observations
    loads = [FELT_NAMES.index(f"load_{side}") for side in ("left", "right")]
    assert told[:, loads] == pytest.approx(np.clip(2.0 * felt[:, loads], -5.0, 5.0), abs=1e-5)
    with pytest.raises(ParameterError, match="found chunks"):
        train_policy([both] * 2, PolicySettings("chunks", truth=True), tmp_path / "x.onnx")


def test_what_is_left_out_is_named():
    assert left_out("force").sum() == left_out("").sum() - 8
    assert left_out("slip").sum() == left_out("").sum() - 10
    assert left_out("touch").sum() == 4
    assert left_out("frame").all() and not left_out("all").any()


def test_without_the_felt_frame_the_wire_is_still_felt_and_all_is_in_the_hands(demonstrations):
    example = demonstrations[0]
    moment = Moment(example.touches(20), kinematics.READY, 5.0)
    felt, hand = Observer("felt"), Observer("felt", "frame")
    vectors = [observer.update(moment)[: len(FELT_NAMES)] for observer in (felt, hand)]
    assert (hand.frame == np.eye(3)).all() and abs(felt.frame - np.eye(3)).max() > 0.05
    tangent = [FELT_NAMES.index(f"tangent_{axis}") for axis in "xyz"]
    assert vectors[0][tangent] == pytest.approx(vectors[1][tangent])
    force = -np.sum([touch.force_n for touch in moment.touches], 0)
    assert vectors[1][:3] == pytest.approx(force / 5.0, abs=1e-6)
    assert vectors[0][:3] == pytest.approx(felt.frame.T @ force / 5.0, abs=1e-6)


def test_who_sees_nothing_does_the_same_each_time_along_the_felt_wire(demonstrations, tmp_path):
    path = tmp_path / "blind.onnx"
    train_policy(demonstrations, PolicySettings("felt", 2, without="all"), path)
    policy, rng = Policy(path), np.random.default_rng(0)
    chunks = [policy.act(Observer("felt", "all").update(moment), rng) for moment in moments()]
    assert np.array_equal(*chunks)
    controller = MazeController(policy, kinematics.READY)
    for index in range(20):
        decision = controller.update(index / 12, kinematics.READY, demonstrations[1].touches(index))
    way = decision.twist[:3] / np.linalg.norm(decision.twist[:3])
    assert way @ felt_frame(demonstrations[1].touches(19))[:, 0] > 0.99


def moments():
    return [Moment(demonstration(seed).touches(20), kinematics.READY, 5.0) for seed in (5, 6)]


def test_bad_requests_are_refused(demonstrations, tmp_path):
    with pytest.raises(ParameterError, match="wanted one of"):
        train_policy(demonstrations, PolicySettings("magic"), tmp_path / "x.onnx")
    with pytest.raises(ParameterError, match="2 demonstrations"):
        train_policy(demonstrations[:1], PolicySettings("felt"), tmp_path / "x.onnx")
    with pytest.raises(DatasetError, match="maze demonstrate"):
        load_all(tmp_path)
    with pytest.raises(WeightsError, match="train policy"):
        Policy(tmp_path / "missing.onnx")
