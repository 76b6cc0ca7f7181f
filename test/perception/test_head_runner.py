# SPDX-License-Identifier: Apache-2.0
"""Tokens to estimates in SI units and in the gel frame, whatever axes the labels of a head had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import describe_model, list_models
from sparsh_ros.perception.head_runner import EncodedFrame, Features, HeadRunner
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors import load_profile

SPEC = ModelSpec(name="test", size="micro", licence="Apache-2.0", weights=Path("nowhere"))
PUBLISHED = [
    name
    for name in list_models()
    if name.startswith("sparsh-") and describe_model(name).pooler_num_heads
]
TOKENS = np.zeros((1, 300, 192), np.float32)


class Answers:
    """An engine whose heads say the same of everything."""

    def __init__(self, **answers: Mapping[str, np.ndarray]) -> None:
        self.heads = tuple(answers)
        self._answers = answers

    def run_head(self, head: str, tokens: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.float32(value)[None] for name, value in self._answers[head].items()}


def certain(index: int) -> np.ndarray:
    """Logits of a head that is sure of one bin."""
    return 100.0 * np.eye(11)[index]


def estimate(
    spec: ModelSpec, profile: str = "digit", **answers: Mapping[str, np.ndarray]
) -> Estimate:
    head_runner = HeadRunner(spec, Answers(**answers))
    head_runner.add_sensor("thumb", load_profile(profile))
    (found,) = head_runner.run(Features((EncodedFrame("thumb", 10**9, 5 / 60),), TOKENS))
    return found


POSE = {"tx": certain(8), "ty": certain(3), "yaw": certain(9)}  # 1.5 mm, -0.75 mm, 1.5 degrees


def test_motion_along_the_axes_that_the_head_names() -> None:
    found = estimate(SPEC, pose=POSE)
    np.testing.assert_allclose(found.pose_change, [1.5e-3, -0.75e-3, np.deg2rad(1.5)], rtol=1e-6)
    np.testing.assert_array_equal(found.pose_bins, [8, 3, 9])


@pytest.mark.parametrize("name", PUBLISHED)
def test_tacbench_calls_the_second_axis_tx(name: str) -> None:
    found = estimate(replace(SPEC, pose_outputs=describe_model(name).pose_outputs), pose=POSE)
    np.testing.assert_allclose(found.pose_change, [-0.75e-3, 1.5e-3, np.deg2rad(1.5)], rtol=1e-6)
    np.testing.assert_array_equal(found.pose_bins, [3, 8, 9])


def test_a_mirrored_axis_and_its_rotation() -> None:
    spec = replace(SPEC, pose_outputs=("-tx", "ty", "-yaw"))
    found = estimate(spec, pose=POSE)
    np.testing.assert_allclose(found.pose_change, [-1.5e-3, -0.75e-3, -np.deg2rad(1.5)], rtol=1e-6)


@pytest.mark.parametrize(
    ("profile", "force_n", "delta_n"),
    [
        ("digit", (2.0, -4.0, 2.5), (0.2, -0.4, 0.15)),
        ("gelsight_mini", (0.75, -1.5, 1.0), (0.4, -0.8, 0.2)),
    ],
)
def test_full_scale_is_that_of_tacbench(profile: str, force_n: tuple, delta_n: tuple) -> None:
    answer = np.array([0.5, -1.0, 0.5])
    slip = {"slip": np.zeros(2), "force": answer}
    found = estimate(SPEC, profile, force={"force": answer}, slip=slip)
    np.testing.assert_allclose(found.force_n, force_n, rtol=1e-6)
    np.testing.assert_allclose(found.delta_force_n, delta_n, rtol=1e-6)


def test_force_and_its_change_have_the_same_axes() -> None:
    answer = np.array([0.5, -1.0, 0.5])
    slip = {"slip": np.zeros(2), "force": answer}
    spec = replace(SPEC, force_outputs=("y", "-x", "z"))
    found = estimate(spec, force={"force": answer}, slip=slip)
    np.testing.assert_allclose(found.force_n, [-4.0, -2.0, 2.5], rtol=1e-6)
    np.testing.assert_allclose(found.delta_force_n, [-0.4, -0.2, 0.15], rtol=1e-6)
