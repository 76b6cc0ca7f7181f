# SPDX-License-Identifier: Apache-2.0
"""Files of AnyTouch that are damaged, hostile or foreign: one sentence each, and nothing is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from reference import anytouch as reference
from torch import Tensor

from sparsh_ros.errors import SparshError, WeightsError
from sparsh_ros.export.inspection import inspect_file
from sparsh_ros.models import load_encoder, load_head

SMALL = {"width": 64, "depth": 2, "patch": 4, "cells": 3, "projection": 24}
TOUCH = "touch_mae_model."
KERNEL = f"{TOUCH}video_patch_embedding.weight"
POSITIONS = f"{TOUCH}touch_model.embeddings.position_embedding.weight"


@pytest.fixture
def state() -> dict[str, Tensor]:
    """Of stage 2."""
    return reference.stage_2(reference.draw(reference.encoder_shapes(1, **SMALL)))


def refusal(path: Path, state: dict[str, Tensor], **arguments: object) -> str:
    """Why a file with this state is refused, in one line."""
    torch.save({"model": state}, path)
    with pytest.raises(WeightsError) as caught:
        load_encoder(path, **arguments)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    assert name in state
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{TOUCH}touch_projection.weight", "found one missing or of another shape"),
        (POSITIONS, "found one missing or of another shape"),
        (f"{TOUCH}touch_model.encoder.layers.1.mlp.fc2.bias", "missing: touch_model.encoder"),
        (f"{TOUCH}touch_model.pre_layrnorm.bias", "missing: touch_model.pre_layrnorm.bias"),
        (f"{TOUCH}touch_model.embeddings.class_embedding", "missing: touch_model.embeddings"),
        (f"{TOUCH}sensor_token", "wanted an encoder"),
        (KERNEL, "found one missing or of another shape"),
    ],
)
def test_tensors_that_are_missing(tmp_path: Path, state, name: str, reason: str) -> None:
    assert reason in refusal(tmp_path / "checkpoint.pth", without(state, name))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (f"{TOUCH}touch_model.extra.weight", torch.ones(2), "unexpected: touch_model.extra"),
        (f"{TOUCH}temporal.weight", torch.ones(2), "unexpected: touch_mae_model.temporal.weight"),
        (KERNEL, torch.ones(64, 3, 3, 4, 5), "square patches of three colours"),
        (KERNEL, torch.ones(64, 2, 2, 4, 4), "square patches of three colours"),
        (POSITIONS, torch.ones(12, 64), "positions of a square image, found 11 of them"),
        (POSITIONS, torch.ones(1, 64), "positions of 1 to 65,536, found 0"),
        (f"{TOUCH}sensor_token", torch.ones(10, 5, 32), "other shape: sensor_token"),
        (f"{TOUCH}sensor_token", torch.full((10, 5, 64), torch.nan), "NaN or infinity in touch"),
        (f"{TOUCH}sensor_token", torch.ones(10, 5, 64).int(), "not floating-point: sensor_token"),
        (f"module.{TOUCH}sensor_token", torch.ones(1), "are the same tensor once the wrappers"),
    ],
)  # fmt: skip
def test_tensors_that_are_wrong(tmp_path: Path, state, name: str, value, reason: str) -> None:
    assert reason in refusal(tmp_path / "checkpoint.pth", state | {name: value})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"image_size": 16}, r"wanted 16 patches \(image_size=\(16, 16\), frames=3\)"),
        ({"image_size": 10}, "patches of 4 x 4"),
        ({"frames": 4}, "wanted frames=4, found patches of 3 frames"),
        ({"num_heads": 5}, "wanted num_heads=5, found embed_dim 64"),
    ],
)
def test_arguments_that_contradict(tmp_path: Path, state, arguments: dict, reason: str) -> None:
    message = refusal(tmp_path / "checkpoint.pth", state, **arguments)
    assert reason.replace("\\", "") in message


def test_a_width_that_does_not_tell_the_heads(tmp_path: Path) -> None:
    own = reference.draw(reference.encoder_shapes(1, **SMALL | {"width": 42}))
    message = refusal(tmp_path / "checkpoint.pth", reference.stage_1(own))
    assert "one attention head per 64 channels, found embed_dim 42; give" in message


def test_positions_in_another_order(tmp_path: Path) -> None:
    own = reference.second(reference.draw(reference.encoder_shapes(2, **SMALL)))
    own[f"{TOUCH}new_position_ids"] = own[f"{TOUCH}new_position_ids"].flip(1)
    message = refusal(tmp_path / "checkpoint-4frames.pth", own)
    assert "wanted touch_mae_model.new_position_ids to count from 0 to 18" in message


@pytest.mark.parametrize("kept", [0, 6, 200, 0.5, 0.99])
def test_truncated_files(tmp_path: Path, state, kept: float) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": state}, path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    for read in (load_encoder, inspect_file):
        with pytest.raises(SparshError, match=r"checkpoint.pth: wanted .* found"):
            read(path)


class Hostile:
    """Makes a directory when unpickled the careless way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_a_hostile_file_runs_nothing(tmp_path: Path, state) -> None:
    sign = tmp_path / "it ran"
    torch.save({"model": state, "args": Hostile(sign)}, tmp_path / "checkpoint.pth")
    with pytest.raises(WeightsError, match="nothing in it was run"):
        load_encoder(tmp_path / "checkpoint.pth")
    assert not sign.exists()


def test_an_encoder_is_no_head(tmp_path: Path, state) -> None:
    torch.save({"model": state}, tmp_path / "checkpoint.pth")
    with pytest.raises(WeightsError, match="wanted a decoder .* found touch_mae_model"):
        load_head(tmp_path / "checkpoint.pth")


def test_inspection_names_all_parts(tmp_path: Path, state) -> None:
    torch.save({"model": state, "epoch": 11}, tmp_path / "checkpoint.pth")
    report = inspect_file(tmp_path / "checkpoint.pth")
    said = [" ".join(fact) for fact in report.facts]
    wanted = (
        "encoder an encoder of AnyTouch (embed_dim 64, depth 2, patch 4, clips of 3 frames)",
        "prefix touch_mae_model. (AnyTouch, with other towers beside it), 41 tensors",
        "beside it vision_model (3): tower of ordinary images",
        "beside it mask_token (1): decoder of the pre-training",
        "not told attention heads: 1, one per 64 channels",
    )
    assert not report.problems
    assert all(sentence in said for sentence in wanted)


def test_inspection_names_problems(tmp_path: Path, state) -> None:
    broken = without(state, f"{TOUCH}touch_model.pre_layrnorm.bias") | {f"{TOUCH}x": torch.ones(1)}
    torch.save(broken, tmp_path / "checkpoint.pth")
    problems = inspect_file(tmp_path / "checkpoint.pth").problems
    assert problems["missing"] == ["touch_model.pre_layrnorm.bias"]
    assert problems["of no known module"] == [f"{TOUCH}x"]
