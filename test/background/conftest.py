# SPDX-License-Identifier: Apache-2.0
"""Images of one simulated gel, and a store of backgrounds of its own for each test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.background import BackgroundStore
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.simulation.simulation import TouchSimulation


@pytest.fixture(scope="session")
def gel() -> dict[str, list[np.ndarray]]:
    """Images of one simulated DIGIT: free, pressed and held, and tapped all the time."""
    simulation = TouchSimulation("digit", seed=1, touch="demo", kinds=["sphere"])
    free = [simulation.background() for _ in range(40)]
    while (sample := simulation.step()).force_n[2] < 2.4:
        pass
    pressed = [cv2.add(sample.image, noise(seed)) for seed in range(40)]
    return {"free": free, "pressed": pressed, "tapped": [*free[:8], *pressed[:8]] * 16}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, IMAGE_SHAPE).astype(np.uint8)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackgroundStore:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return BackgroundStore()
