# SPDX-License-Identifier: Apache-2.0
"""Simulated touch recordings with exact labels: making them, and reading them back.

    sparsh-ros simulate --out data --split train --episodes 600 --seed 0 --workers 2

An episode is one sensor instance touched for some seconds, in one `.npz` file. Splits never share
a sensor instance, and the test split is touched only by shapes that training never saw.
"""

from __future__ import annotations

import argparse
import json
import os
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.gel.simulation import TouchSample, TouchSimulation
from sparsh_ros.sensors.profiles import load_profile

SPLITS = {
    "train": (0, ("sphere", "flat", "sharp", "edge", "blobs")),
    "validation": (10_000_000, ("sphere", "flat", "sharp", "edge", "blobs")),
    "test": (20_000_000, ("cylinder", "torus")),
}
"""Split -> (first seed of its sensor instances, shapes that touch them)."""
SENSORS = ("digit", "digit", "digit", "gelsight_mini")
"""Sensor types, in turn."""
TOUCHES = ("random", "protocol")
SEED_STRIDE = 100_000
"""Instance seeds that one `--seed` may use; so different seeds share no instance."""
JPEG_QUALITY = 95
LABELS = ("stamp_ns", "force_n", "in_contact", "slipping", "slip_share", "pose")


@dataclass(frozen=True)
class Episode:
    """One recording of one simulated sensor; vectors are in the gel frame.

    Attributes:
        path: file it came from.
        meta: sensor, instance_seed, kinds, touch, rate_hz, split.
        stamp_ns: (T,) int64.
        force_n: (T, 3) float64.
        in_contact, slipping: (T,) bool.
        slip_share: (T,) float64.
        pose: (T, 3) float64, m, m, rad; NaN without contact.
    """

    path: Path
    meta: dict
    stamp_ns: np.ndarray
    force_n: np.ndarray
    in_contact: np.ndarray
    slipping: np.ndarray
    slip_share: np.ndarray
    pose: np.ndarray
    jpeg: np.ndarray
    jpeg_offset: np.ndarray
    background_jpeg: np.ndarray

    @classmethod
    def load(cls, path: Path) -> Episode:
        """Read an episode.

        Raises:
            DatasetError: the file is missing, damaged, or not an episode.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
            meta = json.loads(str(arrays.pop("meta")))
            return cls(path=Path(path), meta=meta, **arrays)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise DatasetError(
                f"episode {path}: unreadable ({error}); delete it, then `sparsh-ros simulate` again"
            ) from error

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def image(self, index: int) -> np.ndarray:
        """(320, 240, 3) uint8 RGB frame."""
        return self._decode(self.jpeg[self.jpeg_offset[index] : self.jpeg_offset[index + 1]])

    @property
    def background(self) -> np.ndarray:
        """(320, 240, 3) uint8 RGB frame without contact."""
        return self._decode(self.background_jpeg)

    def pairs(self, interval_s: float) -> np.ndarray:
        """(n, 2) int64 indices (current, previous) of frames `interval_s` apart."""
        step = round(interval_s * self.meta["rate_hz"])
        current = np.arange(step, len(self))
        return np.stack([current, current - step], axis=1)

    def _decode(self, data: np.ndarray) -> np.ndarray:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if image is None:
            raise DatasetError(f"episode {self.path}: a frame is not a JPEG image; delete the file")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def list_episodes(folder: Path, split: str) -> list[Path]:
    """Episode files of a split, sorted.

    Raises:
        DatasetError: there are none.
    """
    paths = sorted((Path(folder) / split).glob("episode_*.npz"))
    if not paths:
        raise DatasetError(
            f"no episodes under {Path(folder) / split}; "
            f"make some with `sparsh-ros simulate --out {folder} --split {split}`"
        )
    return paths


def record(path: Path, split: str, seed: int, index: int, seconds: float) -> None:
    """Simulate episode `index` of a split and write it to `path`, whole or not at all."""
    first, kinds = SPLITS[split]
    instance_seed = first + seed * SEED_STRIDE + index
    sensor, touch = SENSORS[index % len(SENSORS)], TOUCHES[index // len(SENSORS) % len(TOUCHES)]
    load = float(load_profile(sensor).force_scale_n[2])
    simulation = TouchSimulation(sensor, instance_seed, touch, kinds=kinds, maximum_load_n=load)
    background = simulation.background()
    samples = [simulation.step() for _ in range(round(seconds * simulation.rate_hz))]
    meta = {
        "sensor": sensor,
        "instance_seed": instance_seed,
        "kinds": list(kinds),
        "touch": touch,
        "rate_hz": simulation.rate_hz,
        "split": split,
    }
    _write(path, background, samples, meta)


def _write(path: Path, background: np.ndarray, samples: list[TouchSample], meta: dict) -> None:
    frames = [_encode(sample.image) for sample in samples]
    partial_path = path.with_suffix(".partial")
    with partial_path.open("wb") as file:
        np.savez(
            file,
            jpeg=np.concatenate(frames),
            jpeg_offset=np.cumsum([0, *map(len, frames)], dtype=np.int64),
            background_jpeg=_encode(background),
            stamp_ns=np.array([round(s.time_s * 1e9) for s in samples], dtype=np.int64),
            force_n=np.array([s.force_n for s in samples]),
            in_contact=np.array([s.in_contact for s in samples]),
            slipping=np.array([s.slipping for s in samples]),
            slip_share=np.array([s.slip_share for s in samples]),
            pose=np.array([s.pose for s in samples]),
            meta=np.array(json.dumps(meta)),
        )
    os.replace(partial_path, path)


def _encode(image: np.ndarray) -> np.ndarray:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `sparsh-ros simulate`."""
    parser.description = "Record simulated touches with exact labels; existing episodes are kept."
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--split", choices=sorted(SPLITS), default="train")
    parser.add_argument("--episodes", type=int, default=100, help="how many sensor instances")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of an episode")
    parser.add_argument(
        "--seed", type=int, default=0, help="0 to 99; different seeds share nothing"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")


def run(arguments: argparse.Namespace) -> int:
    """Run `sparsh-ros simulate`."""
    from rich.progress import track

    if not 0 <= arguments.seed < 100:
        raise DatasetError(f"--seed must lie in 0 to 99, not {arguments.seed}")
    if not 0 < arguments.episodes <= SEED_STRIDE:
        raise DatasetError(f"--episodes must lie in 1 to {SEED_STRIDE}, not {arguments.episodes}")
    folder = arguments.out / arguments.split
    folder.mkdir(parents=True, exist_ok=True)
    paths = {index: folder / f"episode_{index:05d}.npz" for index in range(arguments.episodes)}
    missing = [(index, path) for index, path in paths.items() if not path.exists()]
    # Spawned, not forked: a fork of a process whose OpenCV threads run can hang.
    with ProcessPoolExecutor(
        arguments.workers, get_context("spawn"), partial(cv2.setNumThreads, 1)
    ) as pool:
        jobs = [
            pool.submit(record, path, arguments.split, arguments.seed, index, arguments.seconds)
            for index, path in missing
        ]
        for job in track(jobs, description=f"Simulating {arguments.split}"):
            job.result()
    return 0
