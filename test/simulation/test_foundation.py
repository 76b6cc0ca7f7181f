# SPDX-License-Identifier: Apache-2.0
"""What the elastic foundation costs against a bonded elastic layer."""

from __future__ import annotations

import numpy as np
import pytest
from reference import bonded_layer

MODULUS = 0.133  # what `matched_modulus` finds


def test_layer_tends_to_its_limits() -> None:
    """A wide even pressure sees the layer's confined modulus."""
    compliance = bonded_layer._compliance(MODULUS)
    poisson = bonded_layer.POISSON
    confined = 2.0 * MODULUS * (1.0 - poisson) / (1.0 - 2.0 * poisson)
    assert compliance[0, 0] == pytest.approx(bonded_layer.THICKNESS_MM / confined, rel=1e-3)


def test_solution_carries_the_load_and_does_not_overlap() -> None:
    gap = bonded_layer.gap_of(bonded_layer.SHAPES["sphere, radius 6 mm"])
    solved = bonded_layer.on_layer(gap, 3.0, MODULUS)
    load = solved.pressure.sum() * bonded_layer.GRID.cell_area_mm2
    assert load == pytest.approx(3.0, rel=1e-6)
    sunk = np.fft.irfft2(
        np.fft.rfft2(solved.pressure) * bonded_layer._compliance(MODULUS), gap.shape
    )
    distance = sunk + gap - solved.depth_mm
    assert distance.min() > -1e-3
    assert np.abs(distance[solved.pressure > 0.0]).max() < 1e-3


def test_documented_cost_of_the_foundation() -> None:
    ratios = bonded_layer.compare(3.0)
    for name, (depth, area, peak) in ratios.items():
        if name.startswith("flat"):
            assert 1.1 < depth < 1.3 and 0.95 < area < 1.1 and peak < 0.6, name
        elif name.startswith("sphere"):
            assert depth == pytest.approx(1.0, abs=0.03), name
            assert 1.0 < area < 1.4 and 0.9 < peak < 1.2, name
