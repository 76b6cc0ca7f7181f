# SPDX-License-Identifier: Apache-2.0
"""Axes of a head's answers: named by the labels, put in the order of the image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.errors import ModelError
from sparsh_ros.models.head_axes import along_image_axes
from sparsh_ros.models.spec import ModelSpec

SPEC = ModelSpec(name="test", size="micro", licence="Apache-2.0", weights=Path("nowhere"))
LOGITS = {
    "tx": np.arange(11, dtype=np.float32),
    "ty": np.arange(100, 111, dtype=np.float32),
    "yaw": np.arange(200, 211, dtype=np.float32),
}
FORCE = {"force": np.float32([0.1, 0.2, 0.3])}


def test_by_default_a_head_answers_along_the_image() -> None:
    for head, outputs in (("force", FORCE), ("pose", LOGITS)):
        found = along_image_axes(SPEC, head, outputs)
        assert found.keys() == outputs.keys()
        for name, values in outputs.items():
            np.testing.assert_array_equal(found[name], values)


def test_axes_that_the_labels_of_a_motion_exchange() -> None:
    spec = replace(SPEC, pose_outputs=("ty", "tx", "yaw"))
    found = along_image_axes(spec, "pose", LOGITS)
    np.testing.assert_array_equal(found["tx"], LOGITS["ty"])
    np.testing.assert_array_equal(found["ty"], LOGITS["tx"])
    np.testing.assert_array_equal(found["yaw"], LOGITS["yaw"])


def test_the_opposite_direction_has_the_opposite_bins() -> None:
    spec = replace(SPEC, pose_outputs=("-tx", "ty", "-yaw"))
    found = along_image_axes(spec, "pose", LOGITS)
    np.testing.assert_array_equal(found["tx"], LOGITS["tx"][::-1])
    np.testing.assert_array_equal(found["ty"], LOGITS["ty"])
    np.testing.assert_array_equal(found["yaw"], LOGITS["yaw"][::-1])


@pytest.mark.parametrize("head", ["force", "slip"])
def test_axes_of_a_force(head: str) -> None:
    spec = replace(SPEC, force_outputs=("y", "-x", "z"))
    logits = np.float32([1.0, 2.0])
    found = along_image_axes(spec, head, {**FORCE, "slip": logits})
    np.testing.assert_array_equal(found["force"], np.float32([0.2, -0.1, 0.3]))
    np.testing.assert_array_equal(found["slip"], logits)


def test_a_class_has_no_axes() -> None:
    spec = replace(SPEC, force_outputs=("y", "x", "z"), pose_outputs=("ty", "tx", "yaw"))
    outputs = {"grasp": np.float32([1.0, 2.0])}
    assert along_image_axes(spec, "grasp", outputs) == outputs


@pytest.mark.parametrize(
    "wrong",
    [
        {"force_outputs": ("x", "y")},
        {"force_outputs": ()},
        {"force_outputs": ("x", "x", "z")},
        {"force_outputs": ("x", "z", "y")},
        {"force_outputs": ("x", "y", "-z")},
        {"pose_outputs": ("x", "y", "z")},
        {"pose_outputs": ("yaw", "ty", "tx")},
    ],
)
def test_axes_that_no_head_has_are_refused(wrong: dict) -> None:
    with pytest.raises(ModelError, match=f"test: {next(iter(wrong))} wants .*, found"):
        replace(SPEC, **wrong)
