# SPDX-License-Identifier: Apache-2.0
"""The losses of the methods that compare two views, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import pretraining as reference
from torch.nn import functional as F

from sparsh_ros.training.recipes.siamese import (
    barlow_twins,
    cplearn,
    densecl,
    minc,
    simclr,
    simsiam,
    swav,
    vicreg,
)


def _random(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def _unit(*shape, seed=0):
    return F.normalize(_random(*shape, seed=seed), dim=-1)


def _exact(*tensors):
    return [tensor.numpy().astype(np.float64) for tensor in tensors]


def _agree(found, wanted):
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def _pair(*shape):
    first = _random(*shape)
    return first, first + 0.5 * _random(*shape, seed=1)


def test_simclr_agrees():
    pair = _pair(6, 8)
    _agree(simclr.nt_xent(*pair, 0.1), reference.nt_xent(*_exact(*pair), 0.1))


def test_simsiam_agrees():
    pair = _pair(6, 8)
    _agree(simsiam.negative_cosine(*pair), reference.negative_cosine(*_exact(*pair)))


def test_barlow_twins_agrees():
    pair = _pair(12, 6)
    wanted = reference.barlow(*_exact(*pair), 5e-3, barlow_twins.EPS)
    _agree(barlow_twins.barlow_loss(*pair), wanted)


def test_vicreg_agrees():
    pair = tuple(0.7 * values for values in _pair(10, 6))
    found = vicreg.vicreg_loss(*pair)
    assert min(found.values()) > 0.0
    _agree(found["loss"], reference.vicreg(*_exact(*pair), (25.0, 25.0, 1.0), vicreg.EPS))


def test_swav_agrees():
    scores = _unit(9, 16) @ _unit(5, 16, seed=2).T, _unit(9, 16, seed=1) @ _unit(5, 16, seed=2).T
    wanted = reference.swapped_prediction(*_exact(*scores), 0.1, 0.05, 3)
    _agree(swav.swapped_prediction(*scores), wanted)


def test_sinkhorn_uses_all_prototypes_alike():
    shares = swav.sinkhorn(_random(12, 4), 0.5, 50)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(12))
    torch.testing.assert_close(shares.sum(dim=0), torch.full((4,), 3.0))


def test_minc_agrees():
    online, target, moment = _unit(5, 7), _unit(5, 7, seed=1), _random(7, 7, seed=2)
    wanted = reference.minc(*_exact(online, target, moment), 10.0)
    _agree(minc.minc_loss(online, target, moment), wanted)


def test_cplearn_agrees():
    first, second = _pair(6, 8)
    codes = torch.sign(_random(8, 32, seed=3))
    logits = [cplearn.code_logits(vectors, codes) for vectors in (first, second)]
    exact = [reference.code_logits(v, codes.numpy(), 1e-8) for v in _exact(first, second)]
    np.testing.assert_allclose(logits[0], exact[0], rtol=1e-5, atol=1e-5)
    _agree(cplearn.cplearn_loss(*logits), reference.cplearn(*exact, 0.5))


def test_densecl_agrees():
    queries, keys, queue = _unit(6, 8), _unit(6, 8, seed=1), _unit(30, 8, seed=2)
    wanted = reference.info_nce(*_exact(queries, keys, queue), 0.2)
    _agree(densecl.info_nce(queries, keys, queue), wanted)


def test_places_are_matched_by_their_features():
    ours, theirs, keys = _random(2, 9, 5), _random(2, 9, 5, seed=1), _random(2, 9, 4, seed=2)
    found = densecl.matching_keys(ours, theirs, keys)
    np.testing.assert_array_equal(found, reference.matching_keys(*_exact(ours, theirs, keys)))


@pytest.mark.parametrize(
    "loss", [simsiam.negative_cosine, lambda a, b: densecl.info_nce(a, b, _unit(9, 8, seed=3))]
)
def test_only_one_side_learns(loss):
    pair = [_unit(4, 8, seed=seed).requires_grad_() for seed in (0, 1)]
    loss(*pair).backward()
    assert pair[0].grad.abs().sum() > 0 and pair[1].grad is None
