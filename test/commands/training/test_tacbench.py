# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench tacbench`: a tiny benchmark, through to its page."""

from __future__ import annotations

import json

import pytest
import torch
from reference import anytouch
from safetensors.torch import save_file

from sparsh_ros import cli
from sparsh_ros.commands.tacbench import command
from sparsh_ros.commands.tacbench.gap import gap_section
from sparsh_ros.models.resnet.files import save_encoder
from sparsh_ros.models.resnet.network import ResNet18, ResNetConfig
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import describe_as_yaml
from sparsh_ros.training.pretraining.models import model_spec
from sparsh_ros.training.tacbench.encoders import Contender


def test_a_benchmark_ends_in_a_table_and_a_page(dataset, tmp_path, capsys):
    run, out = tmp_path / "mae", tmp_path / "out"
    run.mkdir()
    spec = model_spec("mae", "nano", run)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), run / "encoder.safetensors")
    (run / "model.yaml").write_text(describe_as_yaml(spec))
    words = ["--encoders", run, "--data", dataset, "--out", out, "--threads", 1]
    more = ["--tasks", "force", "slip", "--budgets", 33, 100, "--seeds", 0, "--steps", 2]
    assert cli.main(["bench", "tacbench", *map(str, (*words, *more))]) == 0
    assert "33% of labels" in capsys.readouterr().out
    summary = json.loads((out / "tacbench.json").read_text())
    cells = [cell for cell in summary["cells"] if cell["encoder"] != "trivial"]
    assert len(cells) == 2 * 2 * 2  # encoders, tasks, budgets
    assert {cell["encoder"] for cell in cells} == {"mae", "end to end"}
    assert set(summary["gains"]["0.33"]["by_encoder"]["mae"]) <= {"force", "slip"}
    page = (out / "tacbench.html").read_text()
    for text in ("T2 slip, F1", "T5 textile, accuracy", "published tables, same formula", "<svg"):
        assert text in page


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of fields without a touch
def test_a_checkpoint_of_anytouch_and_a_run_of_sarl_have_rows_of_their_own(
    dataset, tmp_path, capsys
):
    weights = anytouch.draw(anytouch.encoder_shapes(1, width=64, depth=1, patch=14, cells=2))
    torch.save({"model": anytouch.stage_1(weights)}, tmp_path / "touch.pth")
    (tmp_path / "sarl").mkdir()
    save_encoder(ResNet18(ResNetConfig(8, False, 32)), tmp_path / "sarl")
    words = ["--encoders", tmp_path / "touch.pth", tmp_path / "sarl", "--data", dataset]
    more = ["--out", tmp_path / "out", "--tasks", "force", "forcefield", "--budgets", 100]
    rest = ["--seeds", 0, "--steps", 2, "--threads", 1]
    assert cli.main(["bench", "tacbench", *map(str, (*words, *more, *rest))]) == 0
    cells = json.loads((tmp_path / "out" / "tacbench.json").read_text())["cells"]
    rows = {(cell["encoder"], cell["task"]) for cell in cells if cell["encoder"] != "trivial"}
    assert rows == {(name, "force") for name in ("touch", "sarl", "end to end")} | {
        ("end to end", "forcefield")  # the others have no grid of tokens
    }
    assert "touch" in capsys.readouterr().out


def test_recorded_touches_are_set_beside_simulated_ones(dataset, tmp_path, tactile_data):
    spec = model_spec("mae", "nano", tmp_path)
    torch.manual_seed(0)
    save_file(VisionTransformer.from_spec(spec).state_dict(), tmp_path / "encoder.safetensors")
    recordings = [tactile_data / "digit_ball_presses"]
    where = (recordings, "digit", dataset, tmp_path / "cache")
    section = gap_section([Contender("mae", spec, True)], *where)
    (row,) = section.rows
    assert "1 recordings of a digit" in section.title and row[0] == "mae"
    assert float(row[3]) > 1.0  # these simulated spots are no DIGIT
    assert 0.5 < float(row[4]) <= 1.0


def test_tasks_are_those_there_is_data_for(tmp_path):
    (tmp_path / "grasp").mkdir()
    assert command._tasks_with_data(tmp_path) == ["force", "slip", "pose", "forcefield", "grasp"]


def test_a_folder_that_is_no_run_is_named(dataset, tmp_path, capsys):
    words = ["--encoders", tmp_path, "--data", dataset, "--out", tmp_path / "out"]
    assert cli.main(["bench", "tacbench", *map(str, words)]) == 1
    assert "a pre-training run with model.yaml or resnet.json" in capsys.readouterr().err
