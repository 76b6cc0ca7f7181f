# SPDX-License-Identifier: Apache-2.0
"""Alarms of a whole recording, events by hand, and the choice of a rule."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.training.stream.slip_events import AlarmRule, alarm, choose_rule, score_events


def flags(length: int, *spans: tuple[int, int]) -> np.ndarray:
    values = np.zeros(length, bool)
    for first, last in spans:
        values[first:last] = True
    return values


def test_alarms_wait_as_many_frames_as_the_rule_says() -> None:
    probability = np.array([0.1, 0.7, 0.2, 0.7, 0.7, 0.7, 0.4, 0.2])
    for frames, wanted in ((0, (1, 3, 4, 5, 6)), (2, (5, 6))):
        said = alarm(probability, AlarmRule(0.6, 0.3, frames))
        assert np.flatnonzero(said).tolist() == list(wanted)


def test_events_by_hand() -> None:
    truth = flags(120, (20, 40), (60, 80), (100, 110))
    said = flags(120, (23, 40), (50, 52), (70, 75), (97, 105))
    scores = score_events([said], [truth])
    # Found 3 frames late. False: one at 50, and one at 97, three frames too early. That at 70
    # begins within slip and counts as neither.
    assert (scores.events, scores.found, scores.false_alarms) == (3, 1, 2)
    assert scores.early_alarms == 1
    assert scores.delay_s == pytest.approx(3 / 60)
    assert scores.f1 == pytest.approx(2 / 6)
    quiet_min = (69 / 60) / 60  # 70 quiet frames, the last of which is the end
    assert scores.false_per_min == pytest.approx(2 / quiet_min)
    assert scores.unfounded_per_min == pytest.approx(1 / quiet_min)


def test_always_slipping_finds_nothing() -> None:
    scores = score_events([np.ones(120, bool)], [flags(120, (20, 40), (60, 80))])
    assert scores.f1 == 0.0


def test_the_rule_keeps_unfounded_alarms_rare() -> None:
    rng = np.random.default_rng(0)
    truth = [flags(600, (200, 260), (400, 460)) for _ in range(5)]
    noise = [0.55 * (rng.random(600) < 0.02) for _ in range(5)]
    probability = [np.where(t, 0.8, n) for t, n in zip(truth, noise, strict=True)]
    rule, scores = choose_rule(probability, truth)
    assert rule.threshold > 0.55 or rule.confirm_frames
    assert rule.release < rule.threshold <= 0.8
    assert scores.f1 == 1.0 and scores.false_alarms == 0


def test_the_rule_waits_where_the_probability_rises_early() -> None:
    truth = [flags(600, (200, 260), (400, 460)) for _ in range(5)]
    early = [flags(600, (198, 260), (398, 460)) for _ in range(5)]
    rule, scores = choose_rule([0.9 * each for each in early], truth)
    assert rule.confirm_frames == 2
    assert scores.f1 == 1.0 and scores.delay_s == 0.0


def test_a_rule_in_time_is_better_than_a_late_one_without_false_alarms() -> None:
    truth = [flags(600, (200, 260), (400, 460)) for _ in range(10)]
    probability = [np.where(t, 0.9, 0.0) for t in truth]
    for each in probability:
        each[200:204] = each[400:404] = 0.5  # the sure answer comes four frames late
    probability[0][100:104] = 0.5
    rule, scores = choose_rule(probability, truth)
    assert rule.threshold <= 0.5
    assert scores.delay_s <= 2 / 60 and scores.false_alarms == 1
