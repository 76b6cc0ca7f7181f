# SPDX-License-Identifier: Apache-2.0
"""Official heads: files of the published layout against the plain implementation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import heads as reference
from torch import Tensor

from sparsh_ros.models.decoders import load_head
from sparsh_ros.models.heads import AttentivePooler, Head

WIDTH, TOKENS, POOLER_HEADS = 48, 20, 12
TASKS = tuple(reference.PROBES)
TOLERANCE = 1e-4


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Values away from the ones and zeros that hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
        drawn[name] = torch.randn(shape, generator=generator) / math.sqrt(fan_in)
        if "norm" in name and name.endswith("weight"):
            drawn[name] = 1 + 0.3 * drawn[name]
    return drawn


def official_file(path: Path, task: str, fingers: int = 1) -> dict[str, Tensor]:
    """Write a head as TacBench's training does; return its tensors."""
    weights = random_weights(reference.shapes(task, WIDTH, fingers))
    torch.save({f"model_task.{name}": value for name, value in weights.items()}, path)
    return weights


def tokens(fingers: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(2, TOKENS, WIDTH, generator=generator) for _ in range(fingers)]


def expected(task: str, inputs: list[Tensor], weights: dict[str, Tensor]) -> dict[str, np.ndarray]:
    doubles = {name: value.double().numpy() for name, value in weights.items()}
    images = [
        reference.decode(task, [t[image].double().numpy() for t in inputs], doubles, POOLER_HEADS)
        for image in range(2)
    ]
    return {name: np.stack([image[name] for image in images]) for name in images[0]}


def run(head: Head, inputs: list[Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        return head(inputs if len(inputs) > 1 else inputs[0])


@pytest.mark.parametrize(
    ("task", "fingers"), [*((task, 1) for task in TASKS), ("pose", 2), ("pose", 3)]
)
def test_outputs_are_those_of_the_plain_form(task: str, fingers: int, tmp_path: Path) -> None:
    weights = official_file(tmp_path / "epoch-0051.pth", task, fingers)
    head = load_head(tmp_path / "epoch-0051.pth")
    assert head.task == task
    found, wanted = run(head, tokens(fingers)), expected(task, tokens(fingers), weights)
    assert tuple(found) == tuple(wanted) == head.outputs
    for name, value in wanted.items():
        assert value.std() > 0.1
        assert found[name].shape == value.shape
        assert np.abs(found[name].numpy() - value).max() < TOLERANCE


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("task", TASKS)
def test_half_precision(task: str, precision: torch.dtype, tmp_path: Path) -> None:
    weights = official_file(tmp_path / "epoch-0051.pth", task)
    head = load_head(tmp_path / "epoch-0051.pth").to(precision)
    found = run(head, [t.to(precision) for t in tokens()])
    for name, value in expected(task, tokens(), weights).items():
        wanted = torch.from_numpy(value)
        assert found[name].dtype == precision
        assert torch.cosine_similarity(found[name].double(), wanted).min() > 0.999


@pytest.mark.parametrize(
    ("task", "count"),
    [
        ("force", 7_236_867),
        ("slip", 7_386_437),
        ("pose", 7_537_953),
        ("grasp", 7_236_674),
        ("textile", 7_240_148),
    ],
)
def test_shapes_are_the_published_ones(task: str, count: int) -> None:
    assert sum(math.prod(shape) for shape in reference.shapes(task, 768).values()) == count


def test_pooler_equals_its_plain_form() -> None:
    shapes = reference.shapes("force", WIDTH)
    prefix = "pooler."
    own = {name.removeprefix(prefix): s for name, s in shapes.items() if name.startswith(prefix)}
    weights = random_weights(own)
    pooler = AttentivePooler(WIDTH, 4)
    pooler.load_state_dict(weights)
    doubles = {name: value.double().numpy() for name, value in weights.items()}
    images = tokens()[0].double().numpy()
    wanted = np.stack([reference.pool(image, doubles, 4, "") for image in images])
    assert np.abs(pooler(tokens()[0]).detach().numpy() - wanted).max() < TOLERANCE
