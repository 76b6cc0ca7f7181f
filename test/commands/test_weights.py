# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros weights` and `sparsh-ros export`, run as a user does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sparsh_ros.cli import main
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import list_models, load_model_spec


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    assert "sparsh-sim-micro" in capsys.readouterr().out


def test_the_list_fits_an_ordinary_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["weights", "list"]) == 0
    *models, folder = capsys.readouterr().out.splitlines()
    assert max(map(len, models)) < 80 and len(models) == 1 + len(list_models())
    assert {line.split()[0] for line in models[1:]} == set(list_models())
    assert folder.endswith("models")


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
    assert "model mine" in " ".join(output.split())
    assert "input background (batch, 320, 240, 3) uint8" in " ".join(output.split())
