# SPDX-License-Identifier: Apache-2.0
"""The friction observer against closed forms and the simulated gel, and NumPy against torch."""

import numpy as np
import pytest

from sparsh_ros.models.streaming.layout import COLUMNS, HYPOTHESES, READINGS, ROWS
from sparsh_ros.perception.streaming.friction_observer import (
    LIMITS_MM3_PER_N,
    NOMINAL_STIFFNESS,
    Prior,
    Sight,
    State,
    fresh_state,
    observe,
)

SIZE = np.float32([[14.3, 19.1]])
CELL_MM2 = float(SIZE[0, 0] * SIZE[0, 1] / (ROWS * COLUMNS))
PRESSURE = 0.05
INTERVAL_S = 1 / 12


def certain(index: int) -> Prior:
    """All belief in one hypothesis."""
    weights = np.full(HYPOTHESES, -50.0, np.float32)
    weights[index] = 0.0
    return Prior(weights, np.float32(0.95))


def sight(motion, stretch=0.0, gain=0.0, precision=0.0, cover=None):
    """A square contact of uniform pressure in the middle of the gel."""
    if cover is None:
        cover = np.zeros((1, ROWS, COLUMNS), np.float32)
        cover[:, 6:14, 4:11] = 1.0
    full = np.ones_like(cover)
    seen = np.float32(stretch) * np.stack([cover, 0 * cover], 1)
    return Sight(
        PRESSURE * cover,
        cover,
        seen,
        np.float32(gain) * full,
        np.float32(precision) * full,
        np.float32([motion]),
        SIZE,
        np.float32([INTERVAL_S]),
    )


def read(estimate, name):
    return float(estimate.readings[0, READINGS.index(name)])


def settle(prior):
    """Contact that has just begun, without shear."""
    return observe(np, prior, fresh_state(np, 1), sight((0, 0, 0)))[0]


def cells() -> float:
    return float(sight((0, 0, 0)).cover.sum())


def test_stick_is_a_spring():
    prior = certain(2)
    state, estimate = observe(np, prior, settle(prior), sight((0.1, -0.05, 0)))
    wanted = NOMINAL_STIFFNESS * CELL_MM2 * cells()
    assert read(estimate, "shear_x") == pytest.approx(0.1 * wanted, rel=1e-3)
    assert read(estimate, "shear_y") == pytest.approx(-0.05 * wanted, rel=1e-3)
    assert read(estimate, "slide") == pytest.approx(0.0, abs=1e-3)
    assert read(estimate, "load") == pytest.approx(PRESSURE * CELL_MM2 * cells(), rel=1e-4)


@pytest.mark.parametrize("index", range(HYPOTHESES))
def test_gross_slip_pulls_with_mu_n_however_far(index):
    prior = certain(index)
    state = settle(prior)
    limit = LIMITS_MM3_PER_N[index]
    for _ in range(3):
        state, estimate = observe(np, prior, state, sight((1.0, 0, 0)))
    load = read(estimate, "load")
    # mu N = gamma k_t N
    assert read(estimate, "shear_x") == pytest.approx(limit * NOMINAL_STIFFNESS * load, rel=1e-3)
    assert np.expm1(read(estimate, "slide")) == pytest.approx(1.0 / INTERVAL_S, rel=1e-2)
    assert read(estimate, "margin") == pytest.approx(0.0, abs=0.02)
    assert read(estimate, "share") > 0.95


def test_reversal_sticks_until_twice_the_limit_is_crossed():
    prior = certain(0)
    limit = LIMITS_MM3_PER_N[0] * PRESSURE
    state = observe(np, prior, settle(prior), sight((1.0, 0, 0)))[0]
    state, estimate = observe(np, prior, state, sight((-1.9 * limit, 0, 0)))
    assert read(estimate, "slide") == pytest.approx(0.0, abs=1e-3)
    scale = NOMINAL_STIFFNESS * CELL_MM2 * cells()
    assert read(estimate, "shear_x") == pytest.approx(-0.9 * limit * scale, rel=1e-3)
    _, estimate = observe(np, prior, state, sight((-0.5 * limit, 0, 0)))
    assert read(estimate, "slide") > 0.1
    assert read(estimate, "shear_x") == pytest.approx(-limit * scale, rel=1e-3)


def test_a_turn_shears_both_ways_and_pulls_nowhere():
    prior = certain(4)
    _, estimate = observe(np, prior, settle(prior), sight((0, 0, 0.05)))
    assert read(estimate, "shear_x") == pytest.approx(0.0, abs=1e-4)
    stretch = estimate.stretch[0]
    # Counter-clockwise: the top row (y > 0) moves to -x, the right column to +y.
    assert stretch[0, 6, 7] < 0 < stretch[0, 13, 7]
    assert stretch[1, 10, 10] > 0 > stretch[1, 10, 4]


def test_the_gain_draws_the_state_to_what_is_seen():
    prior = certain(4)
    _, without = observe(np, prior, settle(prior), sight((0, 0, 0), stretch=0.1))
    _, half = observe(np, prior, settle(prior), sight((0, 0, 0), stretch=0.1, gain=0.5))
    assert without.stretch[0, 0, 10, 7] == pytest.approx(0.0, abs=1e-5)
    assert half.stretch[0, 0, 10, 7] == pytest.approx(0.05, rel=1e-3)


def test_skin_that_is_touched_anew_starts_as_it_is_seen():
    prior = certain(4)
    _, estimate = observe(np, prior, fresh_state(np, 1), sight((0, 0, 0), stretch=0.08))
    assert estimate.stretch[0, 0, 10, 7] == pytest.approx(0.08, rel=1e-3)


@pytest.mark.parametrize("index", (0, 2, 4))
def test_evidence_finds_the_friction(index):
    prior = Prior(np.full(HYPOTHESES, -np.log(HYPOTHESES), np.float32), np.float32(0.95))
    state = settle(prior)
    stretch = LIMITS_MM3_PER_N[index] * PRESSURE
    for _ in range(3):
        seen = sight((1.0, 0, 0), stretch=stretch, precision=200.0)
        state, estimate = observe(np, prior, state, seen)
    assert int(estimate.log_weight[0].argmax()) == index


def test_numpy_and_torch_agree():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    shape = (3, ROWS, COLUMNS)

    def draw(*size, scale=1.0):
        return (scale * rng.random(size)).astype(np.float32)

    prior = Prior(np.log(draw(HYPOTHESES)), np.float32(0.9))
    state = fresh_state(np, 3)
    tensor_state = fresh_state(torch, 3)
    tensor_prior = Prior(*(torch.from_numpy(np.asarray(part)) for part in prior))
    for _ in range(12):
        motion = rng.normal(0, 0.2, (3, 3)).astype(np.float32)
        seen = Sight(
            draw(*shape, scale=0.1),
            draw(*shape),
            draw(3, 2, ROWS, COLUMNS, scale=0.3),
            draw(*shape),
            draw(*shape, scale=10.0),
            motion,
            SIZE.repeat(3, 0),
            np.full(3, INTERVAL_S, np.float32),
        )
        state, estimate = observe(np, prior, state, seen)
        tensors = Sight(*(torch.from_numpy(part) for part in seen))
        tensor_state, tensor_estimate = observe(torch, tensor_prior, tensor_state, tensors)
        pairs = zip((*state, *estimate), (*tensor_state, *tensor_estimate), strict=True)
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)
            assert ours.dtype == np.float32


def test_follows_the_simulated_gel():
    """Exact motion and pressure, friction known: shear within a sixth of always saying none."""
    pytest.importorskip("torch")
    from sparsh_ros.training.stream.batches import collate, cut_sequence
    from sparsh_ros.training.stream.episodes import make_episode

    batch = collate([cut_sequence(make_episode("train", 90, 1, 2.5), 0, 5, 29)])
    maps, contact = batch.maps.numpy(), batch.contact.numpy()
    known = np.log(batch.limit.numpy() / np.array(LIMITS_MM3_PER_N)) / 0.15
    prior = Prior(-(known**2).astype(np.float32), np.float32(0.95))
    state, errors, truths, slides = fresh_state(np, 1), [], [], []
    nothing = np.zeros_like(maps[:, 0, 0])
    for step in range(maps.shape[1]):
        if step and not contact[0, step - 1]:
            state = fresh_state(np, 1)
        seen = Sight(
            maps[:, step, 0],
            maps[:, step, 1],
            0 * maps[:, step, 2:],
            nothing,
            nothing,
            batch.motion[:, step].numpy(),
            batch.size.numpy(),
            batch.interval_s.numpy(),
        )
        state, estimate = observe(np, prior, state, seen)
        if contact[0, step]:
            truth = maps[0, step, 2:].sum((1, 2))
            errors.append(np.abs(estimate.stretch[0].sum((1, 2)) - truth))
            truths.append(np.abs(truth))
            slides.append((read(estimate, "slide"), np.log1p(float(batch.slide[0, step]))))
    assert np.mean(errors) < np.mean(truths) / 6
    assert np.corrcoef(np.array(slides).T)[0, 1] > 0.9


def test_a_state_is_four_arrays_and_no_more():
    state = fresh_state(np, 2)
    assert isinstance(state, State) and all(len(part) == 2 for part in state)
