# SPDX-License-Identifier: Apache-2.0
"""Finding a model's published files in a user's folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from reference import dpt, encoder, heads
from reference.official import random_weights, save_epoch
from safetensors.torch import save_file

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.weight_files import (
    WeightFiles,
    choose_files,
    find_weight_files,
)

WIDTH = 48
ENCODER = encoder.draw(encoder.shapes(WIDTH, 2))


def save_encoder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(ENCODER, path)
    return path


def save_head(task: str, path: Path, encoder_beside: bool = False) -> Path:
    """A decoder as TacBench saves it, perhaps with the encoder that was fine-tuned for it."""
    shapes = dpt.shapes(WIDTH, 8) if task == "forcefield" else heads.shapes(task, WIDTH)
    state = {f"model_task.{name}": value for name, value in random_weights(shapes).items()}
    if encoder_beside:
        state |= {f"model_encoder.{name}": value for name, value in ENCODER.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def found_in(folder: Path, *names: Sequence[str]) -> tuple[Path, dict[str, Path]]:
    return paths(find_weight_files(folder, *names))


def paths(files: WeightFiles) -> tuple[Path, dict[str, Path]]:
    return files.encoder.path, {task: file.path for task, file in files.heads.items()}


def refuses(folder: Path, *parts: object) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weight_files(folder, ("dino_vitbase.safetensors", "dino_vitbase.ckpt"))
    for part in parts:
        assert re.search(str(part), str(caught.value)), f"{part!r} not in {caught.value}"


def test_tasks_are_told_from_tensors_whatever_the_names(tmp_path: Path) -> None:
    wanted = {
        "force": save_head("force", tmp_path / "force" / "epoch-0051.pth"),
        "forcefield": save_head("forcefield", tmp_path / "t1" / "checkpoints" / "last.ckpt"),
        "slip": save_head("slip", tmp_path / "anything.pt"),
    }
    path = save_encoder(tmp_path / "mine.safetensors")
    (tmp_path / "README.md").write_text("not weights")
    save_head("force", tmp_path / ".cache" / "half.pth")  # of a download
    assert found_in(tmp_path) == (path, wanted)


def test_the_published_name_is_taken_first(tmp_path: Path) -> None:
    save_encoder(tmp_path / "mae_vitbase.safetensors")
    path = save_encoder(tmp_path / "below" / "dino_vitbase.safetensors")
    torch.save({"model": ENCODER}, tmp_path / "dino_vitbase.ckpt")
    names = ("dino_vitbase.safetensors", "dino_vitbase.ckpt")
    assert found_in(tmp_path, names)[0] == path
    assert found_in(tmp_path, names[::-1])[0] == tmp_path / "dino_vitbase.ckpt"
    save_encoder(tmp_path / "dino_vitbase.safetensors")
    refuses(tmp_path, "one file for encoder", "below/dino_vitbase.safetensors")


def test_two_files_for_one_thing(tmp_path: Path) -> None:
    one = save_encoder(tmp_path / "one.safetensors")
    save_encoder(tmp_path / "two.safetensors")
    refuses(tmp_path, "one.safetensors, two.safetensors", "`encoder: two.safetensors`")
    (tmp_path / "files.yaml").write_text("encoder: one.safetensors\n")
    assert found_in(tmp_path)[0] == one
    save_head("slip", tmp_path / "a" / "epoch-0010.pth")
    save_head("slip", tmp_path / "b" / "epoch-0021.pth")
    refuses(tmp_path, "one file for slip, found a/epoch-0010.pth, b/epoch-0021.pth", "files.yaml")
    (tmp_path / "files.yaml").write_text("encoder: one.safetensors\nslip: a/epoch-0010.pth\n")
    assert found_in(tmp_path)[1] == {"slip": tmp_path / "a" / "epoch-0010.pth"}


@pytest.mark.parametrize("fine_tuned", [False, True])
def test_the_last_epoch_of_one_run(tmp_path: Path, fine_tuned: bool) -> None:
    run = tmp_path / "gelsight_t1" / "checkpoints"
    for name in ("epoch-0010.pth", "epoch-0021.pth", "epoch-0014.pth"):
        save_head("forcefield", run / name, encoder_beside=fine_tuned)
    save_head("forcefield", run / "last.ckpt", encoder_beside=True)
    encoder, tasks = found_in(tmp_path)
    assert tasks == {"forcefield": run / "epoch-0021.pth"}
    assert encoder == run / ("epoch-0021.pth" if fine_tuned else "last.ckpt")
    (tmp_path / "files.yaml").write_text("forcefield: gelsight_t1/checkpoints/epoch-0010.pth\n")
    encoder, tasks = found_in(tmp_path)
    assert tasks == {"forcefield": run / "epoch-0010.pth"}
    assert encoder == run / ("epoch-0010.pth" if fine_tuned else "last.ckpt")


def test_a_file_beside_a_run_that_is_not_of_it(tmp_path: Path) -> None:
    save_encoder(tmp_path / "dino_vitbase.safetensors")
    for name in ("epoch-0010.pth", "epoch-0021.pth", "mine.pth"):
        save_head("slip", tmp_path / name)
    refuses(tmp_path, "found epoch-0010.pth, epoch-0021.pth, mine.pth")


def test_a_fine_tuned_head_is_not_put_on_another_encoder(tmp_path: Path) -> None:
    head = save_head("force", tmp_path / "last.ckpt", encoder_beside=True)
    encoder, tasks = found_in(tmp_path)  # both from one file
    assert encoder == head and tasks == {"force": head}
    path = save_encoder(tmp_path / "dino_vitbase.safetensors")
    refuses(tmp_path, "found an encoder with it, while dino_vitbase.safetensors", "last.ckpt`")
    (tmp_path / "files.yaml").write_text("force: last.ckpt\n")  # the user says that they agree
    encoder, tasks = found_in(tmp_path, ("dino_vitbase.safetensors",))
    assert encoder == path and tasks == {"force": head}


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    refuses(tmp_path / "none", "wanted a folder with weights", "weights get")
    refuses(tmp_path, r"an encoder \(dino_vitbase.safetensors or", "found no weights file")
    save_head("force", tmp_path / "force.pth")
    refuses(tmp_path, "found force.pth")
    save_encoder(tmp_path / "encoder.safetensors")
    (tmp_path / "torn.ckpt").write_bytes(b"PK torn")
    refuses(tmp_path, "torn.ckpt: wanted a torch weights file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read"),
        ("encoder: [a]", "wanted `encoder` and tasks"),
        ("encoder: other.pth", "encoder: .*other.pth not found"),
        ("encoder: force.pth", "encoder: wanted a file with one, found none in .*force.pth"),
        ("slip: force.pth", "slip: wanted a file with one, found none in .*force.pth"),
    ],
)
def test_choices_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    save_encoder(tmp_path / "encoder.safetensors")
    save_head("force", tmp_path / "force.pth")
    (tmp_path / "files.yaml").write_text(text)
    refuses(tmp_path, message)


def test_files_that_are_given(tmp_path: Path) -> None:
    path = save_encoder(tmp_path / "encoder.safetensors")
    force = save_head("force", tmp_path / "force.pth")
    assert paths(choose_files([force, path])) == (path, {"force": force})
    again = save_epoch(random_weights(heads.shapes("force", WIDTH)), tmp_path)
    nothing = tmp_path / "nothing.pt"
    torch.save({"a": torch.zeros(3)}, nothing)
    for files, message in (
        ([force], "one file with an encoder, found none"),
        ([path, path], "one file with an encoder, found"),
        ([path, force, again], "one file for force, found .*force.pth and .*epoch-0051.pth"),
        ([path, nothing], "nothing.pt: wanted an encoder or a decoder, found neither"),
    ):
        with pytest.raises(WeightsError, match=message):
            choose_files(files)
