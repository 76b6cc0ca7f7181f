# SPDX-License-Identifier: Apache-2.0
"""Official heads: files of the published config against the plain implementation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import heads as reference
from reference.official import doubles, largest_error, random_weights, save_epoch
from torch import Tensor

from sparsh_ros.errors import ModelError
from sparsh_ros.models.heads import HEADS, AttentivePooler, PoseHead
from sparsh_ros.models.loading.heads import load_head

WIDTH, TOKENS, POOLER_NUM_HEADS = 48, 20, 12
TASKS = tuple(reference.PROBES)
TOLERANCE = 1e-4


def tokens(fingers: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(2, TOKENS, WIDTH, generator=generator) for _ in range(fingers)]


def expected(task: str, inputs: list[Tensor], weights: dict[str, Tensor]) -> dict[str, np.ndarray]:
    images = [
        reference.decode(
            task, [t[image].double().numpy() for t in inputs], doubles(weights), POOLER_NUM_HEADS
        )
        for image in range(len(inputs[0]))
    ]
    return {name: np.stack([image[name] for image in images]) for name in images[0]}


@pytest.mark.parametrize(
    ("task", "fingers"), [*((task, 1) for task in TASKS), ("pose", 2), ("pose", 3)]
)
def test_outputs_are_those_of_the_plain_form(task: str, fingers: int, tmp_path: Path) -> None:
    weights = random_weights(reference.shapes(task, WIDTH, fingers))
    head = load_head(save_epoch(weights, tmp_path))
    assert head.task == task
    found = head(tokens(fingers) if fingers > 1 else tokens()[0])
    wanted = expected(task, tokens(fingers), weights)
    assert tuple(found) == tuple(wanted) == head.outputs
    for name, value in wanted.items():
        assert value.std() > 0.1
        assert largest_error(found[name], value) < TOLERANCE


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("task", TASKS)
def test_half_precision(task: str, precision: torch.dtype, tmp_path: Path) -> None:
    weights = random_weights(reference.shapes(task, WIDTH))
    head = load_head(save_epoch(weights, tmp_path)).to(precision)
    found = head(tokens()[0].to(precision))
    for name, value in expected(task, tokens(), weights).items():
        assert found[name].dtype == precision
        likeness = torch.cosine_similarity(found[name].double(), torch.from_numpy(value))
        assert likeness.min() > 0.999


def test_the_order_of_fingers_counts(tmp_path: Path) -> None:
    head = load_head(save_epoch(random_weights(reference.shapes("pose", WIDTH, 2)), tmp_path))
    first, second = tokens(2)
    assert not torch.allclose(head([first, second])["tx"], head([second, first])["tx"], atol=0.1)


def test_a_pose_head_counts_its_fingers() -> None:
    head = PoseHead(WIDTH, POOLER_NUM_HEADS, fingers=3)
    with pytest.raises(ModelError, match="the tokens of 3 fingers, found 2"):
        head(tokens(2))
    with pytest.raises(ModelError, match="the tokens of 3 fingers, found 1"):
        head(tokens()[0])


@pytest.mark.parametrize("fingers", [1, 2, 3])
def test_hidden_units_grow_with_the_fingers(fingers: int) -> None:
    state = PoseHead(WIDTH, POOLER_NUM_HEADS, fingers=fingers).state_dict()
    wanted = reference.shapes("pose", WIDTH, fingers)
    assert {name: tuple(value.shape) for name, value in state.items()} == wanted


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
def test_the_published_heads(task: str, count: int) -> None:
    shapes = reference.shapes(task, 768)
    assert sum(math.prod(shape) for shape in shapes.values()) == count
    with torch.device("meta"):
        state = HEADS[task](768, POOLER_NUM_HEADS).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == shapes


def test_pooler_equals_its_plain_form() -> None:
    shapes = reference.shapes("force", WIDTH)
    prefix = "pooler."
    own = {name.removeprefix(prefix): s for name, s in shapes.items() if name.startswith(prefix)}
    weights = random_weights(own)
    pooler = AttentivePooler(WIDTH, 4)
    pooler.load_state_dict(weights)
    images = tokens()[0].double().numpy()
    wanted = np.stack([reference.pool(image, doubles(weights), 4, "") for image in images])
    assert largest_error(pooler(tokens()[0]), wanted) < TOLERANCE
