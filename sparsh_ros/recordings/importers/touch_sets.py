# SPDX-License-Identifier: Apache-2.0
"""Labelled still images in the layouts that the probes of AnyTouch read (Feng et al., 2025).

TAG/train.txt, test.txt, train_rough.txt, test_rough.txt     lines `<folder>/<image>,<label>`
TAG/dataset/<folder>/gelsight_frame/<image>                   Touch-and-Go
feel/feel.csv, split_<n>.npy                                  rows name, number, label
feel/<name>/touch_during/<number>_A.png, ..._B.png            The Feeling of Success
obj2.0/label.json, split.json                                 of ObjectFolder 1.0 and 2.0
obj1.0/<object>/<image>.png, obj2.0/touch/<object>/<image>.png
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.files import read_whole, refuse_pointer
from sparsh_ros.recordings.importers.pickles import load_object_npy

SPLITS = ("train", "test")
FEEL_SPLIT = 3  # the one of the published script
SOFT_MATERIALS = (7, 8, 9, 11, 13)
"""Materials of Touch-and-Go whose label of hardness is 1, the soft ones; it is 0 for the others."""
LAST_OF_FIRST = 100  # objects up to this number are of ObjectFolder 1.0
_MOST_TEXT_BYTES = 256 << 20
_Row = tuple[tuple[Path, ...], int, str]


@dataclass(frozen=True)
class LabelledImages:
    """Samples of a split.

    Attributes:
        files: (N,) the images of each: one, or one per finger.
        labels: (N,) int64.
        groups: (N,) recording or object that each belongs to.
    """

    files: list[tuple[Path, ...]]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.files)


def read_images(layout: str, folder: Path, split: str, classes: int) -> LabelledImages:
    """List the samples of a split; images are not opened.

    Args:
        layout: A key of `LAYOUTS`.
        folder: What has `TAG`, `feel`, `obj1.0`, `obj2.0` in it.
        split: "train" or "test".
        classes: How many labels there are, from 0.

    Raises:
        DatasetError: A list is missing, damaged or of another layout, or names an image outside
            the folder.
    """
    rows = list(LAYOUTS[layout](folder, split))
    if not rows:
        raise DatasetError(
            f"{folder}: wanted samples of {layout}, {split}, found none in its lists"
        )
    for files, label, _ in rows:
        if not 0 <= label < classes:
            raise DatasetError(
                f"{files[0]}: wanted a label of 0 to {classes - 1} for {layout}, found {label}; "
                "check the list"
            )
    files, labels, groups = zip(*rows, strict=True)
    return LabelledImages(list(files), np.array(labels, np.int64), np.array(groups))


def _touch_and_go(
    folder: Path, split: str, ending: str, relabel: Callable[[int], int] = lambda label: label
) -> Iterable[_Row]:
    path = folder / "TAG" / f"{split}{ending}.txt"
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        name, _, rest = line.partition(",")
        where, _, image = name.strip().partition("/")
        label = _number(rest.split(",")[0], path, number)
        if label == -1:  # of no known class
            continue
        place = folder / "TAG" / "dataset" / _inside(where, path) / "gelsight_frame"
        yield (place / _inside(image, path),), relabel(label), where


def _feel(folder: Path, split: str) -> Iterable[_Row]:
    path, root = folder / "feel" / f"split_{FEEL_SPLIT}.npy", folder / "feel"
    names = load_object_npy(path)
    if not isinstance(names, dict) or split not in names:
        raise DatasetError(f"{path}: wanted names of objects by split, found none for {split!r}")
    wanted = {str(name) for name in names[split]}
    table = root / "feel.csv"
    for number, row in enumerate(csv.reader(_text(table).splitlines()), 1):
        if len(row) < 3:
            raise DatasetError(f"{table}, line {number}: wanted name, number, label, found {row}")
        if row[0] in wanted:
            place = root / _inside(row[0], table) / "touch_during"
            fingers = tuple(place / f"{_inside(row[1], table)}_{side}.png" for side in "AB")
            yield fingers, _number(row[2], table, number), row[0]


def _object_folder(folder: Path, split: str, first: bool) -> Iterable[_Row]:
    lists = folder / "obj2.0"  # of both
    labels, splits = _json(lists / "label.json"), _json(lists / "split.json")
    root = folder / "obj1.0" if first else folder / "obj2.0" / "touch"
    path = lists / "split.json"
    try:
        for item, image in splits[split]:
            if (int(item) <= LAST_OF_FIRST) == first:
                file = root / _inside(str(item), path) / f"{_inside(str(image), path)}.png"
                yield (file,), int(labels[item]), str(item)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path}: wanted pairs of object and image in {split!r}, and a label of each object in "
            f"label.json, found other content ({type(error).__name__}: {error})"
        ) from error


LAYOUTS: dict[str, Callable[[Path, str], Iterable[_Row]]] = {
    "material": lambda folder, split: _touch_and_go(folder, split, ""),
    "roughness": lambda folder, split: _touch_and_go(folder, split, "_rough"),
    "hardness": lambda folder, split: _touch_and_go(
        folder, split, "", lambda label: int(label in SOFT_MATERIALS)
    ),
    "feel": _feel,
    "objectfolder1": lambda folder, split: _object_folder(folder, split, first=True),
    "objectfolder2": lambda folder, split: _object_folder(folder, split, first=False),
}
"""Task -> who reads its lists."""


def _text(path: Path) -> str:
    refuse_pointer(path, DatasetError)
    try:
        content = read_whole(path, _MOST_TEXT_BYTES)
    except OSError as error:
        raise DatasetError(
            f"{path}: wanted a list of images, found none ({error.strerror}); give the folder that "
            "holds TAG, feel, obj1.0 and obj2.0"
        ) from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: wanted text, found other bytes ({error.reason})") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: wanted JSON, found other text ({error})") from error


def _number(text: str, path: Path, line: int) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise DatasetError(
            f"{path}, line {line}: wanted a label, a whole number, found {text.strip()[:40]!r}"
        ) from error


def _inside(name: str, path: Path) -> str:
    """A name from a list, if it is one and leads nowhere else."""
    if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise DatasetError(f"{path}: wanted names of files below its folder, found {name[:80]!r}")
    return name
