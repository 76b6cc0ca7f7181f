# SPDX-License-Identifier: Apache-2.0
"""Small episodes, on which an encoder trains in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsh_ros.training.clips.simulated import simulate_small
from sparsh_ros.training.episodes import SimulatedTouch


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small episodes for training and one for validation; not to be changed."""
    folder = tmp_path_factory.mktemp("small")
    for split, count in {"train": 2, "validation": 1}.items():
        (folder / split).mkdir()
        for index in range(count):
            episode = simulate_small(SimulatedTouch(split, 1, index), 0.3)
            episode.save(folder / split / f"episode_{index:05d}.npz")
    return folder
