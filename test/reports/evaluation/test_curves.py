# SPDX-License-Identifier: Apache-2.0
"""What the script of the page gets to draw."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest
from fixtures.made_up_results import PERIOD_NS

from sparsh_ros.reports.evaluation.curves import (
    decimated,
    decimated_times,
    points_per_curve,
    quantised,
    viewer_data,
)
from sparsh_ros.reports.evaluation.links import elapsed_s

PERIOD_S = PERIOD_NS * 1e-9


def decode(curve: dict) -> np.ndarray:
    numbers = np.frombuffer(base64.b64decode(curve["data"]), "<u2")
    return np.where(numbers == 65535, np.nan, curve["low"] + curve["step"] * numbers)


@pytest.mark.parametrize(
    "values", [np.linspace(-3, 5, 1000), np.full(5, 2.5), np.full(3, np.nan), np.array([])]
)
def test_quantised_values_are_those_that_were_given(values: np.ndarray) -> None:
    span = np.ptp(values[np.isfinite(values)]) if np.isfinite(values).any() else 0
    np.testing.assert_allclose(decode(quantised(values)), values, atol=span / 65534)


def test_what_is_not_known_stays_unknown() -> None:
    values = np.array([1.0, np.nan, 2.0, np.inf])
    np.testing.assert_array_equal(np.isnan(decode(quantised(values))), [False, True, False, True])


def test_no_peak_is_lost_where_there_are_too_many_frames() -> None:
    values = np.zeros(10_000)
    values[[17, 4321, 9999]] = (5, -7, 3)
    values[6000:6100] = np.nan
    few = decimated(values, 100)
    assert len(few) == len(decimated_times(np.arange(10_000.0), 100)) == 100
    assert np.nanmax(few) == 5 and np.nanmin(few) == -7 and few[-1] == 3
    assert (few[:2] == [0, 5]).all() and np.isfinite(few).all()
    assert (np.diff(decimated_times(np.arange(10_000.0), 100)) > 0).all()


def test_few_frames_are_drawn_one_by_one() -> None:
    values = np.arange(50.0)
    assert decimated(values, 50) is values and decimated_times(values, 50) is values


def test_the_more_recordings_the_fewer_points_but_never_too_few() -> None:
    assert points_per_curve(1) > points_per_curve(10) > points_per_curve(100) >= 400
    assert points_per_curve(100_000) == points_per_curve(1_000_000) == 400


def test_time_goes_on_where_the_clock_steps_back(touch) -> None:
    sensor = touch("a", count=5)
    sensor.estimates.stamp_ns[3:] -= 1_000_000_000
    np.testing.assert_allclose(elapsed_s(sensor), np.arange(5) * PERIOD_S)


def test_spans_onsets_and_images_lie_where_they_should(touch) -> None:
    sensor = touch("a", count=200, late=3)
    sensor.estimates.reason[:2] = 0
    data = viewer_data(sensor, 0.5, 1000, {40: "#there"})
    assert data["slipping"] == [[0.4, 0.7], [1.4, 1.7]]
    assert data["said"] == [[0.43, 0.7], [1.43, 1.7]]
    assert data["unknown"] == [[0.0, 0.02]]
    assert data["onsets"] == [[0.4, 30.0], [1.4, 30.0]]
    assert [image[0] for image in data["images"]] == [0.0, 0.4, 0.41, 0.42, 1.0]
    assert data["images"][1][1] == "#there"
    assert data["worst"] == 0.4 and data["unlabelled"] == []


def test_a_missed_onset_has_no_delay_and_the_last_frame_ends_a_slip(touch) -> None:
    sensor = touch("a", count=60, late=100)
    data = viewer_data(sensor, 0.5, 1000, {})
    assert data["onsets"] == [[0.4, None]]
    assert data["slipping"] == [[0.4, 0.6]] and data["said"] == []


def test_rows_are_what_is_estimated_with_the_truth_beside_it(touch) -> None:
    rows = viewer_data(touch("a", 0.25), 0.5, 1000, {})["rows"]
    assert [row["title"] for row in rows] == (
        ["Force x", "Force y", "Force z", "Probability of slip"]
        + ["Motion over 80 ms, x", "Motion over 80 ms, y"]
        + ["Motion since contact, x", "Motion since contact, y"]
    )  # fmt: skip
    force = rows[0]
    np.testing.assert_allclose(decode(force["estimate"]) - decode(force["truth"]), 0.25, atol=1e-6)
    slip = rows[3]
    assert "truth" not in slip and slip["threshold"] == 0.5
    assert [row.get("last", False) for row in rows].count(True) == 4


def test_the_true_pose_begins_where_the_estimate_does(touch) -> None:
    sensor = touch("a")
    x = viewer_data(sensor, 0.5, 1000, {})["rows"][-2]
    np.testing.assert_allclose(decode(x["truth"]), decode(x["estimate"]), atol=1e-3)
    broken = sensor.estimates.pose.copy()
    broken[100:110] = np.nan
    again = replace(sensor, estimates=replace(sensor.estimates, pose=broken))
    x = viewer_data(again, 0.5, 1000, {})["rows"][-2]
    assert np.isnan(decode(x["truth"])[100:110]).all()
