# SPDX-License-Identifier: Apache-2.0
"""Simulated touch as the streaming model reads it: small frames with every label, made endlessly.

Episode `index` is the same whenever it is made, so that a run can be resumed and repeated. A worker
process keeps making them, a little ahead of training, as files in a folder.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.streaming.images import shrink
from sparsh_ros.models.streaming.layout import SMALL_SHAPE
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation
from sparsh_ros.training.episodes import (
    RATE_HZ,
    SEED_STRIDE,
    SPLITS,
    SimulatedTouch,
    readable_episode,
    write_episode,
)

ROWS, COLUMNS = 20, 15
DOWNSCALE = 4
"""Width and height of a frame, a quarter of the canonical image; less where it is finer."""
MAPS = ("pressure", "cover", "stretch_x", "stretch_y")
"""N/mm^2, share of the cell that touches, mm, mm; means over a cell."""
COLUMNS_OF_LABELS = (
    "force_x",
    "force_y",
    "force_z",
    "in_contact",
    "slide_speed_mm_s",
    "slipping",
    "gross_slip",
    "slip_share",
    "friction_margin",
    "pose_x_mm",
    "pose_y_mm",
    "pose_turn",
    "anisotropy",
    "angle",
)
LABEL = {name: index for index, name in enumerate(COLUMNS_OF_LABELS)}
LONG_EVERY = 7
"""Every so manieth training episode is a long one."""


@dataclass(frozen=True)
class StreamEpisode:
    """One touch at 60 frames/s.

    Attributes:
        frames: (T, 80, 60, 3) uint8; larger in ablations.
        background: (80, 60, 3) uint8.
        maps: (T, 4, 20, 15) float16, see `MAPS`.
        labels: (T, L) float32, see `COLUMNS_OF_LABELS`; NaN where there is no contact.
        meta: sensor, instance_seed, kinds, touch, size_mm, limit_mm3_per_n.
    """

    frames: NDArray[np.uint8]
    background: NDArray[np.uint8]
    maps: NDArray[np.float16]
    labels: NDArray[np.float32]
    meta: dict

    @classmethod
    def load(cls, path: Path) -> StreamEpisode:
        """Read an episode.

        Raises:
            DatasetError: The file is missing, damaged, or no such episode.
        """
        with readable_episode(path, "delete it, it is made again") as fields:
            return cls(**fields)

    def save(self, path: Path) -> None:
        """Write the episode whole or not at all."""
        arrays = {name: getattr(self, name) for name in ("frames", "background", "maps", "labels")}
        write_episode(path, self.meta, **arrays)


def make_episode(
    split: str, seed: int, index: int, seconds: float, detail: int = 1
) -> StreamEpisode:
    """Simulate an episode, with images `detail` times finer than 80 x 60 (1, 2 or 4); the same
    arguments, the same bytes."""
    touch = SimulatedTouch(split, seed, index)
    meta = touch.meta | ({"touch": "long"} if is_long(split, index) else {})
    simulation = touch.simulation(meta["touch"], DOWNSCALE // detail)
    background = shrink(simulation.background(), detail)
    samples = [simulation.step() for _ in range(round(seconds * RATE_HZ))]
    return pack_episode(simulation, background, samples, meta)


def is_long(split: str, index: int) -> bool:
    """Whether an episode is one long contact."""
    return split == "train" and index % LONG_EVERY == 0


def pack_episode(
    simulation: TouchSimulation,
    background: NDArray[np.uint8],
    samples: list[TouchSample],
    meta: dict,
) -> StreamEpisode:
    """Gather what was simulated, with the (80, 60, 3) uint8 RGB background, or a finer one."""
    detail = len(background) // SMALL_SHAPE[0]
    instance = simulation.instance
    stiffness = instance.normal_stiffness_n_per_mm3 * instance.tangential_ratio
    return StreamEpisode(
        np.stack([shrink(sample.image, detail) for sample in samples]),
        background,
        np.stack([_maps(sample) for sample in samples]).astype(np.float16),
        np.array([_labels(sample) for sample in samples], np.float32),
        {
            **meta,
            "size_mm": [instance.gel_width_mm, instance.gel_height_mm],
            "limit_mm3_per_n": instance.friction / stiffness,
        },
    )


def _maps(sample: TouchSample) -> NDArray[np.float32]:
    pressure = sample.normal_stress_pa * np.float32(1e-6)
    planes = (pressure, (pressure > 0).astype(np.float32), *sample.skin_stretch_mm)
    return np.stack([cv2.resize(p, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA) for p in planes])


def _labels(sample: TouchSample) -> list[float]:
    return [
        *sample.force_n,
        sample.in_contact,
        1e3 * sample.slide_speed_m_s,
        sample.slipping,
        sample.gross_slip,
        sample.slip_share,
        sample.friction_margin,
        1e3 * sample.pose[0],
        1e3 * sample.pose[1],
        sample.pose[2],
        sample.print_anisotropy,
        sample.print_angle,
    ]


class EpisodeFolder:
    """Episodes of one split as files; whoever reads one that is not there makes it.

    A folder belongs to one version of the simulator: another needs another folder.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        seed: int,
        seconds: float,
        long_seconds: float,
        detail: int = 1,
    ) -> None:
        """Name the folder; nothing is made yet.

        Args:
            folder: where the files lie.
            split: "train", "validation" or "test".
            seed: 0 to 99; different seeds share no sensor instance.
            seconds: length of an episode.
            long_seconds: length of every `LONG_EVERY`th episode.
            detail: how many times finer than 80 x 60 the images are.
        """
        if split not in SPLITS:
            raise DatasetError(f"split {split!r}: wanted one of {', '.join(SPLITS)}")
        self.folder = folder / (split if detail == 1 else f"{split}_{detail}_times_finer")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._job = (split, seed, seconds, long_seconds, detail)

    def path(self, index: int) -> Path:
        """File of an episode."""
        return self.folder / f"episode_{index:06d}.npz"

    def load(self, index: int) -> StreamEpisode:
        """Read an episode; make it first where the worker has not come so far."""
        self.make(index)
        return StreamEpisode.load(self.path(index))

    def make(self, index: int) -> None:
        """Make an episode unless it is there."""
        if index >= SEED_STRIDE:
            raise DatasetError(f"episode {index}: wanted an index below {SEED_STRIDE}")
        split, seed, seconds, long_seconds, detail = self._job
        if not self.path(index).exists():
            length = long_seconds if is_long(split, index) else seconds
            make_episode(split, seed, index, length, detail).save(self.path(index))

    def count(self) -> int:
        """Episodes made so far, counted from 0 without a gap."""
        index = 0
        while self.path(index).exists():
            index += 1
        return index


@contextmanager
def workers(
    episodes: EpisodeFolder, indices: range, count: int = 1, niceness: int = 15
) -> Iterator:
    """Make episodes in so many processes, until they are done or the context ends."""
    jobs = [(episodes, indices[first::count], niceness) for first in range(count)]
    processes = [get_context("spawn").Process(target=_work, args=job, daemon=True) for job in jobs]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()


def _work(episodes: EpisodeFolder, indices: range, niceness: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    os.nice(max(0, niceness - os.nice(0)))
    cv2.setNumThreads(1)
    parent = os.getppid()
    for index in indices:
        if os.getppid() != parent:  # killed: an orphan has nobody to work for
            return
        episodes.make(index)
