# SPDX-License-Identifier: Apache-2.0
"""Which backgrounds fit an image: the own one under a touch, that of another unit, none at all."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.background.fit import check_fit
from sparsh_ros.errors import FrameError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.simulation.simulation import TouchSimulation


def _seen(kind: str, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Background of a unit, and what it sees in a second of touch."""
    unit = TouchSimulation(kind, seed=seed, touch="demo", rate_hz=5.0)
    return unit.background(), [unit.step().image for _ in range(15)]


@pytest.mark.parametrize("kind", ["digit", "gelsight_mini"])
def test_that_of_another_unit_is_doubted_and_the_own_one_is_not(kind: str) -> None:
    (own, touched), (other, _) = _seen(kind, seed=1), _seen(kind, seed=2)
    assert [check_fit(own, image) for image in touched] == [""] * len(touched)
    assert all("the background of another one" in check_fit(other, image) for image in touched)


def test_what_shows_no_gel_is_refused() -> None:
    gel, _ = _seen("digit", seed=1)
    flat = [np.full(IMAGE_SHAPE, level, np.uint8) for level in (0, 90)]
    for background in (*flat, 255 - gel):
        with pytest.raises(FrameError, match="background: wanted"):
            check_fit(background, gel)
