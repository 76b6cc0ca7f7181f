# SPDX-License-Identifier: Apache-2.0
"""Touches that one sensor of each type feels, with picture and words: made, written, read.

As in the corpora of AnyTouch, not every touch has a picture, and not every one has words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.progress import track
from sparsh_ros.simulation.multisensor.touches import FRAMES, draw_gels, plan_touch, touch
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.simulation.shapes import KINDS
from sparsh_ros.training.episodes import SEED_STRIDE
from sparsh_ros.training.episodes import SPLITS as EPISODES
from sparsh_ros.training.splits import check_splits, read_split, write_split

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = tuple(EPISODES)
TOUCHES_PER_SENSOR = 8
HAS_PICTURE, HAS_WORDS = 0.7, 0.7
SEEN_KINDS = EPISODES["train"][1]
UNSEEN_KINDS = EPISODES["test"][1]
_KIND_NAMES = tuple(KINDS)
_SEEN = ("frames", "pictures", "captions")
_LABELS = ("has_picture", "has_words", "kind", "material", "seed")
_OFFSET = 130  # of 255, see `models.anytouch.encoder.BACKGROUND_OFFSET`
_WHAT = "touches of several simulated sensors"
_REMEDY = "make it again with `sparsh-ros simulate-multisensor`"


@dataclass(frozen=True)
class AlignedTouches:
    """Touches of a split.

    Attributes:
        frames: (N, sensors, T, S, S, 3) uint8 RGB, newest frame first; sensors as in `SENSORS`.
        pictures: (N, S, S, 3) uint8 RGB.
        captions: (N,) sentences.
        labels: By name, (N,) each: has_picture and has_words, bool, what training may use; kind,
            shape of the object, an index of `shapes.KINDS`; material, an index of
            `simulation.vitactip.objects.MATERIALS`; seed, that of the sensors.
        meta: split, seed.
    """

    frames: NDArray[np.uint8]
    pictures: NDArray[np.uint8]
    captions: NDArray[np.str_]
    labels: dict[str, NDArray]
    meta: dict[str, Any]

    def __len__(self) -> int:
        return len(self.frames)

    def rows_of(self, kinds: tuple[str, ...]) -> NDArray[np.int64]:
        """Indices of the touches by objects of some kinds."""
        return np.flatnonzero(
            np.isin(self.labels["kind"], [_KIND_NAMES.index(kind) for kind in kinds])
        )

    def without_background(self) -> AlignedTouches:
        """Frames as AnyTouch 2 sees them, clip(frame - background + 130, 0, 255).

        The background of a sensor is the median of its frames: its touches lie all over the gel.
        """
        frames = np.empty_like(self.frames)
        for seed in np.unique(self.labels["seed"]):
            rows = np.flatnonzero(self.labels["seed"] == seed)
            own = self.frames[rows].astype(np.int16)
            free = np.median(own, axis=(0, 2), keepdims=True).astype(np.int16)
            frames[rows] = (own - free + _OFFSET).clip(0, 255)
        return replace(self, frames=frames)

    def clips(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        """Touches of indices (B,), as the recipes of AnyTouch read them.

        Returns:
            touch (B,) int64, frames, pictures, words (B, W) int64, see `text.word_ids`,
            has_picture, has_words.
        """
        import torch  # who only simulates needs none

        from sparsh_ros.training.recipes.anytouch.text import word_ids

        words = np.stack([word_ids(str(self.captions[row])) for row in index])
        columns = {
            "touch": np.asarray(index),
            "frames": self.frames[index],
            "pictures": self.pictures[index],
            "words": words,
            "has_picture": self.labels["has_picture"][index],
            "has_words": self.labels["has_words"][index],
        }
        return {name: torch.from_numpy(column) for name, column in columns.items()}


def simulate_touches(split: str, touches: int, size: int, seed: int = 0) -> AlignedTouches:
    """Make the touches of a split; no sensor and no object is in two of them.

    Every other touch of "test" is by a kind of object that no other split has.

    Args:
        split: One of `SPLITS`.
        touches: How many.
        size: Side of the images in pixels.
        seed: 0 to 99; others give other sensors and objects.
    """
    first = EPISODES[split][0] + seed * SEED_STRIDE
    rows: dict[str, list] = {name: [] for name in (*_SEEN, *_LABELS)}
    for number in track(range(touches), f"Touching, {split}"):
        rng = np.random.default_rng([12, seed, SPLITS.index(split), number])
        if number % TOUCHES_PER_SENSOR == 0:
            instance = first + number // TOUCHES_PER_SENSOR
            gels = draw_gels(instance)
        kinds = UNSEEN_KINDS if split == "test" and number % 2 else SEEN_KINDS
        plan = plan_touch(str(rng.choice(kinds)), rng)
        felt = touch(plan, gels, size, rng)
        shown = rng.random(2) < (HAS_PICTURE, HAS_WORDS)
        kind = _KIND_NAMES.index(plan.kind)
        values = (
            felt.frames, felt.picture, felt.caption, *shown, kind, plan.material, instance
        )  # fmt: skip
        for row, value in zip(rows.values(), values, strict=True):
            row.append(value)
    columns = {name: np.array(values) for name, values in rows.items()}
    return _touches(columns, {"split": split, "seed": seed})


def write_touches(touches: AlignedTouches, folder: Path) -> Path:
    """Write `<split>.npz`, whole or not at all."""
    seen = {name: getattr(touches, name) for name in _SEEN}
    return write_split(folder, seen | touches.labels, touches.meta)


def read_touches(folder: Path, split: str) -> AlignedTouches:
    """Read a split.

    Raises:
        DatasetError: It is missing, damaged or something else.
    """
    path = folder / f"{split}.npz"
    columns, meta = read_split(path, (*_SEEN, *_LABELS), _WHAT, _REMEDY)
    shape, dtype = columns["frames"].shape, columns["frames"].dtype
    if len(shape) != 6 or shape[1:3] != (len(SENSORS), FRAMES) or dtype != np.uint8:
        raise DatasetError(
            f"{path}: wanted frames (N, {len(SENSORS)}, {FRAMES}, S, S, 3) uint8, found {shape} "
            f"{dtype}; {_REMEDY}"
        )
    return _touches(columns, meta)


def open_touches(
    folder: Path, splits: tuple[str, ...] = SPLITS, subtract: bool = False
) -> dict[str, AlignedTouches]:
    """Read splits and check that none shares a sensor with another.

    Args:
        folder: Where they are.
        splits: Which.
        subtract: Whether to take backgrounds away, see `AlignedTouches.without_background`.

    Raises:
        DatasetError: As `read_touches`, or two share one.
    """
    touches = {split: read_touches(folder, split) for split in splits}
    check_splits({split: _metas(found) for split, found in touches.items()})
    return {s: t.without_background() if subtract else t for s, t in touches.items()}


def _touches(columns: dict[str, NDArray], meta: dict[str, Any]) -> AlignedTouches:
    labels = {name: columns[name] for name in _LABELS}
    return AlignedTouches(**{name: columns[name] for name in _SEEN}, labels=labels, meta=meta)


def _metas(touches: AlignedTouches) -> list[dict[str, Any]]:
    """The sensors, for `check_splits`; kinds are not told, since "test" has both sorts."""
    return [{"instance_seed": seed, "kinds": ()} for seed in set(touches.labels["seed"].tolist())]
