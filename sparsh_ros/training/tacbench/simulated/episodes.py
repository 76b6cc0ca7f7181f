# SPDX-License-Identifier: Apache-2.0
"""Short sequences of frames, each of one class: grasps that hold or not (T4), textiles (T5).

An episode is one sensor instance. A grasp is three frames: before, during, after. A swatch of cloth
gives two sequences at 60 frames/s, one at rest and one sliding. Validation and test have sensor
instances and swatches of their own; test objects of a grasp have shapes that training never saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.classes import TEXTILES
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation import shapes
from sparsh_ros.simulation.simulation import SimulatedGel
from sparsh_ros.simulation.tasks.grasps import grasp
from sparsh_ros.simulation.tasks.textiles import draw_textile
from sparsh_ros.simulation.trajectories import IndenterState
from sparsh_ros.training.episodes import (
    RATE_HZ,
    SimulatedTouch,
    readable_episode,
    write_episode,
)

GRASPS_PER_EPISODE, SWATCHES_PER_EPISODE = 20, 10
STROKE_FRAMES = 7
"""Enough for the clips of four frames, each two frames older than the one before."""
_LOAD_N = 0.5
_WEIGHT_N = 0.25, 3.0
"""Half the weight of an object, lowest and highest; every magnitude is as likely as any other."""
_LEVER_MM = 2.0
_SPEED_MM_PER_S = 3.0, 20.0


@dataclass(frozen=True)
class ClassEpisode:
    """Labelled sequences of one sensor instance.

    Attributes:
        frames: (S, L, H, W, 3) uint8 RGB, oldest first.
        background: (H, W, 3) uint8.
        classes: (S,) int64, see `models.classes`.
        meta: task, sensor, instance_seed, kinds, split, and by task what else is known.
    """

    frames: NDArray[np.uint8]
    background: NDArray[np.uint8]
    classes: NDArray[np.int64]
    meta: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> ClassEpisode:
        """Read an episode.

        Raises:
            DatasetError: The file is missing, damaged, or no such episode.
        """
        with readable_episode(path, "delete it, then `sparsh-ros simulate --task` again") as fields:
            episode = cls(**fields)
            if episode.frames.ndim != 5 or len(episode.classes) != len(episode.frames):
                raise ValueError(
                    f"wanted a class for each of {len(episode.frames)} sequences, found "
                    f"{len(episode.classes)}"
                )
            return episode

    def save(self, path: Path) -> None:
        """Write the episode whole or not at all."""
        arrays = {name: getattr(self, name) for name in ("frames", "background", "classes")}
        write_episode(path, self.meta, **arrays)


def simulate_grasps(touch: SimulatedTouch, downscale: int = 1) -> ClassEpisode:
    """Grasps of one sensor instance; the same arguments, the same bytes."""
    gel, rng = _begin(touch, downscale)
    background = gel.background()
    kinds, most = touch.meta["kinds"], load_profile(touch.sensor).maximum_load_n
    found = []
    for _ in range(GRASPS_PER_EPISODE):
        indenter = shapes.draw(kinds[int(rng.integers(len(kinds)))], rng)
        x, y = rng.uniform(-1.0, 1.0, 2) * (2.0, 3.0)
        hold = IndenterState(_log_uniform(rng, _LOAD_N, most), x, y, rng.uniform(-np.pi, np.pi))
        weight_n = _log_uniform(rng, *_WEIGHT_N)
        found.append(grasp(gel, indenter, hold, weight_n, rng.normal(0.0, _LEVER_MM)))
    frames = np.stack([[sample.before, sample.during, sample.after] for sample in found])
    classes = np.array([sample.stable for sample in found], np.int64)
    return ClassEpisode(frames, background, classes, touch.meta | {"task": "grasp"})


def simulate_textiles(touch: SimulatedTouch, downscale: int = 1) -> ClassEpisode:
    """Swatches on one sensor instance, each at rest and then sliding; the same arguments, the same
    bytes."""
    gel, rng = _begin(touch, downscale)
    background, most = gel.background(), load_profile(touch.sensor).maximum_load_n
    chosen = rng.permutation(len(TEXTILES))[:SWATCHES_PER_EPISODE]
    frames = []
    for index in chosen:
        swatch, load_n = draw_textile(TEXTILES[index], rng), _log_uniform(rng, 0.25 * most, most)
        rest = IndenterState(load_n, *rng.uniform(-1.0, 1.0, 2))
        speed, angle = _log_uniform(rng, *_SPEED_MM_PER_S), rng.uniform(-np.pi, np.pi)
        step = speed / RATE_HZ * np.array([np.cos(angle), np.sin(angle)])
        frames += [_stroke(gel, swatch, rest, step * 0.0), _stroke(gel, swatch, rest, step)]
        gel.press(swatch, replace(rest, load_n=0.0))
    # The shapes are the same in all splits, the swatches never are.
    meta = touch.meta | {"task": "textile", "kinds": []}
    return ClassEpisode(np.stack(frames), background, np.repeat(chosen, 2), meta)


SIMULATE: dict[str, Callable[[SimulatedTouch, int], ClassEpisode]] = {
    "grasp": simulate_grasps,
    "textile": simulate_textiles,
}


def _begin(touch: SimulatedTouch, downscale: int) -> tuple[SimulatedGel, np.random.Generator]:
    seed = touch.meta["instance_seed"]
    gel = SimulatedGel(touch.sensor, seed, RATE_HZ, downscale)
    return gel, np.random.default_rng((seed, 3))


def _stroke(
    gel: SimulatedGel, swatch: Any, rest: IndenterState, step_mm: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """(`STROKE_FRAMES`, H, W, 3) once the stroke is under way."""
    images = []
    for frame in range(2 * STROKE_FRAMES):
        x, y = np.array([rest.x_mm, rest.y_mm]) + frame * step_mm
        hold = replace(rest, x_mm=x, y_mm=y)
        state = gel.press(swatch, hold)
        if frame >= STROKE_FRAMES:
            images.append(gel.sample([state], hold, swatch, frame / RATE_HZ).image)
    return np.stack(images)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
