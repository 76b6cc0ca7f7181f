# SPDX-License-Identifier: Apache-2.0
"""Alarms with hysteresis, and events by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.training.stream.slip_events import alarm, choose_thresholds, score_events


def flags(length: int, *spans: tuple[int, int]) -> np.ndarray:
    values = np.zeros(length, bool)
    for first, last in spans:
        values[first:last] = True
    return values


def test_an_alarm_ends_lower_than_it_begins() -> None:
    probability = np.array([0.1, 0.7, 0.5, 0.31, 0.29, 0.5, 0.7, np.nan, 0.5])
    wanted = [False, True, True, True, False, False, True, False, False]
    assert alarm(probability, 0.6, 0.3).tolist() == wanted


def test_events_by_hand() -> None:
    truth = flags(120, (20, 40), (60, 80), (100, 110))
    said = flags(120, (23, 40), (50, 52), (70, 75))
    scores = score_events([said], [truth])
    # Found 3 frames late; a false alarm at 50; that at 70 begins within slip and counts as neither.
    assert (scores.events, scores.found, scores.false_alarms) == (3, 1, 1)
    assert scores.delay_s == pytest.approx(3 / 60)
    assert scores.f1 == pytest.approx(2 / 5)
    assert scores.false_per_min == pytest.approx(1 / (70 / 3600))


def test_always_slipping_finds_nothing() -> None:
    scores = score_events([np.ones(120, bool)], [flags(120, (20, 40), (60, 80))])
    assert scores.f1 == 0.0


def test_thresholds_keep_false_alarms_rare() -> None:
    rng = np.random.default_rng(0)
    truth = [flags(600, (200, 260), (400, 460)) for _ in range(5)]
    noise = [0.55 * (rng.random(600) < 0.02) for _ in range(5)]
    probability = [np.where(t, 0.8, n) for t, n in zip(truth, noise, strict=True)]
    on, off, scores = choose_thresholds(probability, truth)
    assert 0.55 < on <= 0.8 and off < on
    assert scores.f1 == 1.0 and scores.false_alarms == 0
