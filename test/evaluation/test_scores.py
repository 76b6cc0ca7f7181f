# SPDX-License-Identifier: Apache-2.0
"""Scores with intervals, and what metrics.json holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fixtures.made_up_results import PERIOD_NS, make_result, make_sensor, make_slips
from sklearn.metrics import average_precision_score

from sparsh_ros.evaluation.metrics_file import build_document, rounded


def test_scores_are_over_all_frames_of_all_recordings() -> None:
    result = make_result(make_sensor("a", 0.1, count=10), make_sensor("b", 0.4, count=30))
    force = build_document(result, seed=0)["scores"]["force"]
    assert force["labelled"]["value"] == 40
    assert force["mae_x_mn"]["value"] == pytest.approx((10 * 100 + 30 * 400) / 40)
    assert force["rmse_x_mn"]["value"] == pytest.approx(1e3 * np.sqrt((0.1 + 4.8) / 40), rel=1e-5)
    assert force["published_rmse_mn"]["value"] == pytest.approx(13_000 / 120, rel=1e-5)


def test_the_interval_is_that_of_recordings_drawn_anew() -> None:
    errors = np.array([0.1, 0.2, 0.3, 0.4, 0.8])
    sensors = [make_sensor(f"bag {i}", error) for i, error in enumerate(errors)]
    mae = build_document(make_result(*sensors), seed=0)["scores"]["force"]["mae_x_mn"]
    rng = np.random.default_rng(99)
    means = rng.choice(errors, (20_000, len(errors))).mean(axis=1) * 1e3
    low, high = np.percentile(means, (2.5, 97.5))
    assert mae["low"] == pytest.approx(low, abs=25)
    assert mae["high"] == pytest.approx(high, abs=25)
    assert mae["low"] < mae["value"] < mae["high"]


def test_the_interval_depends_on_the_seed_alone() -> None:
    result = make_result(*(make_sensor(str(error), error) for error in (1, 2, 3, 9)))
    once, again, other = (build_document(result, seed)["scores"] for seed in (0, 0, 1))
    assert json.dumps(once) == json.dumps(again)
    assert once["force"]["mae_x_mn"]["value"] == other["force"]["mae_x_mn"]["value"]
    assert once != other


def test_one_recording_gives_no_interval_even_with_two_sensors() -> None:
    result = make_result(make_sensor("a", 0.1), make_sensor("a", 0.4))
    mae = build_document(result, seed=0)["scores"]["force"]["mae_x_mn"]
    assert mae["value"] == pytest.approx(250)
    assert mae["low"] is None and mae["high"] is None


def test_a_task_without_labels_has_no_scores_and_coverage_is_known() -> None:
    sensor = make_sensor("a", 0.1, count=4)
    sensor.estimates.force_n[:1] = np.nan
    result = build_document(make_result(sensor), seed=0)
    assert list(result["scores"]) == ["force"]
    assert result["scores"]["force"]["coverage"]["value"] == 0.75
    assert result["scores"]["force"]["mae_x_mn"]["value"] == pytest.approx(100)


def test_slip_scores_by_hand() -> None:
    probability = [0.0, 0.6, 0.0, 0.45, 0.9, 0.9, 0.9, 0.0]
    slipping = "00011110"
    slip = build_document(make_result(make_slips("a", probability, slipping)), 0)["scores"]["slip"]
    values = {key: score["value"] for key, score in slip.items()}
    assert values["precision"] == 0.75 and values["recall"] == 0.75 and values["f1"] == 0.75
    assert (values["onsets"], values["missed_onsets"]) == (1, 0)
    assert values["delay_mean_ms"] == values["delay_median_ms"] == 10
    quiet_minutes = 3 * PERIOD_NS / 60e9  # the last frame has no step
    assert values["false_alarms_per_minute"] == pytest.approx(1 / quiet_minutes, rel=1e-5)
    # Above 0.4 in frames 3 to 6, and in the two before as well in 5 and 6.
    assert values["published_precision"] == 1.0 and values["published_recall"] == 0.5
    truth = [letter == "1" for letter in slipping]
    assert values["average_precision"] == pytest.approx(
        average_precision_score(truth, probability), rel=1e-5
    )


def test_slip_without_contact_is_no_slip_at_any_threshold() -> None:
    sensor = make_slips("a", [0.875, 0.875], "01")
    sensor.estimates.in_contact[0] = 0
    sensor.estimates.slipping[0] = 0
    sweep = build_document(make_result(sensor), seed=0)["threshold_sweep"]
    assert sweep["threshold"][:2] == [0.01, 0.02] and len(sweep["threshold"]) == 99
    assert set(sweep["precision"][:87]) == {1}
    assert sweep["recall"][86] == 1 and sweep["recall"][87] == 0  # 0.87, 0.88


def test_rankings_have_intervals_too() -> None:
    good = [make_slips(f"good {i}", [0.1, 0.9, 0.9, 0.1], "0110") for i in range(3)]
    bad = [make_slips(f"bad {i}", [0.9, 0.1, 0.6, 0.6], "0110") for i in range(3)]
    slip = build_document(make_result(*good, *bad), seed=0)["scores"]["slip"]
    precision = slip["average_precision"]
    assert precision["low"] < precision["value"] < precision["high"] <= 1
    assert slip["delay_median_ms"]["low"] == 0 and slip["delay_median_ms"]["high"] == 10
    assert slip["onsets"]["low"] is None


def test_pose_scores_by_hand() -> None:
    count = 100
    bins = np.full((count, 3), 5, np.int8)
    found = bins.copy()
    found[:25, 0], found[:, 2] = 6, -1
    motion = np.zeros((count, 3), np.float32)
    moved = motion + np.array([2e-4, 0, np.nan], np.float32)
    pose = motion + np.array([1e-3, 0, np.nan], np.float32) * np.linspace(0, 1, count)[:, None]
    sensor = make_sensor(
        "a",
        0.0,
        count,
        estimates={"pose_bins": found, "pose_change": moved, "pose": pose.astype(np.float32)},
        labels={"pose_bins": bins, "pose_change": motion, "pose": motion},
    )
    values = build_document(make_result(sensor), seed=0)["scores"]["pose"]
    assert values["accuracy_tx"]["value"] == 0.75 and values["accuracy_ty"]["value"] == 1
    assert values["accuracy_yaw"]["value"] is None and values["mae_yaw_deg"]["value"] is None
    assert values["accuracy"]["value"] == 0.875
    assert values["mae_tx_mm"]["value"] == pytest.approx(0.2)
    assert values["drift_mm_per_s"]["value"] == pytest.approx(1 / 0.99, rel=1e-5)


def test_the_document_is_json_and_keeps_runtime_apart() -> None:
    result = build_document(make_result(make_sensor("a", 0.1)), seed=3)
    json.dumps(result, allow_nan=False)
    assert result["schema"] == 3 and result["settings"]["seed"] == 3
    assert list(result)[-1] == "runtime"
    assert result["runtime"] == {
        "frames": 20,
        "wall_s": 2,
        "frames_per_second": 10,
        "latency_ms": {"p50": 5, "p90": 5, "p99": 5},
        "engine": "fake",
    }
    entry = result["recordings"][0]
    assert (entry["name"], entry["sensor"], entry["sensor_type"]) == ("a", "left", "digit")
    assert entry["scores"]["force"]["mae_x_mn"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.123456789, 0.123457), (123456.7, 123457.0), (3.0, 3), (np.nan, None), (np.inf, None)],
)
def test_numbers_are_written_with_six_digits(value: float, written: float | None) -> None:
    assert rounded(value) == written
