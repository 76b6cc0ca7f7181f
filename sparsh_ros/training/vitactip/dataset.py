# SPDX-License-Identifier: Apache-2.0
"""Images of a simulated ViTacTip with labels: made, written and read, a file per split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.progress import track
from sparsh_ros.simulation.vitactip.instance import draw_instance
from sparsh_ros.simulation.vitactip.touches import TipLabels, plan_touch, touch
from sparsh_ros.training.episodes import SEED_STRIDE
from sparsh_ros.training.splits import read_split, write_split

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "validation", "test")
KINDS = 3  # of touches: shapes, gratings, edges
TOUCHES_PER_TIP = 25
_REMEDY = "make it again with `sparsh-ros simulate-vitactip`"


@dataclass(frozen=True)
class TipImages:
    """Images with labels.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        labels: By the names of `TipLabels`: (N,) int64, or (N, 2 or 3) float32.
        meta: split, variant, seed, and the first and last seed of the fingertips.
    """

    images: NDArray[np.uint8]
    labels: dict[str, NDArray]
    meta: dict[str, Any]

    def __len__(self) -> int:
        return len(self.images)

    def clips(self, index: NDArray[np.int64]) -> Tensor:
        """(B, 1, S, S, 3) uint8 images of indices (B,), as the training loop reads them."""
        import torch  # who only simulates needs none

        return torch.from_numpy(self.images[index][:, None])


def simulate_tips(split: str, touches: int, variant: str, size: int, seed: int = 0) -> TipImages:
    """Make the images of a split; no fingertip and no object is in two of them.

    Args:
        split: One of `SPLITS`.
        touches: How many.
        variant: Of the fingertip, see `simulation.vitactip.instance.VARIANTS`.
        size: Side of the images in pixels.
        seed: Others give other fingertips and objects.
    """
    place = SPLITS.index(split)
    first = (len(SPLITS) * seed + place) * SEED_STRIDE
    images, labels = [], []
    for number in track(range(touches), f"Touching, {split}"):
        instance = draw_instance(first + number // TOUCHES_PER_TIP)
        rng = np.random.default_rng([11, seed, place, number])
        image, label = touch(plan_touch(rng, number % KINDS), instance, variant, size, rng)
        images.append(image)
        labels.append(label)
    columns = {name: np.array([getattr(one, name) for one in labels]) for name in TipLabels._fields}
    last = first + (touches - 1) // TOUCHES_PER_TIP
    meta = {"split": split, "variant": variant, "seed": seed, "tips": [first, last]}
    return TipImages(np.array(images), {n: _compact(c) for n, c in columns.items()}, meta)


def write_tips(tips: TipImages, folder: Path) -> Path:
    """Write `<split>.npz`, whole or not at all."""
    return write_split(folder, {"images": tips.images, **tips.labels}, tips.meta)


def read_tips(folder: Path, split: str) -> TipImages:
    """Read a split.

    Raises:
        DatasetError: It is missing, damaged or something else.
    """
    path, names = folder / f"{split}.npz", ("images", *TipLabels._fields)
    labels, meta = read_split(path, names, "images of a simulated ViTacTip", _REMEDY)
    images = labels.pop("images")
    if images.ndim != 4 or images.dtype != np.uint8:
        raise DatasetError(
            f"{path}: wanted images (N, S, S, 3) uint8, found {images.shape} {images.dtype}; "
            f"{_REMEDY}"
        )
    return TipImages(images, labels, meta)


def read_splits(folder: Path, splits: tuple[str, ...] = SPLITS) -> dict[str, TipImages]:
    """Read splits and check that none shares a fingertip with another.

    Raises:
        DatasetError: As `read_tips`, or two share one, or are of different variants.
    """
    tips = {split: read_tips(folder, split) for split in splits}
    spans = sorted(tuple(found.meta["tips"]) for found in tips.values())
    for (_, last), (first, _) in zip(spans, spans[1:], strict=False):
        if first <= last:
            raise DatasetError(f"{folder}: two splits share fingertip {first}; {_REMEDY}")
    if len(variants := {found.meta["variant"] for found in tips.values()}) > 1:
        raise DatasetError(f"{folder}: splits are of {sorted(variants)}; {_REMEDY}")
    return tips


def _compact(column: NDArray) -> NDArray:
    return column.astype(np.float32 if column.dtype.kind == "f" else np.int64)
