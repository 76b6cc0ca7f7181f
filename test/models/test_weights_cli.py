# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights` and `sparsh-ros export`, run as a user does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sparsh_ros.cli import main
from sparsh_ros.models.checkpoints import load_model_encoder
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import load_model_spec


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    assert "sparsh-sim-micro" in capsys.readouterr().out


def test_inspect_tells_what_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "encoder.safetensors"
    save_file(VisionTransformer(192, 6, 3).state_dict(), path)
    assert main(["weights", "inspect", str(path)]) == 0
    output = capsys.readouterr().out
    assert "90 tensors" in output
    assert "size micro" in output
    assert "blocks.5.mlp.fc2.weight (192, 768)" in output


def test_inspect_refuses_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("encoder.onnx", "encoder.safetensors", "encoder.ckpt"):
        path = tmp_path / name
        assert main(["weights", "inspect", str(path)]) == 1
        assert "not found" in capsys.readouterr().err
        path.write_bytes(b"\x08\x07 no weights")
        assert main(["weights", "inspect", str(path)]) == 1
        message = capsys.readouterr().err
        assert name in message
        assert message.count("\n") == 1


def test_export_of_ones_own_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nsize: micro\nlicence: MIT\nweights: files\n")
    torch.manual_seed(0)
    trained = VisionTransformer.from_spec(load_model_spec(path))
    torch.save(trained.state_dict(), tmp_path / "trained.pt")
    assert main(["export", str(path), "--encoder", str(tmp_path / "trained.pt")]) == 0
    assert "encoder and no heads" in capsys.readouterr().out
    loaded = load_model_encoder(load_model_spec(path)).state_dict()
    for name, value in trained.state_dict().items():
        assert torch.allclose(loaded[name], value, rtol=1e-3, atol=1e-7), name
    assert main(["weights", "inspect", str(tmp_path / "files" / "encoder.onnx")]) == 0
    output = capsys.readouterr().out
    assert "model: mine" in output
    assert "input background (batch, 320, 240, 3) uint8" in output
