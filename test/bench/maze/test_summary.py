# SPDX-License-Identifier: Apache-2.0
"""How sure the share of mazes that were finished is, and how sure that two rows differ."""

import pytest

from sparsh_ros.bench.maze.closed_loop import RunResult
from sparsh_ros.bench.maze.summary import compare, share_interval, sign_test, summarise


def runs(*finished, first=10_000):
    """Of one policy; a maze that is not finished ends after 5 of 20 cm."""
    return [
        RunResult("toy", seed, done, "", 0.2 if done else 0.05, 0.2, 10.0, 0, 0, 0, 9.0, 5.0, 1.0)
        for seed, done in enumerate(finished, first)
    ]


def test_the_interval_is_wilsons():
    """Table I of Newcombe (1998), Statistics in Medicine 17, method 3."""
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert share_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_none_and_all_are_not_certain():
    assert share_interval(4, 4)[0] == pytest.approx(0.5101, abs=1e-4)
    assert share_interval(4, 4)[1] == 1.0


def test_seeds_of_training_are_spread_and_do_not_narrow_the_interval():
    one = summarise([runs(1, 1, 1, 0)])
    three = summarise([runs(1, 1, 1, 0), runs(1, 1, 1, 1), runs(1, 1, 0, 0)])
    assert (three["policies"], three["mazes"]) == (3, 4)
    assert (three["finished_lowest"], three["finished_highest"]) == (0.5, 1.0)
    assert three["finished"] == pytest.approx(one["finished"]) == 0.75
    assert three["finished_least"] == one["finished_least"]
    assert three["distance_cm"] == pytest.approx(20.0 * 0.75 + 5.0 * 0.25)


def test_rows_are_compared_on_the_mazes_of_both():
    better, worse = [runs(*[1] * 12), runs(*[1] * 12)], [runs(*[0] * 10, first=10_004)]
    finished, distance, regrasps, _ = compare(better, worse)
    assert (finished.mazes, finished.mean, finished.more, finished.less) == (8, 1.0, 8, 0)
    assert finished.p == pytest.approx(2 / 2**8)
    assert distance.mean == distance.low == distance.high == pytest.approx(15.0)
    assert (regrasps.mean, regrasps.p) == (0.0, 1.0)
    assert compare(worse, better)[0].mean == -1.0
    assert compare(better, [runs(1, first=20_000)]) == []


def test_what_the_mazes_disagree_about_is_uncertain():
    finished = compare([runs(*[1, 0] * 10)], [runs(*[0, 1, 0, 0] * 5)])[0]
    assert (finished.more, finished.less, finished.mean) == (10, 5, 0.25)
    assert -0.2 < finished.low < 0.0 < 0.5 < finished.high < 0.7


def test_the_sign_test_is_that_of_coins():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == sign_test(0, 5) == pytest.approx(2 / 32)
    assert sign_test(3, 1) == pytest.approx(2 * 5 / 16)
    assert sign_test(2, 2) == 1.0
