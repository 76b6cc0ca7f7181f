# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros train`, all steps on a tiny data set, through to the weights folder."""

from __future__ import annotations

import json
import shutil

import pytest

from sparsh_ros import cli
from sparsh_ros.evaluation.metrics_file import SCHEMA
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.resources import weights_path
from sparsh_ros.training.model_card import ROWS
from sparsh_ros.training.publish import AXIS_ERRORS, beats


def _train(*words):
    return cli.main(["train", *map(str, words)])


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny-touch.yaml"
    path.write_text("name: tiny-touch\nsize: micro\nlicence: Apache-2.0\nweights: weights\n")
    return path


def test_all_steps_end_in_a_weights_folder(dataset, spec, model, tmp_path):
    run, out = tmp_path / "run", tmp_path / "weights"
    common = ("--model", model, "--run", run, "--data", dataset, "--threads", 1)
    own = ("--batch", 8, "--float32")
    assert _train("mae", *common, *own, "--minutes", 0.01) == 0
    assert _train("mae", *common, *own, "--minutes", 0.01, "--resume") == 0  # nothing is left to do
    assert _train("heads", *common, "--epochs", 3, "--learning-rates", "3e-3", "--seeds", 0, 1) == 0
    assert _train("end-to-end", *common, "--minutes", 0.02, "--batch", 4) == 0
    assert _train("publish", "--model", model, "--run", run) == 0

    scores = json.loads((out / "scores.json").read_text())
    shipped = [name for name, entry in scores["scores"].items() if entry["ships"]]
    published = load_model_spec(model)
    assert list(published.heads) == shipped
    assert list(published.pose_axes) == scores["trained_values"]["pose_axes"]
    for axis, key in AXIS_ERRORS.items():
        pose = scores["scores"]["pose"]
        better = pose["shipped"][key] < pose["trivial"][key]
        assert (axis in published.pose_axes) == better
    assert published.slip_threshold == scores["scores"]["slip"]["shipped"]["threshold"]
    assert load_model_encoder(published).norm.normalized_shape == (32,)
    for name in shipped:
        assert (out / f"{name}.onnx").is_file()

    card = (out / "MODEL_CARD.md").read_text()
    assert "torus" in card and "tiny-touch" in card
    simulate = f"sparsh-ros simulate --out {dataset} --split test"
    assert f"{simulate} --episodes 3 --duration 0.4 --seed 0" in card
    for name, rows in ROWS.items():
        for key, title in rows:
            line = next(line for line in card.splitlines() if line.startswith(f"| {title} |"))
            mean = scores["scores"][name]["mean"][key]
            assert f"{mean:.0f}" in line if key.endswith("_mn") else f"{mean:.3f}" in line


def _write_metrics(path, name="tiny-touch", recordings=72, **scores):
    known = {key: {"value": value, "low": 100.0, "high": 0.5} for key, value in scores.items()}
    metrics = {
        "schema": SCHEMA,
        "model": {"name": name},
        "recordings": [{}] * recordings,
        "runtime": {"engine": "ONNX Runtime 1"},
        "scores": {"force": known},
    }
    path.write_text(json.dumps(metrics))
    return path


def _write_scores(folder):
    folder.mkdir()
    shipped = json.loads((weights_path("sparsh-sim-micro") / "scores.json").read_text())
    shipped.pop("evaluation", None)
    (folder / "scores.json").write_text(json.dumps(shipped))


def test_scores_of_the_live_path_go_into_the_card(model, tmp_path):
    weights = tmp_path / "weights"
    _write_scores(weights)
    metrics = _write_metrics(tmp_path / "metrics.json", mae_x_mn=123.456, mae_y_mn=None)
    assert _train("card", "--model", model, "--metrics", metrics) == 0
    card = (weights / "MODEL_CARD.md").read_text()
    assert "| 72 recordings |" in card and "on ONNX Runtime 1:" in card
    assert "| force: MAE x | 123.5 | 100 to 0.5 | mN |" in card
    assert "force: MAE y" not in card
    assert (
        "--duration 2.5 --seed 0 --bags\nsparsh-ros evaluate data/test --model tiny-touch\n" in card
    )
    before = json.loads((weights / "scores.json").read_text())
    assert _train("card", "--model", model, "--metrics", metrics) == 0
    assert json.loads((weights / "scores.json").read_text()) == before


def test_scores_of_another_model_do_not_go_into_the_card(model, tmp_path, capsys):
    _write_scores(tmp_path / "weights")
    metrics = _write_metrics(tmp_path / "metrics.json", "other")
    assert _train("card", "--model", model, "--metrics", metrics) == 1
    assert "wanted scores of tiny-touch, found those of other" in capsys.readouterr().err


def test_scores_of_other_recordings_do_not_go_into_the_card(model, tmp_path, capsys):
    _write_scores(tmp_path / "weights")
    metrics = _write_metrics(tmp_path / "metrics.json", recordings=8)
    assert _train("card", "--model", model, "--metrics", metrics) == 1
    assert "wanted scores of the 72 recordings of `sparsh-ros simulate" in capsys.readouterr().err


def test_a_card_needs_published_scores(model, tmp_path, capsys):
    metrics = _write_metrics(tmp_path / "metrics.json")
    assert _train("card", "--model", model, "--metrics", metrics) == 1
    assert "run `sparsh-ros train publish` first" in capsys.readouterr().err


def test_a_head_must_beat_the_trivial_guess():
    assert beats("force", {"published_rmse_mn": 10.0}, {"published_rmse_mn": 20.0})
    assert not beats("slip", {"f1": 0.3}, {"f1": 0.3})
    assert not beats("pose", {"accuracy": 0.2}, {"accuracy": 0.3})


def test_publishing_an_unfinished_run_names_the_missing_step(model, tmp_path, capsys):
    assert _train("publish", "--model", model, "--run", tmp_path) == 1
    assert "run `sparsh-ros train mae` first" in capsys.readouterr().err


def test_splits_with_shared_sensors_are_not_trained_on(dataset, spec, model, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    episode = data / "train" / "episode_00000.npz"
    shutil.copy(episode, data / "validation" / "episode_00009.npz")
    words = ("--model", model, "--run", tmp_path, "--data", data, "--minutes", 0.01)
    assert _train("mae", *words) == 1
    assert "wanted no sensor instance in both" in capsys.readouterr().err


def test_options_out_of_range_are_refused(dataset, model, tmp_path, capsys):
    words = ("--model", model, "--run", tmp_path, "--data", dataset, "--minutes", 0)
    with pytest.raises(SystemExit):
        _train("mae", *words)
    assert "--minutes: wanted a number above 0" in capsys.readouterr().err
