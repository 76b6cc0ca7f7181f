# SPDX-License-Identifier: Apache-2.0
"""Episodes of small frames, simulated at that size."""

from __future__ import annotations

from collections.abc import Callable

from sparsh_ros.training.episodes import SimulatedTouch, frame_count
from sparsh_ros.training.stream.episodes import DOWNSCALE, StreamEpisode, pack_episode


def simulate_small(
    touch: SimulatedTouch, seconds: float, tick: Callable[[], object] = lambda: None
) -> StreamEpisode:
    """The first seconds of a touch in 80 x 60 frames; calls `tick` after each frame."""
    simulation = touch.simulation(downscale=DOWNSCALE)
    background, samples = simulation.background(), []
    for _ in range(frame_count(seconds)):
        samples.append(simulation.step())
        tick()
    return pack_episode(simulation, background, samples, touch.meta)
