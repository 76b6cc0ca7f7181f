# SPDX-License-Identifier: Apache-2.0
"""Weights files that are none, or that cost more than any real one."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from reference import encoder as reference
from reference import heads
from reference.official import random_weights, save_epoch
from safetensors.torch import save_file

from sparsh_ros.errors import WeightsError
from sparsh_ros.models import load_encoder, load_head
from sparsh_ros.models.checkpoints import torch_file
from sparsh_ros.models.checkpoints.checkpoint import open_checkpoint
from sparsh_ros.models.checkpoints.tensor_files import open_tensor_file
from sparsh_ros.models.checkpoints.weight_files import find_weight_files

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 344812345\n"


@pytest.mark.parametrize("name", ["dino.pth", "dino.safetensors"])
def test_what_a_clone_without_git_lfs_leaves(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(POINTER)
    with pytest.raises(WeightsError, match="found a Git LFS pointer, .*`git lfs pull` fetches it"):
        open_tensor_file(path)
    path.write_text("")
    with pytest.raises(WeightsError, match="found an empty file"):
        open_tensor_file(path)


def test_a_list_of_millions_of_members_is_not_read(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "many.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100):
            archive.writestr(f"archive/data/{number}", b"")
    monkeypatch.setattr(torch_file, "_LONGEST_DIRECTORY", 1000)
    with pytest.raises(WeightsError, match=r"\(a list of members of .* bytes\)"):
        open_tensor_file(path)


def test_values_that_many_tensors_share_are_not_copied_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.zeros(1000)
    torch.save({f"a{number}": values for number in range(50)}, tmp_path / "shared.pth")
    file = open_tensor_file(tmp_path / "shared.pth")
    assert len(file.read(file.tensors)) == 50  # tied weights are common
    monkeypatch.setattr(torch_file, "_SPARE_BYTES", 0)
    with pytest.raises(WeightsError, match="200,000 bytes of values in a smaller file"):
        file.read(file.tensors)


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[31mfine", "a\nb", "x" * 600])
def test_names_that_no_module_has(tmp_path: Path, name: str) -> None:
    torch.save({name: torch.zeros(2)}, tmp_path / "named.pth")
    with pytest.raises(WeightsError, match="wanted names of tensors") as caught:
        open_tensor_file(tmp_path / "named.pth")
    assert str(caught.value).isprintable()


def test_shapes_that_no_file_holds(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [2**50, 0], "data_offsets": [0, 0]}}
    text = json.dumps(header).encode()
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(WeightsError, match="tensors that fit a file, found a of shape"):
        open_tensor_file(path)
    path.write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(WeightsError, match="its header is too large"):
        open_tensor_file(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    weights = reference.draw(reference.shapes(64, 1))
    weights["blocks.0.attn.qkv.bias"][3] = value
    save_file(weights, tmp_path / "diverged.safetensors")
    with pytest.raises(WeightsError, match=r"NaN or infinity in blocks\.0\.attn\.qkv\.bias"):
        load_encoder(tmp_path / "diverged.safetensors")
    head = random_weights(heads.shapes("force", 48))
    head["probe.0.weight"][0, 0] = value
    with pytest.raises(WeightsError, match=r"NaN or infinity in model_task\.probe\.0\.weight"):
        load_head(save_epoch(head, tmp_path))


def test_looking_choosing_and_loading_open_a_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def read(data: bytes) -> object:
        opened.append(data)
        return read_torch_pickle(data)

    read_torch_pickle = torch_file.read_torch_pickle
    monkeypatch.setattr(torch_file, "read_torch_pickle", read)
    torch.save({"model": reference.draw(reference.shapes(64, 1))}, tmp_path / "mine.ckpt")
    save_epoch(random_weights(heads.shapes("pose", 48)), tmp_path)
    files = find_weight_files(tmp_path)
    load_encoder(files.encoder)
    load_head(files.heads["pose"], num_heads=4)
    assert files.heads["pose"].head_config.fingers == 1
    assert open_checkpoint(files.encoder) is files.encoder
    assert len(opened) == 2
