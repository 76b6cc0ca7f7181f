# SPDX-License-Identifier: Apache-2.0
"""Heads of AnyTouch from files in the official layout, against NumPy float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import anytouch as reference
from reference.layers import linear
from safetensors.torch import save_file
from torch import Tensor

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models import load_encoder, load_head

SMALL = {"width": 32, "depth": 1, "patch": 4, "cells": 2, "projection": 24}
TOLERANCE = 1e-5


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn(2, 13, 32, generator=torch.Generator().manual_seed(2))


def probe_file(folder: Path, head: dict[str, Tensor], version: int = 2) -> Path:
    """What the official probes save: the encoder and a head."""
    own = reference.draw(reference.encoder_shapes(version, **SMALL))
    state = reference.second(own, "tactile_model.") if version == 2 else reference.stage_1(own)
    path = folder / "checkpoint-0.pth"
    torch.save({"model": state | {f"head.{k}": v for k, v in head.items()}, "epoch": 0}, path)
    return path


def error(found: Tensor, wanted: np.ndarray) -> float:
    assert tuple(found.shape) == wanted.shape
    return float(np.abs(found.detach().numpy() - wanted).max() / np.abs(wanted).max())


def test_force_of_each_sensor(tmp_path: Path, tokens: Tensor) -> None:
    weights = reference.draw(reference.force_head_shapes(32), 1)
    head = load_head(probe_file(tmp_path, weights))
    assert head.task == "force"
    values = reference.doubles(weights)
    shares = np.stack([reference.force(own, values) for own in tokens.double().numpy()])
    assert error(head(tokens)["force"], shares) < TOLERANCE
    limits = {
        (1, "digit"): (5.25, 10.61, 14.14),
        (3, "gelsight_mini"): (6.84, 9.87, 8.52),
        (4, "duragel"): (3.92, 3.64, 7.89),
    }
    for names, limit in limits.items():
        for sensor in names:
            assert error(head(tokens, sensor=sensor)["force"], shares * limit) < TOLERANCE


@pytest.mark.parametrize("sensor", [0, 2, -1, True, "gelslim", "nothing"])
def test_sensors_without_a_scale(tmp_path: Path, tokens: Tensor, sensor: object) -> None:
    head = load_head(probe_file(tmp_path, reference.draw(reference.force_head_shapes(32))))
    with pytest.raises(ModelError, match=r"wanted sensor digit \(1\), gelsight_mini \(3\)"):
        head(tokens, sensor=sensor)


def test_heads_of_the_pooler(tmp_path: Path, tokens: Tensor) -> None:
    weights = reference.draw(reference.force_head_shapes(32), 1)
    head = load_head(probe_file(tmp_path, weights), num_heads=2)
    wanted = reference.force(tokens[0].double().numpy(), reference.doubles(weights), heads=2)
    assert error(head(tokens)["force"][0], wanted) < TOLERANCE
    with pytest.raises(WeightsError, match="wanted 5 attention heads in the pooler"):
        load_head(probe_file(tmp_path, weights), num_heads=5)


@pytest.mark.parametrize("version", [1, 2])
def test_material(tmp_path: Path, tokens: Tensor, version: int) -> None:
    generator = torch.Generator().manual_seed(3)
    own = {"weight": torch.randn(20, 24, generator=generator), "bias": torch.randn(20)}
    path = probe_file(tmp_path, own, version)
    head = load_head(path)
    assert head.task == "material"
    encoder = reference.doubles(reference.draw(reference.encoder_shapes(version, **SMALL)))
    vectors = [reference.embed(version, row, encoder, "cls") for row in tokens.double().numpy()]
    values = reference.doubles({f"head.{name}": value for name, value in own.items()})
    assert error(head(tokens)["material"], linear(np.stack(vectors), values, "head")) < TOLERANCE
    assert load_encoder(path, num_heads=1).ignored["head"] == ("head.weight", "head.bias")


@pytest.mark.parametrize(
    ("task", "outputs"),
    [("roughness", 1), ("hardness", 1), ("objectfolder1", 7), ("objectfolder2", 7)],
)
def test_other_linear_probes_have_the_names_of_their_tasks(
    task: str, outputs: int, tmp_path: Path, tokens: Tensor
) -> None:
    torch.manual_seed(3)
    encoder = reference.draw(reference.encoder_shapes(1, **SMALL))
    own = {"weight": torch.randn(outputs, 24), "bias": torch.randn(outputs)}
    state = {f"{task}.{name}": value for name, value in own.items()}
    state |= {
        key: encoder[f"touch_model.{key}"]
        for key in ("post_layernorm.weight", "post_layernorm.bias")
    }
    state["touch_projection.weight"] = encoder["touch_projection.weight"]
    save_file(state, tmp_path / "head.safetensors")
    head = load_head(tmp_path / "head.safetensors")
    assert head.task == task and head.outputs == (task,)
    pooling = "global" if task == "objectfolder1" else "cls"
    rows = tokens.double().numpy()
    vectors = np.stack(
        [reference.embed(1, row, reference.doubles(encoder), pooling) for row in rows]
    )
    wanted = linear(vectors, reference.doubles({f"head.{k}": v for k, v in own.items()}), "head")
    found = head(tokens)[task]
    if outputs == 1:
        assert not found[:, 0].any()
        found = found[:, 1:]
    assert error(found, wanted) < TOLERANCE
    state[f"{task}.weight"] = torch.randn(outputs + 1, 24)
    save_file(state, tmp_path / "head.safetensors")
    with pytest.raises(WeightsError, match="head.safetensors"):
        load_head(tmp_path / "head.safetensors")


def test_a_head_that_lacks_a_tensor(tmp_path: Path) -> None:
    weights = reference.draw(reference.force_head_shapes(32))
    del weights["pooler.cross_attention_block.mlp.fc1.weight"]
    with pytest.raises(WeightsError, match="wanted the tensors of a force head, found one missing"):
        load_head(probe_file(tmp_path, weights))
