# SPDX-License-Identifier: Apache-2.0
"""Raw outputs of a streaming model become estimates in SI units, or stay unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparsh_ros.models.streaming.layout import HIDDEN, TURN_MM
from sparsh_ros.models.zoo import describe_model
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.perception.streaming.contact_memory import Remembered
from sparsh_ros.perception.streaming.friction_observer import fresh_state
from sparsh_ros.perception.streaming.postprocess import StreamPostprocessor
from sparsh_ros.perception.streaming.runner import Step
from sparsh_ros.sensors.profiles import load_profile

INTERVAL_S = 5 / 60
SPEC = replace(
    describe_model(STREAM_MODEL),
    slip_threshold=0.8,
    slip_release=0.4,
    slip_confirm_s=0.0,
    turn_dead_zone=0.0,
)
HEADS = ("force", "slip", "pose")


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def step(frame: int, shows_turn: bool = True, **changes: object) -> Step:
    """A frame in contact at 60 frames/s."""
    outputs = {
        "force": [0.5, -0.25, 2.0],
        "force_scale": [0.1, 0.2, 0.3],
        "delta_force": [0.01, 0.02, 0.03],
        "delta_force_scale": [0.1, 0.1, 0.1],
        "pose": [0.2, -0.1, 0.05],
        "pose_scale": [0.03, 0.03, 0.06],
        "slip": logit(0.1),
        "contact": logit(0.99),
        "slide": np.log(3.0),
        "slide_scale": 0.5,
        "share": 0.25,
        "share_scale": 0.1,
        "margin": 0.75,
        "margin_scale": 0.2,
    } | changes
    arrays = {name: np.asarray(value, np.float32) for name, value in outputs.items()}
    stamp_ns = 1_000_000_000 + round(frame * 1e9 / 60)
    remembered = Remembered(stamp_ns, fresh_state(np, 1), np.zeros(HIDDEN, np.float32), shows_turn)
    return Step(arrays, remembered, INTERVAL_S, shows_turn)


def postprocessor(**changes: object) -> StreamPostprocessor:
    spec = replace(SPEC, **changes)
    return StreamPostprocessor("gel", load_profile("digit"), spec, 0.1, spec.slip_threshold)


def after(*steps: Step, **changes: object) -> list[Estimate]:
    own = postprocessor(**changes)
    return [own.process_step(each, HEADS) for each in steps]


def test_units_and_variances() -> None:
    estimate = after(*(step(frame) for frame in range(7)))[-1]
    np.testing.assert_allclose(estimate.force_n, [0.5, -0.25, 2.0])
    np.testing.assert_allclose(np.diag(estimate.force_covariance), [0.02, 0.08, 0.18], rtol=1e-5)
    assert estimate.slide_speed_m_s == pytest.approx(2e-3)
    assert estimate.slide_speed_variance == pytest.approx(2 * (3e-3 * 0.5) ** 2)
    assert estimate.slip_share == pytest.approx(0.25)
    assert estimate.friction_margin == pytest.approx(0.75)
    assert estimate.friction_margin_variance == pytest.approx(0.08)
    np.testing.assert_allclose(estimate.pose_change, [2e-4, -1e-4, 0.05], rtol=1e-5)
    turn = 2 * (0.06 / TURN_MM) ** 2
    wanted = [2 * 3e-5**2, 2 * 3e-5**2, turn]
    np.testing.assert_allclose(np.diag(estimate.pose_change_covariance), wanted, rtol=1e-5)


def test_a_rotation_within_its_own_uncertainty_is_none() -> None:
    # The scale of the rotation is 0.06 mm at 3 mm, .02 rad.
    for factor, wanted in ((2.4, 0.05), (2.6, 0.0)):
        estimate = after(*(step(frame) for frame in range(7)), turn_dead_zone=factor)[-1]
        assert estimate.pose_change[2] == pytest.approx(wanted)
        assert estimate.pose_change_covariance[2, 2] > 0


def test_slip_waits_for_its_confirmation() -> None:
    steps = [step(frame, slip=logit(0.9)) for frame in range(9)]
    said = [estimate.slipping for estimate in after(*steps, slip_confirm_s=2 / 60)]
    assert said == [False, False] + [True] * 7


def test_rotation_is_unknown_unless_the_print_shows_it() -> None:
    estimate = after(*(step(frame, shows_turn=False) for frame in range(7)))[-1]
    assert np.isfinite(estimate.pose_change[:2]).all() and np.isnan(estimate.pose_change[2])
    assert np.isnan(estimate.pose_change_covariance[2, 2])
    assert np.isfinite(np.diag(estimate.pose_change_covariance)[:2]).all()


def test_slip_ends_lower_than_it_begins() -> None:
    steps = [step(i, slip=logit(p)) for i, p in enumerate((0.5, 0.85, 0.5, 0.3, 0.5))]
    assert [e.slipping for e in after(*steps)] == [False, True, True, False, False]


def test_what_does_not_touch_does_not_slide() -> None:
    steps = [step(0, slip=logit(0.9)), step(1, slip=logit(0.9), force=[0, 0, 0.01])]
    touching, lifted = after(*steps)
    assert touching.slipping and touching.in_contact
    assert not lifted.in_contact and not lifted.slipping
    assert lifted.slip_probability == lifted.slide_speed_m_s == 0.0
    assert np.isnan(lifted.friction_margin) and np.isnan(lifted.pose_change).all()


def test_the_image_can_deny_contact() -> None:
    """An offset of the whole image may look like load."""
    assert not after(step(0, contact=logit(0.2)))[0].in_contact
    held = after(step(0), step(1, contact=logit(0.4)), step(2, contact=logit(0.2)))
    assert [e.in_contact for e in held] == [True, True, False]


def test_slip_shows_itself_again_after_a_break() -> None:
    own = postprocessor()
    assert own.process_step(step(0, slip=logit(0.9)), HEADS).slipping
    assert not own.invalid(0, "no frame").valid
    assert not own.process_step(step(2, slip=logit(0.5)), HEADS).slipping


def test_what_is_no_better_than_a_guess_is_not_told() -> None:
    estimate = after(step(0), unshipped=("delta_force", "share", "force"))[0]
    assert np.isnan(estimate.delta_force_n).all() and np.isnan(estimate.slip_share)
    assert np.isnan(estimate.force_n).all() and estimate.in_contact
    assert np.isfinite(estimate.slide_speed_m_s)


def test_heads_that_nobody_wants_stay_unknown() -> None:
    estimate = postprocessor().process_step(step(0), ("slip",))
    assert np.isnan(estimate.force_n).all() and np.isfinite(estimate.slip_probability)


def test_a_gap_counts_by_its_square() -> None:
    """Over 1.5 intervals at constant velocity the error grows like the motion, not like its
    root."""
    own = postprocessor()
    for frame in range(6):
        before = own.process_step(step(frame), HEADS)
    later = own.process_step(step(5 + 7), HEADS)
    share = 7 / 5
    grown = (later.pose_covariance - before.pose_covariance)[0, 0]
    assert grown == pytest.approx(share**2 * later.pose_change_covariance[0, 0], rel=1e-3)


def test_what_is_no_number_is_not_valid() -> None:
    (estimate,) = after(step(0, force=[np.nan, 0.0, 1.0]))
    assert not estimate.valid and not estimate.in_contact
    assert "no finite numbers" in estimate.reason


def test_a_gel_never_pulls() -> None:
    (estimate,) = after(step(0, force=[-0.5, 0.0, -0.2]))
    assert estimate.force_n.tolist() == [-0.5, 0.0, 0.0]
