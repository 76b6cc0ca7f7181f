# SPDX-License-Identifier: Apache-2.0
"""Labels at the stamps of estimates, against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sparsh_ros.evaluation.alignment import align
from sparsh_ros.evaluation.result import UNKNOWN, EstimateLog, Labels
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.recordings.label_series import LabelLog

SPEC = load_model_spec("sparsh-sim-micro")
MS = 1_000_000
PERIOD_NS = 10 * MS
STEP_BACK_NS = 40 * MS
INTERVAL_S = 0.02
WIDTHS = {"force": 3, "slip": 5, "pose": 4, "pose_change": 4}


def aligned(
    times_ms: list[float], valid: bool = True, **streams: list[tuple[float, list[float]]]
) -> tuple[Labels, dict[str, dict[str, int]]]:
    """Labels of frames at some times, of intervals of 20 ms."""
    columns = EstimateLog(STEP_BACK_NS)
    reason = "" if valid else "no background: none yet"
    for time_ms in times_ms:
        columns.add(Estimate("left", round(time_ms * MS), INTERVAL_S, valid=valid, reason=reason))
    made = {}
    for kind, labels in streams.items():
        made[kind] = LabelLog(WIDTHS[kind], STEP_BACK_NS)
        for time_ms, values in labels:
            fill = 1.0 if kind == "pose" else np.nan  # the print shows the rotation
            values = [*values, *[fill] * (WIDTHS[kind] - len(values))]
            made[kind].add(round(time_ms * MS), values, 0)
    return align(columns.arrays(), columns.segment, made, SPEC, PERIOD_NS)


def ramp(first: int, last: int, step: int = 10) -> list[tuple[float, list[float]]]:
    """Labels that equal the time in seconds, in x alone."""
    return [(time, [time * 1e-3, 0.0, 0.0]) for time in range(first, last, step)]


def test_force_is_interpolated_linearly_and_its_change_is_that_over_the_interval():
    labels, unaligned = aligned([30, 34, 37.5], force=ramp(0, 60))
    np.testing.assert_allclose(labels.force_n[:, 0], [0.03, 0.034, 0.0375], rtol=1e-6)
    np.testing.assert_allclose(labels.delta_force_n[:, 0], 0.02, rtol=1e-5)
    assert unaligned["force"] == {}


def test_force_is_not_made_up_beyond_the_labels():
    labels, unaligned = aligned([5, 10, 40, 41], force=ramp(10, 50))
    np.testing.assert_array_equal(np.isnan(labels.force_n[:, 0]), [True, False, False, True])
    assert unaligned["force"] == {"before the first label or after the last": 2}
    assert np.isnan(labels.delta_force_n[1, 0]) and labels.delta_force_n[2, 0] > 0


def test_force_is_not_interpolated_across_a_gap_of_more_than_three_periods():
    labels, unaligned = aligned([20, 35, 60, 70], force=ramp(0, 40) + ramp(71, 120))
    np.testing.assert_array_equal(np.isnan(labels.force_n[:, 0]), [False, True, True, True])
    assert unaligned["force"] == {"in a gap of the labels": 3}
    near, _ = aligned([35], force=ramp(0, 40) + ramp(60, 120))  # exactly three periods
    assert near.force_n[0, 0] == pytest.approx(0.035)


def test_an_unknown_force_is_told_apart():
    force = ramp(0, 60)
    force[3] = (30, [math.nan, 0.0, 0.0])
    labels, unaligned = aligned([20, 25, 30, 40], force=force)
    np.testing.assert_array_equal(np.isnan(labels.force_n[:, 0]), [False, True, True, False])
    assert unaligned["force"] == {"the label is unknown": 2}


def test_slip_is_that_of_the_nearest_label_within_half_a_frame_period():
    slip = [(0, [0, 0]), (4, [0, 1]), (10, [1, 1]), (50, [0, 1])]  # most of them follow soon
    labels, unaligned = aligned([1, 5, 8, 15, 16, 44, 46], slip=slip)
    assert labels.slipping.tolist() == [0, 0, 1, 1, UNKNOWN, UNKNOWN, 0]
    assert labels.in_contact.tolist() == [0, 1, 1, 1, UNKNOWN, UNKNOWN, 1]
    assert unaligned["slip"] == {"no label within half a period": 2}


@pytest.mark.parametrize(("label_ms", "left_out"), [(5, 0), (12, 0), (20, 0), (30, 0), (50, 8)])
def test_slip_labels_that_are_rarer_than_frames_leave_no_holes(label_ms: int, left_out: int):
    slip = [(time, [1, 1]) for time in range(0, 201, label_ms)]
    labels, unaligned = aligned(list(range(0, 200, 10)), slip=slip)
    assert int((labels.slipping == UNKNOWN).sum()) == left_out
    assert unaligned["slip"] == ({"no label within half a period": left_out} if left_out else {})


def test_labels_that_come_in_bursts_have_no_gaps_shorter_than_a_frame_period():
    bursts = [start + 0.1 * part for start in range(0, 100, 8) for part in range(4)]
    force = [(time, [time * 1e-3, 0.0, 0.0]) for time in bursts]
    labels, unaligned = aligned([30, 44, 61], force=force)
    np.testing.assert_allclose(labels.force_n[:, 0], [0.03, 0.044, 0.061], rtol=1e-6)
    assert unaligned["force"] == {}


def test_motion_is_the_difference_of_poses_at_both_ends_of_the_interval():
    labels, unaligned = aligned([20, 34], pose=ramp(0, 60))
    np.testing.assert_allclose(labels.pose_change[:, 0], 0.02, rtol=1e-5)
    np.testing.assert_allclose(labels.pose[:, 0], [0.02, 0.034], rtol=1e-5)
    # 20 mm lie above the highest edge, no motion in the middle.
    assert labels.pose_bins.tolist() == [[10, 5, 5]] * 2
    assert unaligned["pose"] == {}


def test_motion_is_unknown_where_contact_was_lost_in_between():
    pose = ramp(0, 100)
    pose[4] = (40, [math.nan] * 3)
    labels, unaligned = aligned([30, 40, 50, 60, 70], pose=pose)
    known = np.isfinite(labels.pose_change[:, 0])
    np.testing.assert_array_equal(known, [True, False, False, False, True])
    assert labels.pose_bins[~known].max() == UNKNOWN
    assert np.isfinite(labels.pose[2, 0])  # the pose itself is known as soon as there is contact
    assert unaligned["pose"] == {"no contact throughout the interval": 3}


def test_motion_needs_labels_as_old_as_the_interval():
    labels, unaligned = aligned([10, 20], pose=ramp(0, 40))
    np.testing.assert_array_equal(np.isnan(labels.pose_change[:, 0]), [True, False])
    assert unaligned["pose"] == {"the interval reaches beyond the labels": 1}


def test_rotation_goes_on_beyond_half_a_turn():
    angles = [(t, math.remainder(3.0 + 0.01 * t, 2 * math.pi)) for t in range(0, 60, 10)]
    turning = [(t, [0.0, 0.0, angle]) for t, angle in angles]
    labels, _ = aligned([20, 30, 40], pose=turning)
    np.testing.assert_allclose(labels.pose_change[:, 2], 0.2, rtol=1e-5)


def test_a_label_of_the_motion_counts_if_it_spans_the_interval():
    change = [(20, [0.02, 1e-3, 0, 0]), (40, [0.05, 9e-3, 0, 0]), (60, [0.024, 2e-3, 0, 0])]
    labels, unaligned = aligned([20, 40, 61, 80], pose_change=change)
    np.testing.assert_allclose(labels.pose_change[:, 0], [1e-3, np.nan, 2e-3, np.nan])
    assert unaligned["pose"] == {
        "no label within half a frame period": 1,
        "the label spans another interval": 1,
    }


def test_after_the_clock_was_set_back_frames_meet_the_labels_of_the_same_segment():
    again = [(time, [7.0, 0.0, 0.0]) for time in range(0, 60, 10)]
    labels, unaligned = aligned([30, 50, 0, 30, 50], force=ramp(0, 60) + again)
    np.testing.assert_allclose(labels.force_n[:, 0], [0.03, 0.05, 7, 7, 7], rtol=1e-6)
    assert unaligned["force"] == {}


def test_what_is_not_estimated_is_not_missed():
    labels, unaligned = aligned([5, 500], valid=False, force=ramp(0, 40), slip=[(0, [0, 0])])
    assert unaligned == {"force": {}, "slip": {}, "pose": {}}
    assert labels.force_n[0, 0] == pytest.approx(0.005)


def test_a_single_label_holds_at_its_own_stamp_only():
    labels, _ = aligned([10, 11], force=[(10, [1.0, 2.0, 3.0])])
    np.testing.assert_allclose(labels.force_n, [[1, 2, 3], [np.nan] * 3])


def test_no_labels_at_all():
    labels, unaligned = aligned([10, 20], force=[], slip=[], pose=[])
    assert np.isnan(labels.force_n).all() and (labels.slipping == UNKNOWN).all()
    assert unaligned["force"] == {"before the first label or after the last": 2}


def test_how_it_slides_is_that_of_the_nearest_label() -> None:
    labels, _ = aligned([0, 10], slip=[(0, [1, 1, 2e-3, 0.5, 0.25]), (10, [0, 1])])
    assert labels.slide_speed_m_s == pytest.approx([2e-3, np.nan], nan_ok=True)
    assert labels.slip_share[0] == 0.5 and labels.friction_margin[0] == 0.25
    assert np.isnan(labels.slip_share[1])


def test_the_speed_of_the_object_begins_with_contact() -> None:
    pose = [(time, [1e-3 * time * 1e-3, 0.0, 0.0]) for time in range(100, 200, 10)]
    slip = [(time, [0, time >= 100]) for time in range(0, 200, 10)]
    labels, _ = aligned([50, 100, 110, 190], pose=pose, slip=slip)
    assert labels.object_speed_m_s == pytest.approx([0, 0, 1e-3, 1e-3], rel=1e-5)


def test_rotation_is_a_label_only_where_the_print_shows_it_at_both_ends() -> None:
    pose = [
        (time, [1e-3 * time, 0.0, 0.01 * time, float(time >= 40)]) for time in range(0, 100, 10)
    ]
    labels, _ = aligned([30, 50, 60, 80], pose=pose)
    assert labels.pose_change[:, 0] == pytest.approx([0.02] * 4)
    assert labels.pose_change[:, 2] == pytest.approx([np.nan, np.nan, 0.2, 0.2], nan_ok=True)
    assert (labels.pose_bins[:, 2] == UNKNOWN).tolist() == [True, True, False, False]
    assert np.isnan(labels.pose[0, 2]) and labels.pose[1, 2] == pytest.approx(0.5)
