# SPDX-License-Identifier: Apache-2.0
"""`load_head`: what a file is follows from its tensors, and every other file is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from reference import dpt, heads
from reference.official import random_weights, save_epoch
from safetensors.torch import save_file
from torch import Tensor

from sparsh_ros.errors import WeightsError
from sparsh_ros.models import load_encoder, load_head
from sparsh_ros.models.checkpoints.head_config import infer_head_config, recognise_head
from sparsh_ros.models.heads import FieldHead
from sparsh_ros.models.vit import VisionTransformer

WIDTH = 48
TASKS = (*heads.PROBES, "forcefield")


def shapes_of(task: str) -> dict[str, tuple[int, ...]]:
    return dpt.shapes(WIDTH, 8) if task == "forcefield" else heads.shapes(task, WIDTH)


def official(task: str) -> dict[str, Tensor]:
    return random_weights(shapes_of(task))


def holds(head: torch.nn.Module, weights: dict[str, Tensor]) -> bool:
    state = head.state_dict()
    return state.keys() == weights.keys() and all(torch.equal(state[n], weights[n]) for n in state)


@pytest.mark.parametrize("task", TASKS)
def test_the_task_follows_from_the_tensors(task: str, tmp_path: Path) -> None:
    weights = official(task)
    head = load_head(save_epoch(weights, tmp_path))
    assert head.task == task
    assert holds(head, weights)
    assert not head.training
    assert recognise_head(shapes_of(task)) == task


def test_a_head_for_fields_on_tokens(tmp_path: Path) -> None:
    weights = FieldHead(WIDTH, (8, 6), times=2).state_dict()
    save_file(weights, tmp_path / "head.safetensors")
    head = load_head(tmp_path / "head.safetensors", image_size=(128, 96))
    assert isinstance(head, FieldHead) and holds(head, weights)
    assert (head.task, head.times, head.grid) == ("forcefield", 2, (8, 6))
    for name, value in (("cells.2.weight", None), ("cells.0.weight", torch.zeros(3, 7))):
        broken = {k: v for k, v in weights.items() if k != name or value is not None}
        save_file(broken | ({} if value is None else {name: value}), tmp_path / "b.safetensors")
        with pytest.raises(WeightsError, match=r"b.safetensors"):
            load_head(tmp_path / "b.safetensors")


ENCODER = {"model_encoder.norm.weight": torch.ones(8), "model_encoder.norm.bias": torch.ones(8)}


def named(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in weights.items()}


@pytest.mark.parametrize("prefix", ["", "model_task."])
@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes(prefix: str, wrapper: str, tmp_path: Path) -> None:
    weights = official("slip")
    torch.save(named(weights, wrapper + prefix), tmp_path / "head.pth")
    save_file(named(weights, wrapper + prefix), tmp_path / "head.safetensors")
    for name in ("head.pth", "head.safetensors"):
        assert holds(load_head(tmp_path / name), weights)


def test_a_compiled_part_inside(tmp_path: Path) -> None:
    weights = official("grasp")
    torch.save(named(weights, "model_task._orig_mod."), tmp_path / "head.pth")
    assert holds(load_head(tmp_path / "head.pth"), weights)


@pytest.mark.parametrize("task", TASKS)
def test_whole_modules_and_training_checkpoints(task: str, tmp_path: Path) -> None:
    weights = official(task)
    module = ENCODER | named(weights, "model_task.")
    torch.save(module, tmp_path / "epoch-0051.pth")
    torch.save({"model": module, "global_step": 7, "optim": {}}, tmp_path / "last.ckpt")
    for name in ("epoch-0051.pth", "last.ckpt"):
        assert holds(load_head(tmp_path / name), weights)


def test_encoder_and_head_from_one_file(tmp_path: Path) -> None:
    encoder = VisionTransformer(64, 2, 1, image_size=(32, 48), registers=0)
    weights = random_weights(heads.shapes("textile", 64))
    module = named(encoder.state_dict(), "model_encoder.") | named(weights, "model_task.")
    torch.save(module, tmp_path / "epoch-0051.pth")
    loaded = load_encoder(tmp_path / "epoch-0051.pth", image_size=(32, 48))
    assert holds(loaded, encoder.state_dict())
    head = load_head(tmp_path / "epoch-0051.pth", num_heads=4)
    assert head(loaded(torch.rand(2, 6, 32, 48)))["textile"].shape == (2, 20)


def test_sizes_follow_from_the_tensors(tmp_path: Path) -> None:
    shapes = heads.shapes("pose", 24, fingers=3, ratio=2)
    shapes |= {name: (5, 72) for name in shapes if name.endswith(".0.weight")}
    shapes |= {name: (5,) for name in shapes if name.endswith(".0.bias")}
    shapes |= {name: (11, 5) for name in shapes if name.endswith(".2.weight")}
    head = load_head(save_epoch(random_weights(shapes), tmp_path))
    assert head.fingers == 3
    assert infer_head_config(shapes, "file").describe() == "a pose head (embed_dim 24, 3 fingers)"
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == shapes


def test_attention_heads_are_those_given(tmp_path: Path) -> None:
    path = save_epoch(official("force"), tmp_path)
    tokens = torch.randn(1, 9, WIDTH, generator=torch.Generator().manual_seed(0))
    default = load_head(path)(tokens)["force"]
    assert torch.equal(load_head(path, num_heads=12)(tokens)["force"], default)
    assert not torch.allclose(load_head(path, num_heads=3)(tokens)["force"], default)
    with pytest.raises(WeightsError, match="wanted 5 attention heads .* found embed_dim 48"):
        load_head(path, num_heads=5)


def test_a_width_that_twelve_does_not_divide(tmp_path: Path) -> None:
    path = save_epoch(random_weights(heads.shapes("force", 32)), tmp_path)
    with pytest.raises(WeightsError, match="wanted 12 attention heads .* found embed_dim 32"):
        load_head(path)
    assert load_head(path, num_heads=4).task == "force"


def test_another_task_than_wanted_names_both(tmp_path: Path) -> None:
    field = infer_head_config(shapes_of("forcefield"), "file")
    assert field.describe() == "a forcefield decoder of normal and shear (embed_dim 48)"
    path = save_epoch(official("grasp"), tmp_path)
    assert load_head(path, task="grasp").task == "grasp"
    with pytest.raises(
        WeightsError, match=r"wanted task=slip, found a grasp head \(embed_dim 48\)"
    ):
        load_head(path, task="slip")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("probe.0.bias"), "missing: probe.0.bias"),
        (lambda w: w.update({"probe.4.bias": torch.zeros(3)}), "unexpected: probe.4.bias"),
        (lambda w: w.update({"probe.2.bias": torch.zeros(4)}), r"probe.2.bias \(4,\) instead of"),
        (lambda w: w.pop("pooler.query_tokens"), r"one missing .* \('pooler.query_tokens'\)"),
        (lambda w: w.update({"pooler.query_tokens": torch.ones(1)}), "or of another shape"),
        (
            lambda w: w.update({"probe.2.weight": torch.ones(7, 12)}),
            r"wanted a decoder \(model_task",
        ),
    ],
)
def test_other_tensors_are_listed(change, message: str, tmp_path: Path) -> None:
    weights = official("force")
    change(weights)
    path = save_epoch(weights, tmp_path)
    with pytest.raises(WeightsError, match=message):
        load_head(path)


@pytest.mark.parametrize("part", ["fusions.3.", "probe.shear_mlp.2", "probe.d", "reassembles.3."])
def test_a_force_field_lacks_a_part(part: str, tmp_path: Path) -> None:
    weights = official("forcefield")
    del weights[next(name for name in weights if name.startswith(part))]
    path = save_epoch(weights, tmp_path)
    with pytest.raises(WeightsError, match=f"missing: {part}"):
        load_head(path)


def test_files_of_something_else(tmp_path: Path) -> None:
    torch.save(ENCODER, tmp_path / "encoder.pth")
    with pytest.raises(
        WeightsError, match=r"wanted a decoder \(model_task\.\*\), found model_encoder \(2\)"
    ):
        load_head(tmp_path / "encoder.pth")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="broken.pth"):
        load_head(tmp_path / "broken.pth")
    with pytest.raises(WeightsError, match="not found"):
        load_head(tmp_path / "absent.pth")


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    sign = tmp_path / "it ran"
    torch.save({**named(official("force"), "model_task."), "x": Hostile(sign)}, tmp_path / "h.pth")
    with pytest.raises(WeightsError, match="nothing in it was run"):
        load_head(tmp_path / "h.pth")
    assert not sign.exists()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("pooler.query_tokens", (1, 1, 2**62), "embed_dim of 1 to 65,536"),
        ("pooler.query_tokens", (1, 1, 0), "one missing or of another shape"),
        ("probe.0.weight", (0, 48), "hidden of 1 to 1,048,576, found 0"),
        ("probe.0.weight", (12,), "one missing or of another shape"),
        ("probe.0.weight", (12, 48 * 100), "fingers of 1 to 64, found 100"),
        ("pooler.cross_attention_block.mlp.fc1.weight", (2**63, 48), "mlp_dim"),
    ],
)
def test_sizes_that_no_head_has(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(WeightsError, match=f"file: wanted .*{message}"):
        infer_head_config(shapes_of("force") | {name: shape}, "file")
