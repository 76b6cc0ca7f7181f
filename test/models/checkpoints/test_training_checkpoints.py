# SPDX-License-Identifier: Apache-2.0
"""Official `.ckpt` files: the right one of their encoders is found, nothing in them is run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import checkpoints as official
from reference import encoder as reference
from torch import Tensor

from sparsh_ros.errors import WeightsError
from sparsh_ros.models import load_encoder
from sparsh_ros.models.vit import VisionTransformer

SIZE = (32, 48)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    return reference.draw(reference.shapes(64, 2))


def loaded(path: Path) -> dict[str, Tensor]:
    return load_encoder(path, image_size=SIZE).state_dict()


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n]) for n in wanted)


class Hostile:
    """Makes a directory when unpickled the careless way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("method", official.PREFIXES)
def test_the_encoder_of_each_method(tmp_path: Path, method: str) -> None:
    kind = {"channels": 3, "kernel": (2, 16, 16)} if method == "vjepa" else {}
    weights = reference.draw(reference.shapes(64, 2, **kind))
    official.save_training(method, weights, tmp_path / "model.ckpt")
    assert same(loaded(tmp_path / "model.ckpt"), weights)
    assert "tactile_ssl" not in sys.modules


@pytest.mark.parametrize("wrap", ["module.{}", "_orig_mod.{}", "_orig_mod.module._orig_mod.{}"])
@pytest.mark.parametrize(
    "prefix", ["", "encoder.backbone.", "teacher_encoder.backbone.", "model_encoder."]
)
def test_wrappers_around_everything(
    tmp_path: Path, weights: dict[str, Tensor], wrap: str, prefix: str
) -> None:
    state = {wrap.format(prefix + name): value for name, value in weights.items()}
    torch.save(state, tmp_path / "state.pth")
    assert same(loaded(tmp_path / "state.pth"), weights)


def test_wrappers_in_between(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    state = {
        "teacher_encoder._orig_mod.backbone.module."
        + name.replace("blocks.1", "blocks.module.1"): v
        for name, v in weights.items()
    }
    torch.save({"model": state}, tmp_path / "model.ckpt")
    assert same(loaded(tmp_path / "model.ckpt"), weights)


def test_encoder_of_a_task_that_was_trained_end_to_end(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    state = {f"model_encoder.{name}": value for name, value in weights.items()}
    state["model_task.pooler.query_tokens"] = torch.zeros(1, 1, 64)
    torch.save(state, tmp_path / "epoch-0051.pth")
    assert same(loaded(tmp_path / "epoch-0051.pth"), weights)


def test_encoder_of_a_force_field_s_training(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    state = {f"model_encoder.{name}": value for name, value in weights.items()} | {
        "model_task.norm.weight": torch.zeros(64),
        "pose_estimator.encoder.encoder.bn1.num_batches_tracked": torch.tensor(3),
        "pose_estimator.decoder.net.0.weight": torch.zeros(2, 2, 1, 1),
        "backproject_depth.id_coords": torch.zeros(2, 224, 224),
    }
    torch.save({"model": state, "global_step": 15500}, tmp_path / "last.ckpt")
    assert same(loaded(tmp_path / "last.ckpt"), weights)


def test_a_decoder_is_no_encoder(tmp_path: Path) -> None:
    torch.save({"model_task.probe.0.bias": torch.zeros(2)}, tmp_path / "epoch-0051.pth")
    with pytest.raises(WeightsError, match=r"found model_task \(1\); load .* with load_head"):
        loaded(tmp_path / "epoch-0051.pth")


def saved(folder: Path, state: dict[str, Tensor]) -> Path:
    """A checkpoint of that state."""
    torch.save({"model": state}, folder / "model.ckpt")
    return folder / "model.ckpt"


@pytest.mark.parametrize("name", ["stranger.weight", "target_encoder.norm.bias", "norm.weight"])
def test_modules_that_no_official_checkpoint_has(
    tmp_path: Path, weights: dict[str, Tensor], name: str
) -> None:
    state = official.model_state("dino", weights) | {name: torch.zeros(1)}
    with pytest.raises(WeightsError, match=f"unexpected: {name}"):
        loaded(saved(tmp_path, state))


@pytest.mark.parametrize("prefix", ["", "encoder.", "target_encoder.backbone."])
def test_missing_and_unexpected_tensors_are_listed(
    tmp_path: Path, weights: dict[str, Tensor], prefix: str
) -> None:
    del weights["blocks.1.attn.proj.bias"]
    weights["blocks.0.attn.rotary"] = torch.zeros(2)
    weights["norm.weight"] = torch.zeros(65)
    torch.save({prefix + n: v for n, v in weights.items()}, tmp_path / "state.pth")
    with pytest.raises(WeightsError) as caught:
        loaded(tmp_path / "state.pth")
    message = str(caught.value)
    assert "missing: blocks.1.attn.proj.bias;" in message
    assert "unexpected: blocks.0.attn.rotary;" in message
    assert "other shape: norm.weight (65,) instead of (64,);" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: w | {"module.norm.bias": w["norm.bias"]},
            "norm.bias and module.norm.bias are the same tensor",
        ),
        (
            lambda w: {n: w[n] for n in w.keys() - {"pos_embed.frequency_bands"}},
            "missing: pos_embed.frequency_bands",
        ),
        (
            lambda w: w | {"norm.weight": w["norm.weight"].to(torch.int8)},
            "not floating-point: norm.weight int8",
        ),
        (
            lambda w: {f"student_encoder.backbone.{name}": value for name, value in w.items()},
            "found student_encoder",
        ),
    ],
    ids=["one name twice", "a register without frequencies", "integers", "students"],
)
def test_what_is_no_encoder_is_refused(
    tmp_path: Path, weights: dict[str, Tensor], change: Callable, message: str
) -> None:
    torch.save(change(weights), tmp_path / "state.pth")
    with pytest.raises(WeightsError, match=re.escape(message)):
        loaded(tmp_path / "state.pth")


def test_half_precision_files_are_computed_with_in_float32(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    torch.save({name: value.bfloat16() for name, value in weights.items()}, tmp_path / "state.pth")
    assert {value.dtype for value in loaded(tmp_path / "state.pth").values()} == {torch.float32}


@pytest.mark.parametrize("place", ["scheduler", "model", "extra"])
def test_a_hostile_object_beside_good_weights(
    tmp_path: Path, weights: dict[str, Tensor], place: str
) -> None:
    sign = tmp_path / "it ran"
    official.save_training("dino", weights, tmp_path / "model.ckpt", **{place: Hostile(sign)})
    with pytest.raises(WeightsError, match=r"calls posix.mkdir; nothing in it was run"):
        loaded(tmp_path / "model.ckpt")
    assert not sign.exists()


def flip_a_byte_of(path: Path, values: Tensor) -> None:
    data = path.read_bytes()
    place = data.index(values.numpy().tobytes())
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def test_only_the_encoder_is_read_and_checked(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "model.ckpt"
    official.save_training("dino", weights, path)
    flip_a_byte_of(path, weights["blocks.1.mlp.fc2.weight"] + 1)  # of the student
    assert same(loaded(path), weights)
    flip_a_byte_of(path, weights["blocks.1.mlp.fc2.weight"])
    with pytest.raises(WeightsError, match="Bad CRC-32"):
        loaded(path)


def test_views_and_shared_values_become_tensors_of_their_own(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    weights["blocks.0.norm1.bias"] = weights["blocks.0.norm1.weight"]
    weights["blocks.0.attn.proj.weight"] = weights["blocks.0.attn.proj.weight"].T
    weights["norm.bias"] = torch.arange(128.0)[32:96]
    torch.save(weights, tmp_path / "state.pth")
    encoder = load_encoder(tmp_path / "state.pth", image_size=SIZE)
    assert same(encoder.state_dict(), weights)
    assert all(parameter.is_contiguous() for parameter in encoder.parameters())
    with torch.no_grad():
        encoder.blocks[0].norm1.bias.zero_()
    assert encoder.blocks[0].norm1.weight.any()


def test_loading_draws_no_random_numbers(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights, tmp_path / "state.pth")
    before = torch.get_rng_state()
    loaded(tmp_path / "state.pth")
    assert torch.equal(torch.get_rng_state(), before)


def test_older_torch_files_are_explained(tmp_path: Path) -> None:
    state = VisionTransformer(64, 1, 1).state_dict()
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match="an older torch file; nothing in it was run"):
        loaded(tmp_path / "old.pth")


def test_damage_anywhere_is_a_weights_error(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "model.ckpt"
    official.save_training("dino", weights, path)
    good = path.read_bytes()
    directory = good.index(b"PK\x01\x02")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        data = bytearray(good)
        for place in (rng.integers(0, 9000), rng.integers(directory, len(data))):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            loaded(path)
        except WeightsError:
            refused += 1
    assert refused > 100
