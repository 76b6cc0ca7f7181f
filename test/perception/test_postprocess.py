# SPDX-License-Identifier: Apache-2.0
"""Reading raw head outputs: scales, bins, contact hysteresis, integration of overlapping motion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.perception.motion import MotionBins, MotionIntegrator, softmax
from sparsh_ros.perception.postprocess import Contact, Estimate, Postprocessor
from sparsh_ros.sensors import load_profile

SPEC = ModelSpec(name="test", size="micro", licence="Apache-2.0", weights=Path("nowhere"))
DIGIT = load_profile("digit")
INTERVAL_S = 5 / 60
PERIOD_NS = round(1e9 / 60)
START = 1_700_000_000_000_000_000


def certain(index: int) -> np.ndarray:
    """Logits of a head that is sure of one bin."""
    logits = np.full(11, -50.0, np.float32)
    logits[index] = 50.0
    return logits


def outputs(
    normal: float = 0.5, slip: tuple[float, float] = (0.0, 0.0), bins: tuple = (5, 5, 5)
) -> dict:
    """Raw outputs of all heads; `normal` is the force head's z output."""
    return {
        "force": {"force": np.float32([0.25, -0.5, normal])},
        "slip": {"slip": np.float32(slip), "force": np.float32([1.0, -1.0, 0.5])},
        "pose": dict(zip(("tx", "ty", "yaw"), map(certain, bins), strict=True)),
    }


def reader(profile: str = "digit", **thresholds: float) -> Postprocessor:
    settings = {"contact_threshold_n": 0.1, "slip_threshold": 0.4} | thresholds
    return Postprocessor("left", load_profile(profile), SPEC, **settings)


def read_run(reader: Postprocessor, normals: list[float], **more: object) -> list[Estimate]:
    """Estimates at 60 Hz with the given raw normal forces."""
    return [
        reader.process(START + index * PERIOD_NS, INTERVAL_S, outputs(normal, **more))
        for index, normal in enumerate(normals)
    ]


def test_softmax_is_that_of_the_definition_and_does_not_overflow() -> None:
    np.testing.assert_allclose(softmax([0.0, np.log(3.0)]), [0.25, 0.75])
    np.testing.assert_allclose(softmax([[1e4, 0.0], [0.0, -1e4]]), [[1, 0], [1, 0]])


def test_force_and_change_of_force_are_scaled_by_the_profile() -> None:
    estimate = reader().process(START, INTERVAL_S, outputs())
    np.testing.assert_allclose(estimate.force_n, [1.0, -2.0, 2.5])
    np.testing.assert_allclose(estimate.delta_force_n, [0.40, -0.40, 0.15])
    mini = reader("gelsight_mini").process(START, INTERVAL_S, outputs())
    np.testing.assert_allclose(mini.force_n, [0.375, -0.75, 1.0])
    np.testing.assert_allclose(mini.delta_force_n, [0.80, -0.80, 0.20])
    assert (estimate.sensor, estimate.stamp_ns, estimate.interval_s) == ("left", START, INTERVAL_S)
    assert estimate.valid and estimate.reason == ""


@pytest.mark.parametrize(
    ("logits", "normal", "slipping"),
    [((0.0, 0.0), 0.5, True), ((1.0, 0.0), 0.5, False), ((0.0, 9.0), 0.0, False)],
)
def test_slip_needs_the_threshold_and_contact(
    logits: tuple[float, float], normal: float, slipping: bool
) -> None:
    estimate = reader().process(START, INTERVAL_S, outputs(normal, slip=logits))
    assert estimate.slip_probability == pytest.approx(softmax(logits)[1])
    assert estimate.slipping is slipping
    assert estimate.slip_threshold == 0.4


def test_slip_without_force_head_is_judged_without_contact() -> None:
    only_slip = {"slip": outputs(slip=(0.0, 3.0))["slip"]}
    estimate = reader().process(START, INTERVAL_S, only_slip)
    assert estimate.slipping and estimate.in_contact is None
    assert np.isnan(estimate.force_n).all() and np.isnan(estimate.pose_change).all()


def test_classes_are_told_by_probability() -> None:
    logits = np.zeros(20, np.float32)
    logits[7] = np.log(19.0)
    classes = {"textile": {"textile": logits}, "grasp": {"grasp": np.float32([0.0, np.log(3.0)])}}
    estimate = reader().process(START, INTERVAL_S, outputs() | classes)
    np.testing.assert_allclose(estimate.grasp, [0.25, 0.75])
    assert estimate.textile[7] == pytest.approx(0.5) and estimate.textile.sum() == pytest.approx(
        1.0
    )


def test_what_does_not_touch_has_no_class() -> None:
    textile = {"textile": {"textile": np.zeros(20, np.float32)}}
    free = reader().process(START, INTERVAL_S, outputs(normal=0.0) | textile)
    assert free.in_contact is False and np.isnan(free.textile).all()
    unsure = reader().process(START, INTERVAL_S, textile)
    assert unsure.in_contact is None and np.isfinite(unsure.textile).all()
    assert np.isnan(unsure.grasp).all()


def test_bins_give_the_value_of_the_bin_when_certain() -> None:
    bins = MotionBins(SPEC)
    change, covariance = bins.expected_motion(certain(8), certain(1), certain(5))
    np.testing.assert_allclose(change, [1.5e-3, -3.5e-3, 0.0], atol=1e-9)
    widths = np.array([1e-3, 3e-3, np.deg2rad(0.06)])
    np.testing.assert_allclose(covariance, np.diag(widths**2 / 12), rtol=1e-6)


def test_bins_give_expectation_and_total_variance_when_in_doubt() -> None:
    logits = certain(6)
    logits[8] = logits[6]
    change, covariance = MotionBins(SPEC).expected_motion(logits, certain(5), certain(5))
    assert change[0] == pytest.approx((0.3e-3 + 1.5e-3) / 2)
    between, within = (0.6e-3) ** 2, ((0.4e-3) ** 2 + (1e-3) ** 2) / 2 / 12
    assert covariance[0, 0] == pytest.approx(between + within)


def test_an_axis_that_the_model_cannot_tell_is_unknown() -> None:
    bins = MotionBins(replace(SPEC, pose_axes=("tx", "ty")))
    change, covariance = bins.expected_motion(*np.zeros((3, 11)))
    assert np.isfinite(change[:2]).all() and np.isnan(change[2])
    assert np.isfinite(covariance[:2, :2]).all()
    assert np.isnan(covariance[2]).all() and np.isnan(covariance[:, 2]).all()


def test_most_probable_bins_are_those_of_the_logits_and_unknown_where_the_motion_is() -> None:
    bins = MotionBins(replace(SPEC, pose_axes=("tx", "ty")))
    np.testing.assert_array_equal(
        bins.most_probable(certain(8), certain(1), certain(5)), [8, 1, -1]
    )


def test_wider_doubt_means_more_variance() -> None:
    bins = MotionBins(SPEC)
    sure = bins.expected_motion(*[certain(5)] * 3)[1]
    unsure = bins.expected_motion(*[np.zeros(11)] * 3)[1]
    assert (np.diag(unsure) > 10 * np.diag(sure)).all()
    assert (np.linalg.eigvalsh(unsure) > 0).all()


def test_contact_has_hysteresis() -> None:
    contact = Contact(0.1)
    forces = [0.0, 0.09, 0.1, 0.06, 0.051, 0.049, 0.09, 0.2]
    found = [contact.update(index, force) for index, force in enumerate(forces)]
    assert found == [False, False, True, True, True, False, False, True]
    assert contact.began_ns == 7


def test_unknown_force_is_no_contact_and_not_known_to_be_none() -> None:
    estimate = reader().process(START, INTERVAL_S, outputs(normal=np.nan))
    assert estimate.in_contact is None and np.isnan(estimate.pose).all()
    contact = Contact(0.1)
    found = [contact.update(index, force) for index, force in enumerate((0.2, np.nan, 0.06, 0.2))]
    assert found == [True, None, False, True] and contact.began_ns == 3


def test_pose_starts_again_after_a_moment_of_unknown_contact() -> None:
    reading = reader()
    poses = [
        one.pose[0] for one in read_run(reading, [0.5] * 9 + [np.nan] + [0.5] * 9, bins=(8, 5, 5))
    ]
    assert poses[8] > poses[5] > 0 and np.isnan(poses[9:15]).all()
    assert poses[15] == pytest.approx(poses[5], rel=1e-5)


@pytest.mark.parametrize("step_s", [-1e-9, -3600.0, 0.6, 3600.0])
def test_contact_does_not_outlive_a_break_of_the_stream(step_s: float) -> None:
    contact = Contact(0.1)
    assert contact.update(START, 0.2)
    assert contact.update(START + 500_000_000, 0.06)
    assert not contact.update(START + 500_000_000 + round(step_s * 1e9), 0.06)


def test_contact_does_not_outlive_the_loss_of_a_camera() -> None:
    reading = reader()
    assert read_run(reading, [0.5] * 3)[-1].in_contact
    reading.invalid(START + 3 * PERIOD_NS, "stale")
    # 0.06 N would hold a contact that was there, and begins none.
    weak = 0.06 / load_profile("digit").force_scale_n[2]
    after = reading.process(START + 4 * PERIOD_NS, INTERVAL_S, outputs(normal=weak))
    assert after.in_contact is False


def integrate(velocity: np.ndarray, stamps_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose after motions that each report `velocity` times the interval, from the first stamp."""
    integrator = MotionIntegrator()
    integrator.start(int(stamps_ns[0]))
    for stamp_ns in stamps_ns[1:]:
        assert integrator.follows(int(stamp_ns), INTERVAL_S)
        integrator.add(int(stamp_ns), INTERVAL_S, velocity * INTERVAL_S, np.eye(3))
    return integrator.pose, integrator.covariance


@pytest.mark.parametrize("rate_hz", [18, 25, 30, 60])
@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_overlapping_motions_are_not_counted_twice(rate_hz: float, drop: float) -> None:
    rng = np.random.default_rng(3)
    stamps = START + np.arange(int(2 * rate_hz)) * 1e9 / rate_hz
    keep = rng.random(len(stamps)) >= drop
    keep[1::2] |= rate_hz < 25  # at 18 fps two lost in a row are too many
    keep[[0, -1]] = True
    velocity = np.array([3e-3, -1e-3, 0.5])
    pose, covariance = integrate(velocity, stamps[keep].astype(np.int64))
    elapsed_s = (stamps[-1] - stamps[0]) * 1e-9
    np.testing.assert_allclose(pose, velocity * elapsed_s, rtol=1e-6)
    assert covariance[0, 0] >= elapsed_s / INTERVAL_S * 0.999


def test_covariance_grows_by_one_motion_per_interval() -> None:
    stamps = (START + np.arange(6) * 1e9 / 60).astype(np.int64)
    _, covariance = integrate(np.zeros(3), stamps)
    np.testing.assert_allclose(covariance, np.eye(3), rtol=1e-6)


def test_covariance_over_a_gap_goes_by_the_square() -> None:
    # Motion is extrapolated there: all of the error is that of one motion, times the share.
    stamps = np.array([START, START + round(1.8 * INTERVAL_S * 1e9)])
    pose, covariance = integrate(np.ones(3), stamps)
    np.testing.assert_allclose(pose, 1.8 * INTERVAL_S, rtol=1e-6)
    np.testing.assert_allclose(covariance, 1.8**2 * np.eye(3), rtol=1e-6)


def test_integrator_does_not_follow_over_a_long_gap_or_backwards() -> None:
    integrator = MotionIntegrator()
    assert not integrator.follows(START, INTERVAL_S)
    integrator.start(START)
    assert integrator.follows(START + 160_000_000, INTERVAL_S)
    assert not integrator.follows(START + 170_000_000, INTERVAL_S)
    assert not integrator.follows(START - 1, INTERVAL_S)


def test_pose_starts_with_each_contact_and_is_unknown_without() -> None:
    reading = reader()
    estimates = read_run(reading, [0.0] * 3 + [0.5] * 20 + [0.0] * 3 + [0.5] * 8, bins=(8, 5, 5))
    known = [bool(np.isfinite(estimate.pose).all()) for estimate in estimates]
    # Contact must have lasted one interval, five frames, before it says how far things moved.
    assert known == [False] * 8 + [True] * 15 + [False] * 8 + [True] * 3
    for estimate, pose_known in zip(estimates, known, strict=True):
        assert np.isfinite(estimate.pose_change).all() == pose_known
        assert np.isfinite(estimate.pose_change_covariance).all() == pose_known
        assert np.isfinite(estimate.pose_covariance).all() == pose_known
        assert estimate.valid and np.isfinite(estimate.force_n).all()
    speed = 1.5e-3 / INTERVAL_S
    first, last = estimates[8].pose, estimates[22].pose
    np.testing.assert_allclose(first, [1.5e-3, 0, 0], rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(last, [speed * 19 / 60, 0, 0], rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(estimates[31].pose, first, rtol=1e-5, atol=1e-12)


def test_pose_starts_anew_after_a_gap_or_a_clock_step() -> None:
    reading = reader()
    stamps = START + np.arange(12) * PERIOD_NS
    for shift in (0, 10**9, -(10**10)):
        poses = [
            reading.process(int(stamp + shift), INTERVAL_S, outputs(bins=(8, 5, 5))).pose[0]
            for stamp in stamps
        ]
        assert np.isnan(poses[:5]).all()
        np.testing.assert_allclose(poses[5], 1.5e-3, rtol=1e-5)


def test_motion_without_force_head_has_no_beginning() -> None:
    only_pose = {"pose": outputs(bins=(8, 5, 5))["pose"]}
    estimate = reader().process(START, INTERVAL_S, only_pose)
    assert estimate.pose_change[0] == pytest.approx(1.5e-3)
    assert np.isnan(estimate.pose).all() and estimate.in_contact is None


def test_invalid_touch_knows_nothing() -> None:
    estimate = reader().invalid(START, "no background")
    assert not estimate.valid and estimate.reason == "no background" and estimate.stamp_ns == START
    assert estimate.in_contact is None and estimate.slipping is False
    for name in ("force_n", "delta_force_n", "pose_change", "pose", "pose_covariance"):
        assert np.isnan(getattr(estimate, name)).all()
    assert np.isnan(estimate.slip_probability) and np.isnan(estimate.interval_s)
