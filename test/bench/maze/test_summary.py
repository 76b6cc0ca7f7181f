# SPDX-License-Identifier: Apache-2.0
"""How sure the share of mazes that were finished is."""

import pytest

from sparsh_ros.bench.maze.summary import share_interval


def test_the_interval_is_wilsons():
    """Table I of Newcombe (1998), Statistics in Medicine 17, method 3."""
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert share_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_none_and_all_are_not_certain():
    assert share_interval(4, 4)[0] == pytest.approx(0.5101, abs=1e-4)
    assert share_interval(4, 4)[1] == 1.0
