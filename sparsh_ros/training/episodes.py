# SPDX-License-Identifier: Apache-2.0
"""Simulated touch recordings with exact labels: making them, and reading them back.

An episode is one sensor instance touched for some seconds, in one `.npz` file. Splits never share
a sensor instance, and the test split is touched only by shapes that training never saw.
"""

from __future__ import annotations

import glob
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.sensors.images import encode_jpeg
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.simulation.shapes import KINDS
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation

_HELD_OUT = ("cylinder", "torus", "screw", "cube_corner", "letters")
_SEEN = tuple(kind for kind in KINDS if kind not in _HELD_OUT)
SPLITS = {
    "train": (0, _SEEN),
    "validation": (10_000_000, _SEEN),
    "test": (20_000_000, _HELD_OUT),
}
"""Split -> (first seed of its sensor instances, shapes that touch them)."""
SENSORS = ("digit", "digit", "digit", "gelsight_mini")
"""Sensor types, in turn."""
TOUCHES = ("random", "protocol")
SEED_STRIDE = 100_000
"""Instance seeds that one `--seed` may use; so different seeds share no instance."""
RATE_HZ = 60.0
JPEG_QUALITY = 95
LABELS = (
    "force_n",
    "in_contact",
    "slide_speed_m_s",
    "slipping",
    "gross_slip",
    "slip_share",
    "friction_margin",
    "pose",
    "print_anisotropy",
    "print_angle",
)
"""Labels of a frame that an episode stores as they are in `TouchSample`."""
MAP_SIZE = (20, 15)
"""Rows and columns of the maps of pressure and skin stretch in an episode."""


@contextmanager
def readable_episode(path: Path, remedy: str) -> Iterator[dict[str, Any]]:
    """The fields of an episode file, arrays and `meta`, to be made an episode of inside.

    Raises:
        DatasetError: the file is missing, damaged, or has other fields than are wanted; the
            sentence ends with `remedy`.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            fields: dict[str, Any] = {name: data[name] for name in data.files}
        yield fields | {"meta": json.loads(str(fields["meta"]))}
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"episode {path}: unreadable ({error}); {remedy}") from error


@dataclass(frozen=True)
class Episode:
    """One recording of one simulated sensor; vectors are in the gel frame.

    Attributes:
        path: file it came from.
        meta: sensor, instance_seed, kinds, touch, rate_hz, split.
        stamp_ns: (T,) int64.
        force_n: (T, 3) float64.
        in_contact, slipping, gross_slip: (T,) bool.
        slide_speed_m_s, slip_share, friction_margin, print_anisotropy, print_angle: (T,) float64,
            see `TouchSample`.
        pose: (T, 3) float64, m, m, rad; NaN without contact.
        pressure_kpa: (T, 20, 15) float16, pressure, mean over each cell.
        skin_stretch_mm: (T, 2, 20, 15) float16, displacement (x, y) of the skin under the contact,
            mean over each cell, 0 where nothing touches.
    """

    path: Path
    meta: dict
    stamp_ns: np.ndarray
    force_n: np.ndarray
    in_contact: np.ndarray
    slide_speed_m_s: np.ndarray
    slipping: np.ndarray
    gross_slip: np.ndarray
    slip_share: np.ndarray
    friction_margin: np.ndarray
    pose: np.ndarray
    print_anisotropy: np.ndarray
    print_angle: np.ndarray
    pressure_kpa: np.ndarray
    skin_stretch_mm: np.ndarray
    jpeg: np.ndarray
    jpeg_offset: np.ndarray
    background_jpeg: np.ndarray

    @classmethod
    def load(cls, path: Path) -> Episode:
        """Read an episode.

        Raises:
            DatasetError: the file is missing, damaged, or not an episode.
        """
        with readable_episode(path, "delete it, then `sparsh-ros simulate` again") as fields:
            return cls(path=Path(path), **fields)

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

    def simulation(self, touch: str | None = None, downscale: int = 1) -> TouchSimulation:
        """The simulation, at its beginning.

        Args:
            touch: how it is touched instead, a key of `simulation.trajectories.TOUCHES`.
            downscale: see `TouchSimulation`.
        """
        meta = self.meta
        return TouchSimulation(
            self.sensor,
            meta["instance_seed"],
            touch or meta["touch"],
            rate_hz=RATE_HZ,
            kinds=meta["kinds"],
            maximum_load_n=load_profile(self.sensor).maximum_load_n,
            downscale=downscale,
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
    rows = []
    for _ in range(frame_count(seconds)):
        rows.append(_row(simulation.step()))
        tick()
    _write(path, background, rows, touch.meta)


def _row(sample: TouchSample) -> dict:
    """What an episode stores of a frame."""
    return {
        "jpeg": encode_jpeg(sample.image, JPEG_QUALITY),
        "stamp_ns": round(sample.time_s * 1e9),
        "pressure_kpa": _shrink(1e-3 * sample.normal_stress_pa),
        "skin_stretch_mm": np.array([_shrink(axis) for axis in sample.skin_stretch_mm]),
        **{name: getattr(sample, name) for name in LABELS},
    }


def _write(path: Path, background: np.ndarray, rows: list[dict], meta: dict) -> None:
    frames = [row.pop("jpeg") for row in rows]
    write_episode(
        path,
        meta,
        jpeg=np.concatenate(frames),
        jpeg_offset=np.cumsum([0, *map(len, frames)], dtype=np.int64),
        background_jpeg=encode_jpeg(background, JPEG_QUALITY),
        **{name: np.array([row[name] for row in rows]) for name in rows[0]},
    )


def write_episode(path: Path, meta: dict, **arrays: np.ndarray) -> None:
    """Write the file of an episode whole or not at all; workers may write the same one.

    What a killed worker left of it is taken away.
    """
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays, meta=np.array(json.dumps(meta)))
    try:
        os.replace(partial, path)
    except FileNotFoundError:
        if not path.exists():  # else another made the same, and took this for a killed worker's
            raise
    for left in path.parent.glob(f"{glob.escape(path.stem)}.*.partial"):
        left.unlink(missing_ok=True)


def _shrink(field: np.ndarray) -> np.ndarray:
    """`MAP_SIZE` float16: means over the cells of a coarse grid."""
    rows, columns = MAP_SIZE
    return cv2.resize(field, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float16)
