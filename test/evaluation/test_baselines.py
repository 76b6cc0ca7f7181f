# SPDX-License-Identifier: Apache-2.0
"""Answers that need no sensor, beside the scores of a sensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.made_up_results import make_result, make_sensor, make_slips

from sparsh_ros.evaluation.metrics_file import build_document
from sparsh_ros.evaluation.result import SensorResult

SLIPS = ("0" * 20 + "1" * 20) * 3


def scored(*sensors: SensorResult) -> dict[str, Any]:
    return build_document(make_result(*sensors), seed=0)["scores"]


def slipping(name: str = "a") -> SensorResult:
    """It slips wherever the object is faster than 1 mm/s, and the estimate knows."""
    probability = [0.9 if letter == "1" else 0.1 for letter in SLIPS]
    sensor = make_slips(name, probability, SLIPS)
    sensor.labels.object_speed_m_s[:] = np.where(sensor.labels.slipping == 1, 3e-3, 0.2e-3)
    return sensor


def test_constant_answers_are_beside_the_scores_of_slip_and_find_no_event() -> None:
    slip = scored(slipping())["slip"]
    assert slip["event_f1"]["value"] == 1
    assert slip["event_f1"]["baselines"] == {"always": 0, "never": 0, "speedometer": 1}
    assert slip["f1"]["baselines"]["always"] == pytest.approx(2 / 3, rel=1e-5)
    assert slip["average_precision"]["baselines"]["always"] == pytest.approx(0.5)
    assert slip["quiet_alarmed"]["baselines"]["always"] == 1
    assert slip["missed_onsets"]["baselines"]["always"] == 3
    assert slip["missed_onsets"]["value"] == 0


def test_the_speedometer_has_a_threshold_of_its_own_and_is_silent_without_speeds() -> None:
    sensor = slipping()
    sensor.labels.object_speed_m_s[:20] = 5e-3  # it moves, and sticks
    slip = scored(sensor)["slip"]
    assert slip["precision"]["baselines"]["speedometer"] == pytest.approx(60 / 80)
    assert slip["average_precision"]["baselines"]["speedometer"] < 1
    sensor.labels.object_speed_m_s[:] = np.nan
    assert "speedometer" not in scored(sensor)["slip"]["f1"]["baselines"]


def test_moving_frames_are_scored_apart() -> None:
    sensor = slipping()
    sensor.labels.object_speed_m_s[:20] = 5e-3
    sensor.estimates.slipping[:20], sensor.estimates.slip_probability[:20] = 1, 0.95
    slip = scored(sensor)["slip"]
    assert slip["moving_precision"]["value"] == pytest.approx(60 / 80)
    assert slip["precision"]["value"] == pytest.approx(60 / 80)
    assert slip["moving_recall"]["value"] == 1
    assert slip["moving_average_precision"]["value"] < slip["average_precision"]["value"] + 0.01


def test_the_mean_and_no_motion_are_beside_force_and_motion() -> None:
    sensor = make_sensor("a", 0.1, count=4)
    sensor.labels.force_n[:, 2] = (0, 1, 2, 5)
    sensor.labels.in_contact[:] = (0, 1, 1, 1)
    sensor.estimates.force_n[:, 2] = sensor.labels.force_n[:, 2]
    sensor.estimates.pose_change[:], sensor.labels.pose_change[:] = 1e-3, 2e-3
    found = scored(sensor)
    assert found["force"]["mae_z_mn"]["value"] == 0
    assert found["force"]["mae_z_mn"]["baselines"] == {"mean": 1500}
    assert found["force"]["correlation_z"]["value"] == 1
    assert found["force"]["touch_mae_z_mn"]["baselines"]["mean"] == pytest.approx(4e3 / 3, rel=1e-5)
    assert found["pose"]["mae_tx_mm"]["value"] == pytest.approx(1, rel=1e-5)
    assert found["pose"]["mae_tx_mm"]["baselines"]["no motion"] == pytest.approx(2, rel=1e-5)


def test_a_baseline_is_scored_on_the_frames_of_the_estimate() -> None:
    sensor = make_sensor("a", 0.1, count=4)
    sensor.labels.force_n[:, 2] = (0, 1, 2, 500)
    sensor.estimates.force_n[3] = np.nan
    assert scored(sensor)["force"]["mae_z_mn"]["baselines"]["mean"] == pytest.approx(2e3 / 3, 1e-5)


def test_contact_has_scores_of_its_own() -> None:
    sensor = make_sensor("a", 0.0, count=40)
    sensor.labels.in_contact[:] = ([0] * 10 + [1] * 10) * 2
    sensor.estimates.in_contact[:] = ([0] * 12 + [1] * 8) * 2
    contact = scored(sensor)["contact"]
    assert contact["recall"]["value"] == 0.8 and contact["precision"]["value"] == 1
    assert contact["delay_mean_ms"]["value"] == 20
    assert contact["event_f1"]["baselines"] == {"always": 0, "never": 0}


def test_how_it_slides_is_scored_against_its_own_truth() -> None:
    sensor = slipping()
    truth = np.linspace(0, 1, len(sensor.estimates))
    for estimate, label in ((sensor.estimates, 0.1), (sensor.labels, 0.0)):
        estimate.__dict__["slip_share"] = (truth + label).astype(np.float32)
        estimate.__dict__["slide_speed_m_s"] = (1e-3 * (truth + label)).astype(np.float32)
    slip = scored(sensor)["slip"]
    assert slip["slip_share_mae"]["value"] == pytest.approx(0.1, rel=1e-4)
    assert slip["slip_share_mae"]["baselines"]["mean"] == pytest.approx(0.25, rel=0.02)
    assert slip["slide_speed_mm_s_mae"]["value"] == pytest.approx(0.1, rel=1e-3)
    assert slip["slide_speed_mm_s_correlation"]["value"] == pytest.approx(1)
    assert slip["friction_margin_mae"]["value"] is None
    gross = sensor.labels.gross_slip  # 90 % of it, at 0.5 mm/s or more
    assert slip["gross_recall"]["value"] == pytest.approx(1) and gross.sum() == 12
