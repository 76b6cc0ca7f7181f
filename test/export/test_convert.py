# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights convert`: ONNX Runtime then gives what the published files give."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import heads as reference_heads
from reference.official import random_weights, save_folder
from safetensors.torch import load_file

from sparsh_ros.cli import main
from sparsh_ros.engines import Engine, create_engine
from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.export.convert import convert
from sparsh_ros.models import dpt
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import SIZES, Architecture, ModelSpec
from sparsh_ros.models.zoo import load_model_spec

YAML = """name: sparsh-toy
licence: CC-BY-NC-4.0
registers: null
pooler_num_heads: 12
transforms: sparsh
"""
VIDEO = "tubelet: 2\nframe_offsets_s: [0, 0.03, 0.06, 0.1]\n"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "toy", Architecture(96, 2, 3))
    monkeypatch.setitem(SIZES, "deep", Architecture(96, 4, 3))


def described(folder: Path, more: str = "", size: str = "toy") -> Path:
    path = folder / "sparsh-toy.yaml"
    path.write_text(f"{YAML}size: {size}\n{more}")
    return path


def files(folder: Path, model: Path, *tasks: str) -> list[str]:
    save_folder(folder, load_model_spec(model), tasks)
    return [str(path) for path in folder.rglob("*") if path.is_file()]


def answers(engine: Engine) -> dict[str, np.ndarray]:
    """All that an engine says of two pairs or clips."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (engine.frames + 1, 2, 320, 240, 3), dtype=np.uint8)
    tokens = engine.encode(*images)
    found = {"tokens": np.asarray(tokens)}
    for head in engine.heads:
        outputs = engine.run_head(head, *(images if head in READS_IMAGES else [tokens]))
        found |= {f"{head}.{key}": value for key, value in outputs.items()}
    return found


def check_same(published: ModelSpec, converted: ModelSpec, tolerance: float) -> None:
    wanted = answers(create_engine(published, "cpu"))
    engine = create_engine(converted, "cpu")
    assert engine.description.startswith("ONNX Runtime")
    found = answers(engine)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.abs(found[name] - value).max() < tolerance, name


def test_a_head_and_the_force_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dpt, "BLOCKS", (0, 1, 2, 3))  # exporting twelve blocks takes long
    model, out = described(tmp_path, size="deep"), tmp_path / "out"
    given = files(tmp_path / "files", model, "slip", "forcefield")
    options = ["--model", str(model), "--out", str(out)]
    assert main(["weights", "convert", *given, *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "encoder and slip, forcefield" in said
    assert f"use it with model:={out}/sparsh-toy.yaml" in said
    converted = load_model_spec(out / "sparsh-toy.yaml")
    assert converted.licence == "CC-BY-NC-4.0" and converted.transforms == "sparsh"
    check_same(load_model_spec(model, tmp_path / "files"), converted, 1e-4)
    published = load_file(tmp_path / "files" / "sparsh-toy.safetensors")
    kept = load_file(out / "encoder.safetensors")
    assert all(kept[name].equal(value) for name, value in published.items())
    # By its own name too, with the folder of the converted files.
    assert load_model_spec(model, out).weights == out


def test_a_video_model_at_half_the_size(tmp_path: Path) -> None:
    model = described(tmp_path, VIDEO)
    given = files(tmp_path / "files", model, "force")
    converted, _ = convert(given, tmp_path / "out", str(model), half=True)
    published = load_model_spec(model, tmp_path / "files")
    size = (converted.weights / "encoder.onnx").stat().st_size
    assert size < 0.7 * published.files.encoder.path.stat().st_size
    check_same(published, load_model_spec(tmp_path / "out" / "sparsh-toy.yaml"), 2e-2)


def test_a_pose_head_of_several_fingers_is_left_out(tmp_path: Path) -> None:
    model = described(tmp_path)
    given = files(tmp_path / "files", model)
    weights = random_weights(reference_heads.shapes("pose", 96, fingers=3))
    torch.save({f"model_task.{n}": v for n, v in weights.items()}, tmp_path / "pose.pth")
    spec, left_out = convert([*given, str(tmp_path / "pose.pth")], tmp_path / "out", str(model))
    assert spec.heads == () and "joins 3 fingers" in left_out["pose"]


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="found none; `sparsh-ros weights get sparsh-mae-small"):
        convert(["sparsh-mae-small"], tmp_path / "out")
    with pytest.raises(WeightsError, match="found our own format"):
        convert(["sparsh-sim-micro"], tmp_path / "out")
    given = files(tmp_path / "files", described(tmp_path))
    with pytest.raises(ModelError, match="no model's published file has that name; .*--model"):
        convert(given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in ("convert", "export"):
        monkeypatch.delitem(sys.modules, f"sparsh_ros.export.{name}", raising=False)
    assert main(["weights", "convert", "sparsh-mae-base", "--out", "out"]) == 1
    assert "wanted the Python package onnx, found none" in capsys.readouterr().err


def test_a_published_name_tells_the_model(tmp_path: Path) -> None:
    """Of the toy's architecture, so it is not that model; but it was taken for it."""
    (given,) = files(tmp_path / "files", described(tmp_path))
    path = Path(given).rename(tmp_path / "dino_vitsmall.safetensors")
    with pytest.raises(WeightsError, match="of another architecture: model sparsh-dino-small"):
        convert([str(path)], tmp_path / "out")
