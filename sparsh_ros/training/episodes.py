# SPDX-License-Identifier: Apache-2.0
"""Simulated touch recordings with exact labels: making them, and reading them back.

An episode is one sensor instance touched for some seconds, in one `.npz` file. Splits never share
a sensor instance, and the test split is touched only by shapes that training never saw.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.sensors.images import encode_jpeg
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation

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
RATE_HZ = 60.0
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


@dataclass(frozen=True)
class SimulatedTouch:
    """Sensor instance `index` of a split and how it is touched; the same seed, the same frames.

    Attributes:
        split: name of the split, see `SPLITS`.
        seed: 0 to 99; different seeds share no instance.
        index: running number in the split, below `SEED_STRIDE`.
    """

    split: str
    seed: int
    index: int

    @property
    def sensor(self) -> str:
        """Kind of sensor."""
        return SENSORS[self.index % len(SENSORS)]

    @property
    def meta(self) -> dict:
        """What the touch is: `Episode.meta`."""
        first, kinds = SPLITS[self.split]
        return {
            "sensor": self.sensor,
            "instance_seed": first + self.seed * SEED_STRIDE + self.index,
            "kinds": list(kinds),
            "touch": TOUCHES[self.index // len(SENSORS) % len(TOUCHES)],
            "rate_hz": RATE_HZ,
            "split": self.split,
        }

    def simulation(self) -> TouchSimulation:
        """The simulation, at its beginning."""
        meta = self.meta
        return TouchSimulation(
            self.sensor,
            meta["instance_seed"],
            meta["touch"],
            rate_hz=RATE_HZ,
            kinds=meta["kinds"],
            maximum_load_n=float(load_profile(self.sensor).force_scale_n[2]),
        )


def frame_count(seconds: float) -> int:
    """Frames of so many seconds of touch."""
    return round(seconds * RATE_HZ)


def record(
    path: Path, touch: SimulatedTouch, seconds: float, tick: Callable[[], object] = lambda: None
) -> None:
    """Write the first seconds of a touch as an episode, whole or not at all.

    Calls `tick` after each frame.
    """
    simulation = touch.simulation()
    background = simulation.background()
    samples = []
    for _ in range(frame_count(seconds)):
        samples.append(simulation.step())
        tick()
    _write(path, background, samples, touch.meta)


def _write(path: Path, background: np.ndarray, samples: list[TouchSample], meta: dict) -> None:
    frames = [encode_jpeg(sample.image, JPEG_QUALITY) for sample in samples]
    partial_path = path.with_suffix(".partial")
    with partial_path.open("wb") as file:
        np.savez(
            file,
            jpeg=np.concatenate(frames),
            jpeg_offset=np.cumsum([0, *map(len, frames)], dtype=np.int64),
            background_jpeg=encode_jpeg(background, JPEG_QUALITY),
            stamp_ns=np.array([round(s.time_s * 1e9) for s in samples], dtype=np.int64),
            force_n=np.array([s.force_n for s in samples]),
            in_contact=np.array([s.in_contact for s in samples]),
            slipping=np.array([s.slipping for s in samples]),
            slip_share=np.array([s.slip_share for s in samples]),
            pose=np.array([s.pose for s in samples]),
            meta=np.array(json.dumps(meta)),
        )
    os.replace(partial_path, path)
