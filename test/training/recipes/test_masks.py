# SPDX-License-Identifier: Apache-2.0
"""Masks: which patches are seen and which are hidden."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import pretraining as reference

from sparsh_ros.training.recipes import ijepa, vjepa
from sparsh_ros.training.recipes.masks import (
    block_size,
    blocks,
    over_time,
    place_block,
    random_subset,
    shortest,
    take,
)

GRID = (20, 15)


def test_a_random_subset_is_seen_and_all_else_hidden():
    order = random_subset(np.random.default_rng(0), 40, 300, 75)
    assert (np.sort(order, axis=1) == np.arange(300)).all()
    assert (np.diff(order[:, :75]) > 0).all() and (np.diff(order[:, 75:]) > 0).all()
    seen = np.bincount(order[:, :75].ravel(), minlength=300)
    assert seen.min() >= 1 and seen.max() <= 25  # 10 of 40 on average


@pytest.mark.parametrize(
    ("area", "aspect"), [((0.15, 0.2), (0.75, 1.5)), ((0.1, 0.48), (1.0, 1.0))]
)
def test_blocks_have_the_area_and_the_shape_that_are_wanted(area, aspect):
    rng = np.random.default_rng(1)
    sizes = np.array([block_size(rng, GRID, area, aspect) for _ in range(300)])
    shares = sizes.prod(axis=1) / 300
    assert area[0] * 0.8 < shares.min() and shares.max() < area[1] * 1.2
    assert shares.std() > 0.2 * (area[1] - area[0])
    ratios = sizes[:, 0] / sizes[:, 1]
    assert aspect[0] * 0.8 < ratios.min() and ratios.max() < aspect[1] * 1.25


def test_a_block_larger_than_the_grid_ends_at_its_edge():
    rng = np.random.default_rng(2)
    assert block_size(rng, GRID, (1.0, 1.0)) == (17, 15)  # sqrt(300) squared is no fit


def test_a_block_is_what_the_reference_finds():
    rng = np.random.default_rng(3)
    for size in ((1, 1), (5, 7), (20, 15), (3, 15)):
        places = place_block(rng, GRID, size)
        top, left = divmod(int(places[0]), GRID[1])
        assert places.tolist() == reference.block(GRID, top, left, size)


def test_blocks_lie_everywhere():
    places = blocks(np.random.default_rng(4), 50, 8, GRID, (4, 4))
    assert places.shape == (50, 8, 16)
    assert set(places.ravel().tolist()) == set(range(300))


def test_rows_are_cut_to_the_shortest_by_chance():
    rows = [np.arange(10), np.arange(20, 24)]
    cut = shortest(rows, np.random.default_rng(5))
    assert cut.shape == (2, 4) and cut[1].tolist() == [20, 21, 22, 23]
    assert (np.diff(cut[0]) > 0).all() and cut[0].tolist() != [0, 1, 2, 3]


def test_a_block_goes_through_the_whole_clip():
    places = over_time(np.array([[0, 7]]), GRID, 2)
    assert places.tolist() == [[0, 7, 300, 307]]


def test_tokens_are_taken_image_by_image():
    tokens = torch.arange(12.0).reshape(2, 3, 2)
    assert take(tokens, torch.tensor([[2, 0], [1, 1]]))[..., 0].tolist() == [[4, 0], [8, 8]]


@pytest.mark.parametrize("grid", [(20, 15), (8, 6)])
def test_ijepa_sees_nothing_of_its_targets(grid):
    rng = np.random.default_rng(6)
    for _ in range(20):
        context = block_size(rng, grid, ijepa.CONTEXT_AREA)
        target = block_size(rng, grid, ijepa.TARGET_AREA, ijepa.TARGET_ASPECT)
        seen, hidden = ijepa.context_and_targets(rng, grid, context, target)
        assert hidden.shape == (4, target[0] * target[1])
        assert len(seen) >= ijepa.LEAST_CONTEXT
        assert not set(seen.tolist()) & set(hidden.ravel().tolist())


@pytest.mark.parametrize("grid", [(20, 15), (8, 6)])
@pytest.mark.parametrize("kind", [0, 1])
def test_vjepa_sees_what_it_need_not_predict(grid, kind):
    rng, (count, area) = np.random.default_rng(7), vjepa.MASKS[kind]
    for _ in range(20):
        size = block_size(rng, grid, (area, area), vjepa.ASPECT)
        seen, hidden = vjepa.seen_and_hidden(rng, grid, count, size)
        assert len(seen) >= 1
        assert sorted([*seen.tolist(), *hidden.tolist()]) == list(range(grid[0] * grid[1]))
        assert len(hidden) >= size[0] * size[1]


def test_vjepa_leaves_something_even_where_two_blocks_cover_everything():
    seen, _ = vjepa.seen_and_hidden(np.random.default_rng(8), (2, 2), 40, (1, 2))
    assert len(seen) >= 1
