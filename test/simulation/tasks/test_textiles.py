# SPDX-License-Identifier: Apache-2.0
"""Procedural cloths: one for each class, each swatch its own, period and relief as stated."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.models.classes import TEXTILES as NAMES
from sparsh_ros.simulation.indenters import SPACING_MM, patch
from sparsh_ros.simulation.tasks.textiles import PLAIN, TEXTILES, draw_textile, woven


def test_there_is_a_cloth_for_each_class():
    assert tuple(TEXTILES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_cloth_has_relief(name):
    gap_mm = draw_textile(name, np.random.default_rng(0)).gap_mm
    assert 0.02 < gap_mm[80:160, 80:160].std() < 0.4 and gap_mm.min() == 0.0


def test_each_swatch_is_its_own():
    first, again, other = (
        draw_textile("denim", np.random.default_rng(seed)).gap_mm for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_a_plain_weave_repeats_every_second_yarn():
    x, y = patch()
    height = woven(PLAIN, (1.0, 1.0), 0.2)(x, y, np.random.default_rng(0))[60:180, 60:180]
    two, one = round(2.0 / SPACING_MM), round(1.0 / SPACING_MM)
    np.testing.assert_allclose(height[:, two:], height[:, :-two], atol=2e-3)
    assert np.abs(height[:, one:] - height[:, :-one]).max() > 0.05  # over, then under


def test_an_unknown_cloth_is_refused():
    with pytest.raises(ParameterError, match=r"'silk' is unknown; choose from cotton"):
        draw_textile("silk", np.random.default_rng(0))
