# SPDX-License-Identifier: Apache-2.0
"""An encoder in 8-bit integers: how near it is, when it is made, and when it is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.engines import create_engine, int8
from sparsh_ros.engines.int8 import int8_encoder
from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.engines.parity import Parity
from sparsh_ros.errors import ModelError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.resources import user_data_path

pytest.importorskip("onnx")
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def made(spec: ModelSpec, home: None) -> Path:
    return int8_encoder(spec)[0]


def test_it_gives_nearly_the_same_numbers_as_float32(spec: ModelSpec, made: Path) -> None:
    images = np.random.default_rng(1).integers(100, 156, (3, 2, 320, 240, 3), dtype=np.uint8)
    engine = create_engine(spec, "cpu", ("force",), threads=1, engine="int8")
    exact = OnnxEngine(spec, ("force",), threads=1)
    tokens, wanted = engine.encode(*images), exact.encode(*images)
    found = Parity.between(wanted, tokens)
    assert 0.999 < found.mean_cosine < 1.0 and found.lowest_cosine > 0.99
    assert 0.0 < found.largest_error == pytest.approx(np.abs(tokens - wanted).max())
    force, right = (e.run_head("force", t)["force"] for e, t in ((engine, tokens), (exact, wanted)))
    assert np.abs(force - right).max() < 0.02
    assert ", int8 (cosine to float32 0.999" in engine.description
    assert exact.remedy.startswith("engine:=auto, ") and "engine" not in engine.remedy


def test_it_is_made_once_and_again_for_other_weights(
    spec: ModelSpec, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantised = []
    monkeypatch.setattr(int8, "_quantise", lambda source, _: quantised.append(source) or 1 / 0)
    path, found = int8_encoder(spec)
    assert path == made and found.passes and not quantised
    shutil.copytree(spec.weights, tmp_path / "weights")
    other = tmp_path / "weights" / "encoder.onnx"
    other.write_bytes(other.read_bytes() + b"\x00")
    with pytest.raises(ZeroDivisionError):
        int8_encoder(replace(spec, weights=tmp_path / "weights"))
    assert quantised == [other]
    assert sorted(p.suffix for p in user_data_path("engines").iterdir()) == [".json", ".onnx"]


def test_a_file_that_was_damaged_is_made_again(
    spec: ModelSpec, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made.read_bytes()
    monkeypatch.setattr(int8, "_quantise", lambda _, target: target.write_bytes(whole))
    monkeypatch.setattr(int8, "compare", lambda *_: Parity(1.0, 1.0, 0.0))
    made.write_bytes(whole[:-1])
    assert int8_encoder(spec) == (made, Parity(1.0, 1.0, 0.0))
    assert made.read_bytes() == whole


@pytest.mark.parametrize("found", [Parity(0.9989, 0.995, 0.3), Parity(0.9999, 0.98, 0.3)])
def test_what_gives_other_tokens_is_refused(
    spec: ModelSpec,
    found: Parity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(int8, "_quantise", lambda _, target: target.write_bytes(b"made"))
    monkeypatch.setattr(int8, "_encode", lambda _: lambda *clips: clips[0])
    monkeypatch.setattr(Parity, "between", lambda *_: found)
    with pytest.raises(ModelError, match=f"found {found.mean_cosine:.4f} and .*; use engine float"):
        int8_encoder(spec)
    assert list(user_data_path("engines").iterdir()) == []


def test_it_is_for_transformers_in_onnx_files_on_the_cpu(spec: ModelSpec) -> None:
    for wrong, message in (
        (lambda: create_engine(load_model_spec(STREAM_MODEL), engine="int8"), "one that streams"),
        (lambda: create_engine(spec, "cuda", engine="int8"), "device cuda; use engine float32"),
        (
            lambda: create_engine(spec, engine="int4"),
            "'int4': unknown; choose one of",
        ),
    ):
        with pytest.raises(ModelError, match=message):
            wrong()
