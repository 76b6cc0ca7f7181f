# SPDX-License-Identifier: Apache-2.0
"""A lift ends as friction and weight decide."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.simulation.indenters import flat
from sparsh_ros.simulation.simulation import SimulatedGel
from sparsh_ros.simulation.tasks.grasps import grasp
from sparsh_ros.simulation.trajectories import IndenterState

LOAD_N = 2.0


@pytest.fixture(scope="module")
def gel():
    return SimulatedGel("digit", 5, 60.0, downscale=4)


def _is_stable(gel, share_of_limit, lever_mm=0.0):
    """Whether a block hangs on whose weight is this share of what friction can bear."""
    weight_n = share_of_limit * gel.instance.friction * LOAD_N
    block = flat(3.0, 3.0, True, 0.3)
    return grasp(gel, block, IndenterState(LOAD_N), weight_n, lever_mm).stable


@pytest.mark.parametrize(("share", "stable"), [(0.5, True), (0.94, True), (1.05, False)])
def test_friction_bears_as_much_as_coulomb_says(gel, share, stable):
    assert _is_stable(gel, share) is stable


def test_what_is_not_gripped_at_its_centre_turns_out_of_the_grasp(gel):
    assert _is_stable(gel, 0.6, lever_mm=0.5) and _is_stable(gel, 0.6, lever_mm=-0.5)
    assert not _is_stable(gel, 0.6, lever_mm=6.0) and not _is_stable(gel, 0.6, lever_mm=-6.0)


def test_frames_show_an_untouched_a_closed_and_a_sheared_gel(gel):
    background = gel.background().astype(int)
    sample = grasp(gel, flat(3.0, 3.0, True, 0.3), IndenterState(LOAD_N), 0.8, 0.0)
    before, during, after = (
        np.abs(image.astype(int) - background).mean()
        for image in (sample.before, sample.during, sample.after)
    )
    assert sample.stable and during > 2.0 * before
    assert np.abs(sample.after.astype(int) - sample.during).mean() > 1.5 * before
    assert after > 2.0 * before
