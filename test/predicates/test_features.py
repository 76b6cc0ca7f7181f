# SPDX-License-Identifier: Apache-2.0
"""What classifiers see: moments of the tokens, known numbers, and a memory that forgets."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.predicates.features import FingerFeatures, estimate_numbers

SPEC = ModelSpec("m", "micro", "MIT", Path("."), image_height=64, image_width=48)
KNOWN, TURNS = 23, 6
LASTING = KNOWN + TURNS
STREAM = load_model_spec("sparsh-sim-stream")
STEP_NS = 33_333_333


def estimate(stamp_ns: int, **values: object) -> Estimate:
    return Estimate("left", stamp_ns, 0.08, valid=True, **values)


def test_moments_tell_mean_place_and_turn() -> None:
    tokens = np.zeros((12, 192), np.float32)  # 4 rows of 3 patches
    tokens[0, 0], tokens[11, 1] = 12.0, 12.0  # the top left patch, the bottom right one
    found = FingerFeatures(SPEC).update(estimate(1), tokens)
    moments = found[LASTING : LASTING + 3 * 192].reshape(3, 192)
    assert moments[:, 0] == pytest.approx([1, -1, 1])  # mean, x, y
    assert moments[:, 1] == pytest.approx([1, 1, -1])
    assert not moments[:, 2:].any()


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, tubelet=2, frame_offsets_s=(0.0, 0.03, 0.06, 0.1)),
        replace(SPEC, family="anytouch", frame_offsets_s=(0.0, 0.03, 0.06)),
    ],
    ids=["video", "anytouch"],
)
def test_every_family_of_transformers(spec: ModelSpec) -> None:
    features = FingerFeatures(spec)
    tokens = np.ones((spec.tokens, spec.embed_dim), np.float32)
    found = features.update(estimate(1), tokens)
    assert features.size == len(found) == 2 * (LASTING + 3 * 192) + 2 * LASTING
    means = LASTING + spec.embed_dim
    assert found[LASTING:means] == pytest.approx(1.0, abs=1e-5)
    assert found[means : means + 2 * spec.embed_dim] == pytest.approx(0, abs=1e-5)


def test_a_streaming_model_tells_motion_and_registrations() -> None:
    features = FingerFeatures(STREAM)
    tokens = np.zeros((STREAM.tokens, STREAM.embed_dim), np.float32)
    tokens.reshape(-1)[-160:] = np.arange(160)
    found = features.update(estimate(1), tokens)
    assert features.size == len(found) == 2 * (LASTING + 18 + 6) + 2 * (LASTING + 18)
    assert found[LASTING : LASTING + 24].tolist() == [*range(6, 24), *range(6)]


def test_turns_add_up_while_it_touches() -> None:
    """0.02 rad per interval of 80 ms, then the tight screw stands still; then it is let go."""
    features = FingerFeatures(STREAM)
    tokens = np.zeros((STREAM.tokens, STREAM.embed_dim), np.float32)
    turns = []
    for step in range(1, 62):
        tokens.reshape(-1)[-158] = -0.02 if step <= 30 else 0.0
        touched = estimate(step * STEP_NS, in_contact=step <= 60)
        turns.append(features.update(touched, tokens)[KNOWN:LASTING])
    turned = 29 * 0.02 * STEP_NS * 1e-9 / 0.08  # the first frame has nothing before it
    assert turns[29][2] == pytest.approx(-turned / 0.2, rel=1e-4)
    assert turns[59][2:4] == pytest.approx([-turned / 0.2, turned / 0.2], rel=1e-4)
    faded = turns[29][4] * math.exp(-30 * STEP_NS * 1e-9 / 2.0)
    assert turns[59][4] == pytest.approx(faded, rel=1e-4) and turns[59][0] == 0.0
    assert not turns[60].any()


def test_a_transformer_takes_the_turn_of_its_estimate() -> None:
    features, tokens = FingerFeatures(SPEC), np.zeros((12, 192), np.float32)
    moved = np.array([0.0, 0.0, 0.02])
    for step in (1, 2):
        one = estimate(step * STEP_NS, pose_change=moved, in_contact=True)
        found = features.update(one, tokens)
    assert found[KNOWN + 2] == pytest.approx(0.1 * STEP_NS * 1e-9 / 0.08, rel=1e-4)


def test_what_is_unknown_is_zero() -> None:
    assert not estimate_numbers(estimate(1)).any()
    numbers = estimate_numbers(
        estimate(1, force_n=np.array([3.0, 4.0, 5.0]), pose=np.array([0.001, np.nan, 0.2]))
    )
    assert len(numbers) == KNOWN and np.isfinite(numbers).all()
    assert numbers[:4].tolist() == [3.0, 4.0, 5.0, 5.0]
    assert numbers[18] == pytest.approx(1.0) and numbers[19] == 0.0


def test_memory_follows_the_estimates_by_time() -> None:
    features, tokens = FingerFeatures(SPEC), np.zeros((12, 192), np.float32)
    pressed = [
        estimate(k * STEP_NS, force_n=np.array([0, 0, float(k >= 10)])) for k in range(1, 40)
    ]
    seen = [features.update(one, tokens) for one in pressed]
    now = LASTING + 3 * 192
    short, long = (np.array([x[place + 2] for x in seen]) for place in (now, now + LASTING))
    varied = np.array([x[now + 2 * LASTING + 2] for x in seen])
    assert not short[:9].any() and not varied[:9].any()
    steps = np.arange(1, 31) * STEP_NS * 1e-9  # frames of contact, the first one included
    assert short[9:] == pytest.approx(1 - np.exp(-steps / 0.25), rel=1e-4)
    assert long[9:] == pytest.approx(1 - np.exp(-steps / 1.0), rel=1e-4)
    assert 0.3 < varied.max() < 0.6 and varied[-1] < varied.max()


def test_a_gap_or_an_invalid_estimate_begins_anew() -> None:
    tokens = np.zeros((12, 192), np.float32)
    one, two = np.array([0, 0, 1.0]), np.array([0, 0, 2.0])
    place = LASTING + 3 * 192 + 2
    for later_ns in (STEP_NS + 600_000_000, 0):
        features = FingerFeatures(SPEC)
        features.update(estimate(STEP_NS, force_n=one), tokens)
        assert features.update(estimate(later_ns, force_n=two), tokens)[place] == 2.0
    features = FingerFeatures(SPEC)
    features.update(estimate(1, force_n=one), tokens)
    assert features.update(Estimate("left", 2, reason="stale"), None) is None
    assert features.update(estimate(3, force_n=two), tokens)[place] == 2.0
    assert not math.isnan(features.update(estimate(STEP_NS), tokens).sum())
