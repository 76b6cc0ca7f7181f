# SPDX-License-Identifier: Apache-2.0
"""Onsets, alarms and drift, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.evaluation import events

PERIOD_NS = 10_000_000


def stamps(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) * PERIOD_NS


def bits(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def count(said: str, true: str, stamp_ns: np.ndarray | None = None) -> tuple[dict, list[float]]:
    """Events and delays where all is known."""
    times = stamps(len(said)) if stamp_ns is None else stamp_ns
    runs = events.find_segments(times, np.ones(len(said), bool), PERIOD_NS)
    sums, delays_ms = events.accumulate_events(times, bits(said), bits(true), runs)
    return {key: float(value) for key, value in sums.items()}, delays_ms.tolist()


def test_runs_end_at_what_is_unknown_at_gaps_and_where_the_clock_steps_back():
    times = np.array([0, 1, 2, 3, 4, 8, 9, 1]) * PERIOD_NS
    known = bits("11011111")
    runs = [run.tolist() for run in events.find_segments(times, known, PERIOD_NS)]
    assert runs == [[0, 1], [3, 4], [5, 6], [7]]
    assert events.find_segments(times, bits("00000000"), PERIOD_NS) == []


def test_delay_is_the_time_from_the_onset_to_the_beginning_of_the_alarm():
    sums, delays_ms = count(said="0000110000", true="0011110000")
    assert delays_ms == [20.0]
    assert (sums["onsets"], sums["missed_onsets"], sums["false_alarm_count"]) == (1, 0, 0)


def test_an_alarm_that_began_before_the_onset_is_false_and_does_not_find_it():
    sums, delays_ms = count(said="0111100000", true="0011110000")
    assert delays_ms == []
    assert (sums["onsets"], sums["missed_onsets"], sums["false_alarm_count"]) == (1, 1, 1)
    assert sums["alarmed_minutes"] == pytest.approx(0.01 / 60)  # until the onset


def test_an_alarm_that_begins_again_after_the_onset_finds_it():
    sums, delays_ms = count(said="0110110000", true="0011110000")
    assert delays_ms == [20.0]
    assert (sums["missed_onsets"], sums["false_alarm_count"]) == (0, 1)


def test_an_alarm_finds_an_onset_up_to_83_ms_old_and_is_neither_after_that():
    for late, found in ((8, 1), (9, 0)):
        sums, _ = count(said="00" + "0" * late + "1" * 5, true="00" + "1" * (late + 5))
        assert (1 - sums["missed_onsets"], sums["false_alarm_count"]) == (found, 0)


def test_a_missed_slip_has_no_delay_and_an_alarm_after_its_end_is_false():
    sums, delays_ms = count(said="0000001100", true="0011100000")
    assert delays_ms == []
    assert (sums["onsets"], sums["missed_onsets"], sums["false_alarm_count"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("said", "f1", "rate", "alarmed"),
    [
        ("always", 0.0, 1 / 80, 1.0),
        ("never", 0.0, 0.0, 0.0),
        ("truth", 1.0, 0.0, 0.0),
        ("early", 0.0, 2 / 80, 2 / 80),
    ],
)
def test_constant_answers_score_nothing(said: str, f1: float, rate: float, alarmed: float):
    true = ("0" * 40 + "1" * 10) * 2 + "0"
    answers = {"always": "1" * 101, "never": "0" * 101, "truth": true, "early": true[1:] + "0"}
    values = events.compute_events(
        {key: np.array(value) for key, value in count(answers[said], true)[0].items()}
    )
    assert values["event_f1"] == f1
    assert values["false_alarms_per_minute"] == pytest.approx(rate / (0.01 / 60))
    assert values["quiet_alarmed"] == pytest.approx(alarmed)


def test_the_onset_of_a_slip_that_goes_on_already_is_not_known():
    sums, _ = count(said="0000", true="1100")
    assert sums["onsets"] == sums["missed_onsets"] == 0


def test_false_alarms_are_counted_per_time_in_which_nothing_slips():
    sums, _ = count(said="1010010000", true="0000011000")
    # Nothing slips in frames 0 to 4 and from 7 on: 5 + 2 steps, the last frame has none.
    assert sums["quiet_minutes"] == pytest.approx(7 * 0.01 / 60)
    rate = events.compute_events({k: np.array(v) for k, v in sums.items()})
    assert rate["false_alarms_per_minute"] == pytest.approx(2 / (7 * 0.01 / 60))


def test_a_gap_ends_slips_and_alarms():
    times = np.array([0, 1, 2, 50, 51, 52], np.int64) * PERIOD_NS
    sums, delays_ms = count(said="000110", true="011110", stamp_ns=times)
    assert (sums["onsets"], sums["missed_onsets"], delays_ms) == (1, 1, [])
    assert sums["quiet_minutes"] == pytest.approx(0.01 / 60)


def test_without_onsets_there_is_no_delay():
    values = events.compute_events(events.accumulate_events(stamps(0), [], [], [])[0])
    assert np.isnan(values["delay_mean_ms"]) and np.isnan(values["false_alarms_per_minute"])


def test_three_frames_must_agree_and_the_threshold_itself_is_not_above():
    probability = [0.5, 0.5, 0.5, 0.4, 0.9, 0.9, 0.9, 0.9]
    runs = [np.arange(8)]
    assert events.three_frame_slip(probability, runs).tolist() == list(bits("00100011"))
    split = [np.arange(6), np.arange(6, 8)]
    assert events.three_frame_slip(probability, split).tolist() == list(bits("00100000"))


def test_drift_is_the_change_of_the_error_over_the_time():
    times, count = stamps(101), 101
    truth = np.zeros((count, 3)) + (5.0, -5.0, 30.0)  # any origin
    estimate = np.zeros((count, 3))
    estimate[:, 0], estimate[:, 1] = np.linspace(0, 3, count), np.linspace(0, -4, count)
    estimate[:, 2] = np.linspace(0, -2, count)
    sums = events.accumulate_drift(times, estimate, truth, PERIOD_NS)
    values = events.compute_drift(sums)
    assert values["drift_mm_per_s"] == pytest.approx(5.0)
    assert values["drift_deg_per_s"] == pytest.approx(2.0)


def test_each_contact_drifts_anew_and_short_ones_do_not_count():
    times = stamps(200)
    estimate, truth = np.zeros((200, 3)), np.zeros((200, 3))
    estimate[:100, 0] = np.linspace(0, 1, 100)
    estimate[100] = np.nan
    estimate[101:140, 0] = 50.0 * np.linspace(0, 1, 39)  # 0.38 s
    truth[140] = np.nan
    sums = events.accumulate_drift(times, estimate, truth, PERIOD_NS)
    assert sums["drift_mm"] == pytest.approx(1.0)
    assert sums["drift_mm_s"] == pytest.approx(0.99 + 0.58)


def test_an_axis_that_is_not_known_has_no_drift():
    estimate = np.zeros((100, 3))
    estimate[:, 2] = np.nan
    values = events.compute_drift(
        events.accumulate_drift(stamps(100), estimate, np.zeros((100, 3)), PERIOD_NS)
    )
    assert values["drift_mm_per_s"] == 0.0
    assert np.isnan(values["drift_deg_per_s"])
