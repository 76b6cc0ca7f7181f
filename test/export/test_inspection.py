# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights inspect` on each kind of file, run as a user does."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from reference import checkpoints as official
from reference import dpt
from reference import encoder as reference
from reference import heads as head_reference
from reference.official import random_weights
from safetensors.torch import save_file

from sparsh_ros.cli import main
from sparsh_ros.export.inspection import inspect_file
from sparsh_ros.models.anytouch.heads import LinearHead
from sparsh_ros.models.heads import FieldHead


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


class Hostile:
    """Makes a directory when unpickled the careless way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def inspect(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> tuple[int, str]:
    code = main(["weights", "inspect", str(path), *options])
    return code, " ".join(capsys.readouterr().out.split())


def test_a_bare_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dino_vitsmall.safetensors"
    save_file(reference.draw(reference.shapes(384, 12)), path)
    code, output = inspect(capsys, path)
    assert code == 0
    assert f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}" in output
    assert "kind safetensors file" in output
    assert "tensors 174, of type float32" in output
    assert (
        "an image encoder of size small (embed_dim 384, depth 12, patch 16, 6 channels, " in output
    )
    assert "registers 1) sinusoidal positions, with layer scale" in output
    assert "prefix none (bare encoder), 174 tensors" in output
    assert "not told image size: 320 x 240 unless given" in output
    assert "not told attention heads: 6, one per 64 channels" in output
    assert "blocks.5" not in output
    assert "blocks.5.mlp.fc2.weight (384, 1536) float32" in inspect(capsys, path, "--keys")[1]


@pytest.mark.parametrize("method", official.PREFIXES)
def test_training_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    path = tmp_path / "model.ckpt"
    official.save_training(method, reference.draw(reference.shapes(64, 2)), path)
    code, output = inspect(capsys, path)
    assert code == 0
    assert "kind training checkpoint (state dict under 'model', beside current_epoch" in output
    assert f"prefix {official.PREFIXES[method]} (" in output
    assert "beside it online_probes (1): probes that watched the pre-training" in output
    if method == "dinov2":
        assert "teacher_encoder.ibot_head (1): projection head" in output
        assert "ibot_patch_loss (1): loss" in output
        assert "student_encoder (35): the encoder that was trained by gradients" in output


def test_a_video_encoder_with_learned_positions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = {"channels": 3, "kernel": (2, 16, 16), "learned": 392, "layer_scale": False}
    save_file(reference.draw(reference.shapes(100, 2, **kind)), tmp_path / "v.safetensors")
    code, output = inspect(capsys, tmp_path / "v.safetensors")
    assert code == 0
    assert "a video encoder of no known size" in output
    assert "learned positions of 392 tokens, without layer scale" in output
    assert "image size: any of 392 tokens" in output
    assert "attention heads: to be given" in output


def test_a_decoder_beside_its_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = {f"model_task.{n}": torch.zeros(s) for n, s in head_reference.shapes("slip", 48).items()}
    torch.save(head, tmp_path / "epoch-0051.pth")
    code, output = inspect(capsys, tmp_path / "epoch-0051.pth")
    assert code == 0
    assert "decoder a slip head (embed_dim 48)" in output
    encoder = reference.draw(reference.shapes(48, 2))
    both = head | {f"model_encoder.{name}": value for name, value in encoder.items()}
    torch.save(both, tmp_path / "both.pth")
    code, output = inspect(capsys, tmp_path / "both.pth")
    assert code == 0
    assert "decoder a slip head (embed_dim 48)" in output
    assert "prefix model_encoder. (of a task, frozen or fine-tuned)" in output


@pytest.mark.parametrize(
    ("shapes", "untold"),
    [
        (head_reference.shapes("force", 48), "attention heads of the pooler: 12 unless given"),
        (head_reference.shapes("force", 32), "attention heads of the pooler: to be given"),
        (dpt.shapes(48, 8), "image size of the decoder: 224 x 224 unless given"),
    ],
)
def test_what_a_decoder_does_not_tell(
    shapes: dict, untold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({name: torch.zeros(shape) for name, shape in shapes.items()}, tmp_path / "head.pth")
    code, output = inspect(capsys, tmp_path / "head.pth")
    assert code == 0
    assert untold in output


def test_what_would_not_load_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = reference.draw(reference.shapes(64, 2))
    del weights["norm.bias"]
    weights["blocks.0.norm1.bias"] = torch.zeros(7)
    state = official.model_state("mae", weights) | {"stranger.weight": torch.zeros(1)}
    torch.save({"model": state}, tmp_path / "model.ckpt")
    code, output = inspect(capsys, tmp_path / "model.ckpt")
    assert code == 1
    assert "missing (1) norm.bias" in output
    assert "other shape (1) blocks.0.norm1.bias (7,) instead of (64,)" in output
    assert "of no known module (1) stranger.weight" in output


def write_wrong(folder: Path) -> dict[str, Path]:
    """One file of each kind that is refused, by what its refusal says."""
    good = folder / "good.ckpt"
    official.save_training("dino", reference.draw(reference.shapes(64, 2)), good)
    paths = {
        "not found": folder / "absent.ckpt",
        "truncated": folder / "truncated.ckpt",
        "nothing in it was run": folder / "hostile.ckpt",
        "found layer1 (1)": folder / "resnet.pth",
        "wanted the tensors of a slip head": folder / "head.pth",
        "no zip archive": folder / "text.pth",
        "wanted a safetensors file": folder / "text.safetensors",
        "wanted an ONNX graph": folder / "text.onnx",
    }
    paths["truncated"].write_bytes(good.read_bytes()[:-300])
    torch.save({"model": Hostile(folder / "it ran")}, paths["nothing in it was run"])
    torch.save({"layer1.weight": torch.zeros(3)}, paths["found layer1 (1)"])
    part = {"model_task.force_probe.0.weight": torch.zeros(8, 8)}
    torch.save(part, paths["wanted the tensors of a slip head"])
    for suffix in ("pth", "safetensors", "onnx"):
        (folder / f"text.{suffix}").write_text("no weights")
    return paths


def test_wrong_files_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for message, path in write_wrong(tmp_path).items():
        assert main(["weights", "inspect", str(path)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert str(path) in printed.err
        assert message in printed.err
        assert "weights inspect" not in printed.err  # it has just been run
    assert not (tmp_path / "it ran").exists()


def test_progress_counts_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_file(reference.draw(reference.shapes(192, 6)), path)
    counts: list[int] = []
    inspect_file(path, counts.append)
    assert len(counts) > 1
    assert sum(counts) == path.stat().st_size


def test_values_that_are_no_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = reference.draw(reference.shapes(64, 1))
    weights["norm.bias"][0] = float("nan")
    save_file(weights, tmp_path / "diverged.safetensors")
    code, output = inspect(capsys, tmp_path / "diverged.safetensors")
    assert code == 1 and "NaN or infinite (1) norm.bias" in output
    head = {f"force.{n}": v for n, v in random_weights(head_reference.shapes("force", 48)).items()}
    head["force.probe.2.bias"][1] = float("inf")
    save_file(head, tmp_path / "heads.safetensors")
    code, output = inspect(capsys, tmp_path / "heads.safetensors")
    assert code == 1 and "NaN or infinite (1) force.probe.2.bias" in output


def test_heads_of_our_own_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field, material = FieldHead(16, (8, 6)), LinearHead("material", 16, 8)
    heads = {"forcefield": field, "material": material, "hardness": LinearHead("hardness", 16, 8)}
    state = {f"{name}.{key}": v for name, h in heads.items() for key, v in h.state_dict().items()}
    save_file(state, tmp_path / "heads.safetensors")
    code, output = inspect(capsys, tmp_path / "heads.safetensors")
    assert code == 0 and "forcefield, hardness, material" in output
    save_file(field.state_dict(), tmp_path / "field.safetensors")
    code, output = inspect(capsys, tmp_path / "field.safetensors")
    assert code == 0 and "a forcefield head of pressure and stretch (embed_dim 16)" in output
