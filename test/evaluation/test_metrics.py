# SPDX-License-Identifier: Apache-2.0
"""Metrics against cases worked out by hand, and against scikit-learn where it has them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from sparsh_ros.evaluation import baselines, metrics

EDGES = (-5.0, -2.0, -1.0, -0.5, -0.1, 0.1, 0.5, 1.0, 2.0, 5.0)


def test_force_errors_by_hand():
    truth = np.array([[0.0, 0.0, 1.0], [3.0, 0.0, 4.0]])
    estimate = np.array([[0.1, 0.0, 1.0], [3.0, 0.0, 4.4]])
    scores = metrics.force_errors(estimate, truth)
    assert scores["mae_x_mn"] == pytest.approx(50.0)
    assert scores["rmse_x_mn"] == pytest.approx(1e3 * np.sqrt(0.01 / 2))
    assert scores["mae_y_mn"] == scores["rmse_y_mn"] == 0.0
    assert scores["mae_z_mn"] == pytest.approx(200.0)
    assert scores["rmse_z_mn"] == pytest.approx(1e3 * np.sqrt(0.16 / 2))
    norms = np.array([np.sqrt(1.01) - 1.0, np.sqrt(9 + 4.4**2) - 5.0])
    assert scores["mae_norm_mn"] == pytest.approx(1e3 * norms.mean())
    assert scores["published_rmse_mn"] == pytest.approx(1e3 * 0.5 / 6)


def test_published_rmse_is_a_mean_absolute_error_and_not_the_rmse():
    truth, estimate = np.zeros((2, 3)), np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    scores = metrics.force_errors(estimate, truth)
    assert scores["published_rmse_mn"] == pytest.approx(500.0)
    assert scores["rmse_x_mn"] == pytest.approx(1e3 * np.sqrt(0.5))


def test_slip_scores_by_hand():
    probability = [0.9, 0.8, 0.7, 0.4, 0.1]
    slipping = [True, False, True, True, False]
    scores = metrics.slip_scores(probability, slipping, threshold=0.7)  # at the threshold: slip
    assert scores["precision"] == pytest.approx(2 / 3)
    assert scores["recall"] == pytest.approx(2 / 3)
    assert scores["f1"] == pytest.approx(2 / 3)


def test_slip_scores_without_cases_are_zero():
    scores = metrics.slip_scores([0.1, 0.2], [False, False], threshold=0.5)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.0, 0.0, 0.0)


def test_precision_recall_points_treat_ties_as_one_threshold():
    thresholds, precision, recall = metrics.precision_recall_points(
        [0.9, 0.5, 0.5, 0.2], [True, True, False, True]
    )
    np.testing.assert_allclose(thresholds, [0.9, 0.5, 0.2])
    np.testing.assert_allclose(precision, [1.0, 2 / 3, 3 / 4])
    np.testing.assert_allclose(recall, [1 / 3, 2 / 3, 1.0])


def test_average_precision_by_hand():
    value = metrics.average_precision([0.9, 0.8, 0.7], [True, False, True])
    assert value == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)


def test_threshold_is_the_best_f1_and_lies_between_samples():
    probability = [0.9, 0.8, 0.6, 0.3]
    slipping = [True, True, False, False]
    threshold = metrics.select_threshold(probability, slipping)
    assert threshold == pytest.approx(0.7)
    assert metrics.slip_scores(probability, slipping, threshold)["f1"] == 1.0


def test_threshold_beats_every_other_threshold():
    rng = np.random.default_rng(0)
    slipping = rng.random(200) < 0.2
    probability = np.clip(0.3 * slipping + 0.8 * rng.random(200), 0.0, 1.0)
    best = metrics.slip_scores(
        probability, slipping, metrics.select_threshold(probability, slipping)
    )["f1"]
    others = [metrics.slip_scores(probability, slipping, t)["f1"] for t in np.linspace(0, 1, 101)]
    assert best >= max(others)


def test_bins_are_closed_below_and_open_above():
    values = [-9.0, -5.0, -0.1, 0.0, 0.0999, 0.1, 4.9, 5.0, 9.0]
    np.testing.assert_array_equal(metrics.assign_bins(values, EDGES), [0, 1, 5, 5, 5, 6, 9, 10, 10])


def test_pose_scores_by_hand():
    true_bins = np.array([[5, 5, 5], [6, 5, 4]])
    found = np.array([[5, 5, 5], [5, 5, 4]])
    truth = np.array([[0.0, 0.0, 0.0], [0.2, 0.0, -0.1]])
    estimate = np.array([[0.0, 0.1, 0.0], [0.0, 0.0, -0.3]])
    scores = metrics.pose_scores(found, true_bins, estimate, truth)
    assert scores["accuracy_tx"] == 0.5
    assert scores["accuracy_ty"] == scores["accuracy_yaw"] == 1.0
    assert scores["accuracy"] == pytest.approx(5 / 6)
    assert scores["balanced_accuracy_tx"] == 0.5
    assert scores["mae_tx_mm"] == pytest.approx(0.1)
    assert scores["mae_ty_mm"] == pytest.approx(0.05)
    assert scores["mae_yaw_deg"] == pytest.approx(0.1)


def test_balanced_accuracy_counts_every_bin_alike():
    true_bins = np.array([[5, 5, 5], [5, 5, 5], [5, 5, 5], [8, 5, 5]])
    found = np.full((4, 3), 5)
    scores = metrics.pose_scores(found, true_bins, np.zeros((4, 3)), np.zeros((4, 3)))
    assert scores["accuracy_tx"] == 0.75
    assert scores["balanced_accuracy_tx"] == 0.5
    assert scores["balanced_accuracy"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_trivial_guesses():
    force = baselines.baseline_force([[0, 0, 1.0], [0, 0, 3.0]], [[0, 0, 2.0], [0, 1.0, 2.0]])
    assert force["mae_z_mn"] == 0.0
    assert force["mae_y_mn"] == pytest.approx(500.0)
    assert baselines.baseline_slip([True, False, False, False])["f1"] == pytest.approx(2 / 5)
    pose = baselines.baseline_pose(
        [[5, 5, 5], [5, 5, 5], [6, 4, 5]], [[5, 5, 5], [6, 5, 5]], [[0, 0, 0], [0.4, 0, 0]]
    )
    assert pose["accuracy_tx"] == 0.5
    assert pose["mae_tx_mm"] == pytest.approx(0.2)


@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((0, 3), (0, 3))])
def test_unusable_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="one shape"):
        metrics.force_errors(np.zeros(shapes[0]), np.zeros(shapes[1]))


def noisy_slips() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with ties, and what is true of them."""
    rng = np.random.default_rng(3)
    slipping = rng.random(300) < 0.3
    return np.round(np.clip(0.3 * slipping + 0.7 * rng.random(300), 0, 1), 2), slipping


def test_slip_scores_are_those_of_scikit_learn():
    probability, slipping = noisy_slips()
    for threshold in (0.2, 0.45, 0.8):
        scores = metrics.slip_scores(probability, slipping, threshold)
        answer = probability >= threshold
        assert scores["precision"] == pytest.approx(reference.precision_score(slipping, answer))
        assert scores["recall"] == pytest.approx(reference.recall_score(slipping, answer))
        assert scores["f1"] == pytest.approx(reference.f1_score(slipping, answer))


def test_precision_recall_curve_is_that_of_scikit_learn():
    probability, slipping = noisy_slips()
    thresholds, precision, recall = metrics.precision_recall_points(probability, slipping)
    wanted = reference.precision_recall_curve(slipping, probability)
    # Theirs ascends, and ends with a point (1, 0) that has no threshold.
    np.testing.assert_allclose(precision[::-1], wanted[0][:-1])
    np.testing.assert_allclose(recall[::-1], wanted[1][:-1])
    np.testing.assert_allclose(thresholds[::-1], wanted[2])


def test_average_precision_is_that_of_scikit_learn_also_with_weights():
    probability, slipping = noisy_slips()
    weights = np.random.default_rng(4).integers(0, 4, 300)
    assert metrics.average_precision(probability, slipping) == pytest.approx(
        reference.average_precision_score(slipping, probability)
    )
    repeated = (np.repeat(values, weights) for values in (slipping, probability))
    assert metrics.average_precision(probability, slipping, weights) == pytest.approx(
        reference.average_precision_score(*repeated)
    )


def test_force_errors_are_those_of_scikit_learn():
    rng = np.random.default_rng(5)
    truth, estimate = rng.normal(size=(2, 50, 3))
    scores = metrics.force_errors(estimate, truth)
    mae = reference.mean_absolute_error(truth, estimate, multioutput="raw_values") * 1e3
    rmse = reference.root_mean_squared_error(truth, estimate, multioutput="raw_values") * 1e3
    assert [scores[f"mae_{axis}_mn"] for axis in "xyz"] == pytest.approx(mae)
    assert [scores[f"rmse_{axis}_mn"] for axis in "xyz"] == pytest.approx(rmse)


def test_pose_accuracies_are_those_of_scikit_learn():
    rng = np.random.default_rng(6)
    wanted = rng.integers(3, 8, (200, 3))
    found = np.where(rng.random((200, 3)) < 0.6, wanted, 5)
    scores = metrics.pose_scores(found, wanted, np.zeros((200, 3)), np.zeros((200, 3)))
    sums = metrics.accumulate_pose(found, wanted, np.zeros((200, 3)), np.zeros((200, 3)))
    for axis, name in enumerate(("tx", "ty", "yaw")):
        columns = (wanted[:, axis], found[:, axis])
        assert scores[f"accuracy_{name}"] == pytest.approx(reference.accuracy_score(*columns))
        assert scores[f"balanced_accuracy_{name}"] == pytest.approx(
            reference.balanced_accuracy_score(*columns)
        )
        table = reference.confusion_matrix(*columns, labels=range(11))
        np.testing.assert_array_equal(sums["confusion"][axis], table)


def test_sums_of_parts_give_the_metrics_of_the_whole_and_of_many_at_once():
    rng = np.random.default_rng(7)
    truth, estimate = rng.normal(size=(2, 50, 3))
    parts = [metrics.accumulate_force(estimate[i], truth[i]) for i in (slice(20), slice(20, 50))]
    whole = {key: parts[0][key] + parts[1][key] for key in parts[0]}
    values = metrics.compute_force(whole)
    errors = {k: float(v) for k, v in values.items() if not k.startswith(("correlation", "slope"))}
    assert errors == pytest.approx(metrics.force_errors(estimate, truth))
    expected = np.corrcoef(estimate[:, 0], truth[:, 0])[0, 1]
    assert float(values["correlation_x"]) == pytest.approx(expected)
    slope, _ = np.polyfit(truth[:, 0], estimate[:, 0], 1)
    assert float(values["slope_x"]) == pytest.approx(slope)
    stacked = {key: np.stack([parts[0][key], whole[key]]) for key in whole}
    many = metrics.compute_force(stacked)
    assert many["rmse_norm_mn"][1] == pytest.approx(float(values["rmse_norm_mn"]))
    assert many["mae_x_mn"][0] == pytest.approx(
        metrics.force_errors(estimate[:20], truth[:20])["mae_x_mn"]
    )


def test_what_is_unknown_of_a_motion_does_not_count():
    found = np.array([[5, -1, 6], [5, -1, 6]])
    wanted = np.array([[5, 5, -1], [6, 5, 6]])
    estimate = np.array([[0.0, np.nan, 1.0], [0.5, np.nan, 1.0]])
    truth = np.array([[0.0, 0.0, np.nan], [0.0, 0.0, 3.0]])
    scores = metrics.pose_scores(found, wanted, estimate, truth)
    assert scores["accuracy_tx"] == 0.5 and scores["accuracy_yaw"] == 1.0
    assert np.isnan(scores["accuracy_ty"]) and np.isnan(scores["mae_ty_mm"])
    assert scores["accuracy"] == 0.75  # of the two axes that are known
    assert (scores["mae_tx_mm"], scores["mae_yaw_deg"]) == (0.25, 2.0)
