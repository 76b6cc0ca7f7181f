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
from sparsh_ros.simulation.vitactip.objects import MATERIALS, PITCHES_MM, SHAPES
from sparsh_ros.simulation.vitactip.touches import TipLabels, plan_touch, touch
from sparsh_ros.training.episodes import SEED_STRIDE
from sparsh_ros.training.splits import read_split, write_split

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "validation", "test")
KINDS = 3  # of touches: shapes, gratings, edges
TOUCHES_PER_TIP = 25
_COLUMNS: dict[str, tuple[tuple[int, ...], int]] = {
    "shape": ((), len(SHAPES)),
    "grating": ((), len(PITCHES_MM)),
    "material": ((), len(MATERIALS)),
    "force": ((3,), 0),
    "contact": ((2,), 0),
    "edge": ((3,), 0),
}
"""Label -> shape of a row, and how many classes; 0 for numbers."""
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
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise DatasetError(
            f"{path}: wanted images (N, S, S, 3) uint8, found {images.shape} {images.dtype}; "
            f"{_REMEDY}"
        )
    _check_labels(path, labels, meta)
    return TipImages(images, labels, meta)


def _check_labels(path: Path, labels: dict[str, NDArray], meta: Any) -> None:
    """Refuse classes that there are not, columns of other shapes, and what tells no fingertips."""
    tips = meta.get("tips") if isinstance(meta, dict) else None
    if not (
        isinstance(tips, list)
        and len(tips) == 2
        and all(type(tip) is int for tip in tips)
        and isinstance(meta.get("variant"), str)
    ):
        raise DatasetError(f"{path}: wanted a variant and two fingertips, found {meta}; {_REMEDY}")
    for name, (shape, classes) in _COLUMNS.items():
        column = labels[name]
        kind = column.dtype.kind
        fits = column.shape[1:] == shape and kind == ("i" if classes else "f")
        if not fits or (classes and not -1 <= column.min() <= column.max() < classes):
            wanted = f"classes below {classes}" if classes else f"floats (N, {shape[0]})"
            raise DatasetError(
                f"{path}: wanted {name} as {wanted}, found {column.dtype} {column.shape}; {_REMEDY}"
            )


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
