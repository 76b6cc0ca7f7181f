# SPDX-License-Identifier: Apache-2.0
"""The losses of SARL, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import sarl as reference

from sparsh_ros.training.recipes.sarl import (
    byol_loss,
    prototype_alignment,
    region_affinity,
    saliency_alignment,
)

APART = {"crop_top": 0.0, "crop_left": 0.0, "crop_h": 20.0, "crop_w": 20.0}


def _views(rng, count):
    """Two views of `count` images each, which overlap more or less."""
    views = []
    for _ in range(2):
        top, left = rng.integers(0, 60, (2, count))
        height, width = rng.integers(90, 180, (2, count))
        columns = top, left, height, width, rng.random(count) < 0.5, np.full(count, 224)
        names = "crop_top", "crop_left", "crop_h", "crop_w", "flip", "view_size"
        views.append({n: torch.tensor(np.float32(c)) for n, c in zip(names, columns, strict=True)})
    return views


def _maps(rng, *shape):
    return torch.tensor(rng.normal(size=shape), dtype=torch.float32)


def _exact(*tensors):
    return [np.asarray(tensor, dtype=np.float64) for tensor in tensors]


@pytest.mark.parametrize("size", [(28, 28), (14, 14), (7, 9)])
def test_saliency_alignment_agrees(size):
    rng = np.random.default_rng(size[1])
    online, target, views = _maps(rng, 4, 5, *size), _maps(rng, 4, 5, *size), _views(rng, 4)
    wanted = reference.saliency_alignment(*_exact(online, target), *views)
    assert saliency_alignment(online, target, *views).item() == pytest.approx(wanted, rel=1e-5)


def test_saliency_alignment_resizes_another_target():
    rng = np.random.default_rng(1)
    online, target, views = _maps(rng, 3, 5, 14, 14), _maps(rng, 3, 5, 28, 28), _views(rng, 3)
    wanted = reference.saliency_alignment(*_exact(online, target), *views)
    assert saliency_alignment(online, target, *views).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("grid", "temperature"), [(7, 0.1), (4, 0.5)])
def test_prototype_alignment_agrees(grid, temperature):
    rng = np.random.default_rng(2)
    online, target, prototypes = (
        _maps(rng, 4, 16, 14, 14),
        _maps(rng, 4, 16, 14, 14),
        _maps(rng, 8, 16),
    )
    wanted = reference.prototype_alignment(*_exact(online, target, prototypes), grid, temperature)
    found = prototype_alignment(online, target, prototypes, grid, temperature)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_region_affinity_agrees(seed):
    rng = np.random.default_rng(seed)
    online, target, views = _maps(rng, 5, 16, 14, 14), _maps(rng, 5, 16, 14, 14), _views(rng, 5)
    wanted = reference.region_affinity(*_exact(online, target), *views)
    assert region_affinity(online, target, *views).item() == pytest.approx(wanted, rel=1e-5)


def test_byol_loss_agrees():
    rng = np.random.default_rng(4)
    prediction, projection = _maps(rng, 6, 32), _maps(rng, 6, 32)
    wanted = reference.byol(*_exact(prediction, projection))
    assert byol_loss(prediction, projection).item() == pytest.approx(wanted, rel=1e-5)


def test_a_view_of_itself_costs_nothing():
    rng = np.random.default_rng(5)
    maps, (view, _) = _maps(rng, 3, 8, 12, 12), _views(rng, 3)
    assert saliency_alignment(maps, maps, view, view).item() < 1e-10
    assert region_affinity(maps, maps, view, view).item() < 1e-10


def test_views_apart_cost_nothing_but_have_a_gradient():
    maps = _maps(np.random.default_rng(6), 2, 8, 12, 12).requires_grad_()
    others = {"flip": torch.zeros(2), "view_size": torch.full((2,), 224.0)}
    here = {name: torch.full((2,), value) for name, value in APART.items()} | others
    there = here | {"crop_left": torch.full((2,), 100.0)}
    for loss in (saliency_alignment, region_affinity):
        value = loss(maps, maps, here, there)
        value.backward()
        assert value.item() == 0.0
        assert torch.isfinite(maps.grad).all()


def test_only_the_online_map_and_the_prototypes_learn():
    rng = np.random.default_rng(7)
    online, target, prototypes = (
        _maps(rng, 2, 8, 14, 14).requires_grad_(),
        _maps(rng, 2, 8, 14, 14).requires_grad_(),
        _maps(rng, 4, 8).requires_grad_(),
    )
    views = _views(rng, 2)
    total = (
        saliency_alignment(online, target, *views)
        + prototype_alignment(online, target, prototypes)
        + region_affinity(online, target, *views)
        + byol_loss(online.flatten(1), target.flatten(1))
    )
    total.backward()
    assert target.grad is None
    assert online.grad.abs().sum() > 0 and prototypes.grad.abs().sum() > 0
