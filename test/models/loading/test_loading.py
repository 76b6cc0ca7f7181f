# SPDX-License-Identifier: Apache-2.0
"""Weights files: the good ones load strictly, the bad ones are one sentence."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.tensor_files import open_tensor_file
from sparsh_ros.models.heads import build_head
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    return ModelSpec("m", "micro", "MIT", tmp_path)


class Hostile:
    """Makes a directory when unpickled the careless way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def same(module: nn.Module, other: nn.Module) -> bool:
    mine, theirs = module.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)


def test_encoder_from_both_formats(spec: ModelSpec) -> None:
    encoder = VisionTransformer.from_spec(spec)
    save_file(encoder.state_dict(), spec.weights / "encoder.safetensors")
    torch.save(encoder.state_dict(), spec.weights / "encoder.pt")
    assert same(load_model_encoder(spec), encoder)
    assert same(load_model_encoder(spec, spec.weights / "encoder.pt"), encoder)
    assert not load_model_encoder(spec).training


def test_float16_files_are_computed_with_in_float32(spec: ModelSpec) -> None:
    head = build_head("force", spec)
    halves = {f"force.{name}": value.half() for name, value in head.state_dict().items()}
    save_file(halves, spec.weights / "heads.safetensors")
    assert all(
        p.dtype == torch.float32 for p in load_model_heads(["force"], spec)["force"].parameters()
    )


def test_a_head_that_is_not_there(spec: ModelSpec) -> None:
    state = build_head("force", spec).state_dict()
    save_file({f"force.{n}": v for n, v in state.items()}, spec.weights / "heads.safetensors")
    with pytest.raises(WeightsError, match=r"wanted keys slip\.\*, found those of force"):
        load_model_heads(["slip"], spec)


def test_other_architecture_names_both(spec: ModelSpec) -> None:
    path = spec.weights / "encoder.safetensors"
    save_file(VisionTransformer(192, 12, 3, registers=0).state_dict(), path)
    with pytest.raises(WeightsError) as caught:
        load_model_encoder(spec)
    message = str(caught.value)
    assert "model m wants an image encoder of size micro (embed_dim 192, depth 6" in message
    assert "found an image encoder of size tiny (embed_dim 192, depth 12" in message
    assert "differing: depth, registers" in message
    assert str(path) in message


def test_other_shapes_are_listed(spec: ModelSpec) -> None:
    state = VisionTransformer.from_spec(spec).state_dict()
    state["norm.bias"] = torch.zeros(7)
    save_file(state, spec.weights / "encoder.safetensors")
    with pytest.raises(WeightsError, match=r"other shape: norm.bias \(7,\) instead of \(192,\)"):
        load_model_encoder(spec)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("kept", [0, 6, 200, 0.5, 0.99])
def test_truncated_files(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"encoder{suffix}"
    state = {"weight": torch.randn(64, 64), "bias": torch.randn(64)}
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(WeightsError, match=f"{path.name}: wanted .* found"):
        open_tensor_file(path)


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"weight": evil}])
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, wrap) -> None:
    sign = tmp_path / "it ran"
    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        path = tmp_path / "encoder.pt"
        save(wrap(Hostile(sign)), path)
        with pytest.raises(WeightsError, match="nothing in it was run"):
            open_tensor_file(path)
        assert not sign.exists()


@pytest.mark.parametrize(
    ("value", "found"),
    [([torch.zeros(1)], "list"), ({"weights": {"a": torch.zeros(1)}, "step": 3}, "step: int")],
)
def test_files_that_are_no_flat_state_dict(tmp_path: Path, value: object, found: str) -> None:
    path = tmp_path / "encoder.pt"
    torch.save(value, path)
    with pytest.raises(WeightsError, match=f"flat dictionary of tensors, found .*{found}"):
        open_tensor_file(path)


def test_a_missing_file_says_what_to_do(spec: ModelSpec) -> None:
    with pytest.raises(WeightsError, match=r"not found; `sparsh-ros weights list`"):
        load_model_encoder(spec)
