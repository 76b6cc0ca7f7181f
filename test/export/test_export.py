# SPDX-License-Identifier: Apache-2.0
"""Exported encoders against NumPy float64, from the camera's bytes to the tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import encoder as reference
from reference.preprocess import preprocess
from safetensors.torch import load_file, save_file

from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.export.export import export_model
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.spec import SIZES, Architecture, ModelSpec

TOLERANCE = 1e-4
WIDTH, DEPTH = 64, 2
VIDEO = {"tubelet": 2, "frame_offsets_s": (0.0, 0.03, 0.06, 0.1)}
KINDS = {
    "image": ({}, {}),
    "no register, no layer scale": ({"registers": 0}, {"registers": 0, "layer_scale": False}),
    "learned positions": ({}, {"learned": 300}),
    "any number of registers": ({"registers": None}, {"registers": 3}),
    "video": (VIDEO, {"channels": 3, "kernel": (2, 16, 16)}),
}


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "toy", Architecture(WIDTH, DEPTH, 1))


def exported(folder: Path, described: dict[str, Any], kind: dict[str, Any], exact: bool):
    save_file(reference.draw(reference.shapes(WIDTH, DEPTH, **kind)), folder / "own.safetensors")
    spec = ModelSpec("toy", "toy", "MIT", folder, **described)
    encoder = load_model_encoder(spec, folder / "own.safetensors")
    return export_model(encoder, {}, spec, folder / "out", exact)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("described", "kind"), KINDS.values(), ids=KINDS)
def test_bytes_to_tokens(
    tmp_path: Path, described: dict[str, Any], kind: dict[str, Any], exact: bool
) -> None:
    spec = exported(tmp_path, described, kind, exact)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (spec.frames + 1, 1, 320, 240, 3), dtype=np.uint8)
    found = OnnxEngine(spec, ()).encode(*images)[0]
    file = tmp_path / "own.safetensors" if exact else spec.weights / "encoder.safetensors"
    pixels = preprocess(*images[:, 0], clip=spec.tubelet is not None)
    wanted, _ = reference.encode(pixels, reference.doubles(load_file(file)), 1)
    assert found.shape == (spec.tokens, WIDTH)
    assert wanted.std() > 0.5
    assert np.abs(found - wanted).max() < TOLERANCE


def test_exact_files_hold_every_digit(tmp_path: Path) -> None:
    spec = exported(tmp_path, {}, {}, exact=True)
    own, kept = (
        load_file(path)
        for path in (tmp_path / "own.safetensors", spec.weights / "encoder.safetensors")
    )
    assert own.keys() == kept.keys()
    assert all(own[name].equal(kept[name]) for name in own)


@pytest.mark.parametrize("registers", [None, 0])
def test_registers_of_zeros_are_exported(tmp_path: Path, registers: int | None) -> None:
    described = {"registers": registers, "zero_registers": 1}
    spec = exported(tmp_path, described, {"registers": 0}, True)
    assert load_model_encoder(spec).config.registers == 1
    assert not load_file(spec.weights / "encoder.safetensors")["register_tokens"].any()
