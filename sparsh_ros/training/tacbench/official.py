# SPDX-License-Identifier: Apache-2.0
"""Grasps and textiles of Sparsh (TacBench T4 and T5) as classified sequences of frames.

    NNN.pkl                                          T4: {"is_gripping": (n,), "gelsightA_before",
                                                     "gelsightA_during", ..., "gelsightB_after": n
                                                     JPEG files each}; 0 to 29 train, 30 to 35 test
    <split>/<class>/<clip>/dataset_gelsight.pkl      T5: a list of JPEG files
    <split>/<class>/<clip>/metadata.txt              T5: "label:<number>", then "class_name: <name>"

Both sensors of a grasp count, each with its three frames. Neither data set has a validation split:
of T4 it is files 25 to 29, of T5 every fifth clip of a class, where there is no folder of that
name. The sensors are GelSights of 2017, whose frames are seen as they are. Pickles are read as
data; nothing in them runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError, FrameError, printable
from sparsh_ros.models.classes import GRASPS, TEXTILES
from sparsh_ros.recordings.importers.pickles import load_pickle
from sparsh_ros.sensors.images import decode_image
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.training.clips.episodes import prepare_frames

SENSOR = "gelsight_2017"
CLIP, ABOUT = "dataset_gelsight.pkl", "metadata.txt"
_MOMENTS = ("before", "during", "after")
_FINGERS = ("A", "B")
_FIRST_OF_VALIDATION, _FIRST_OF_TEST = 25, 30
_FIFTH = 5
_LABEL = re.compile(r"\s*label\s*:\s*(\d{1,6})\s*", re.ASCII)
_FOLDERS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}

Classified = tuple[NDArray[np.uint8], int]
"""Frames (L, H, W, 3) RGB, oldest first, and their class."""


def list_official(dataset: Path, task: str, split: str) -> list[Path]:
    """The files of a split, sorted; none where ``dataset`` is no such data set.

    Args:
        dataset: Its folder.
        task: "grasp" or "textile".
        split: "train", "validation" or "test".
    """
    return (_grasp_files if task == "grasp" else _textile_files)(dataset, split)


def _grasp_files(dataset: Path, split: str) -> list[Path]:
    def split_of(path: Path) -> str:
        number = int(path.stem)
        held_out = "test" if number >= _FIRST_OF_TEST else "validation"
        return "train" if number < _FIRST_OF_VALIDATION else held_out

    numbered = [p for p in dataset.glob("*.pkl") if p.stem.isdecimal() and len(p.stem) < 9]
    return sorted(path for path in numbered if split_of(path) == split)


def _textile_files(dataset: Path, split: str) -> list[Path]:
    named = [p for name in _FOLDERS[split] for p in (dataset / name).glob(f"*/*/{CLIP}")]
    others = [p for name in _FOLDERS["validation"] for p in (dataset / name).glob(f"*/*/{CLIP}")]
    if split == "test" or others:
        return sorted(named)
    fifths = split == "validation"
    found = []
    for folder in sorted(path for path in dataset.glob("train/*") if path.is_dir()):
        clips = sorted(folder.glob(f"*/{CLIP}"))
        found += [p for n, p in enumerate(clips) if (n % _FIFTH == _FIFTH - 1) == fifths]
    return found


def read_official(
    path: Path, task: str, split: str, size: tuple[int, int]
) -> tuple[list[Classified], dict[str, Any]]:
    """The sequences of a file at ``size`` (height, width), and the `meta` of an episode.

    A sequence with an image that cannot be decoded is left out and counted on stderr.

    Raises:
        DatasetError: The file is damaged, holds something else, or no sequence is whole.
    """
    read, found, damaged = _READERS[task], [], 0
    for contents, label in read(path):
        try:
            found.append((_frames(path, contents, size), label))
        except FrameError:
            damaged += 1
    if not found:
        raise DatasetError(
            f"{path}: wanted {task}s as JPEG files, found {damaged} that cannot be decoded; "
            "fetch the file again, or take it away"
        )
    if damaged:
        left = f"{damaged} of {damaged + len(found)} sequences cannot be decoded and were left out"
        sys.stderr.write(f"{printable(str(path))}: {left}\n")
    # Who made the data set says that test objects are new, but not which sensor it was.
    meta = {"sensor": SENSOR, "instance_seed": str(path.resolve()), "kinds": [], "task": task}
    return found, {**meta, "split": split, "official": True}


def _frames(path: Path, contents: list[bytes], size: tuple[int, int]) -> NDArray[np.uint8]:
    profile = load_profile(SENSOR)
    images = [
        profile.to_canonical(decode_image(content, printable(str(path))), "bgr")
        for content in contents
    ]
    return prepare_frames(path, np.stack(images), None, {"sensor": SENSOR}, size)


def _read_grasps(path: Path) -> Iterator[tuple[list[bytes], int]]:
    content = load_pickle(path)
    wanted = [f"gelsight{finger}_{moment}" for finger in _FINGERS for moment in _MOMENTS]
    if not isinstance(content, dict) or not {"is_gripping", *wanted} <= content.keys():
        found = str(sorted(map(str, content)) if isinstance(content, dict) else type(content))
        raise DatasetError(
            f"{path}: wanted is_gripping and {', '.join(wanted)}, found {printable(found[:80])}"
        )
    images = {name: _images(path, content[name]) for name in wanted}
    labels = _classes(path, content["is_gripping"], len(GRASPS))
    counts = {name: len(files) for name, files in images.items()}
    if set(counts.values()) != {len(labels)}:
        raise DatasetError(
            f"{path}: wanted an image of every moment for each of {len(labels)} grasps, found "
            f"{', '.join(f'{count} of {name}' for name, count in counts.items())}"
        )
    for number, label in enumerate(labels):
        for finger in _FINGERS:
            yield [images[f"gelsight{finger}_{moment}"][number] for moment in _MOMENTS], label


def _read_textile(path: Path) -> Iterator[tuple[list[bytes], int]]:
    about = path.parent / ABOUT
    try:
        with about.open(encoding="utf-8") as file:
            first = file.readline(200)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{about}: cannot be read ({error}); it says the class") from error
    known = _LABEL.fullmatch(first)
    if known is None:
        raise DatasetError(f'{about}: wanted "label:<number>" first, found {first.strip()[:40]!r}')
    (label,) = _classes(about, [int(known[1])], len(TEXTILES))
    yield _images(path, load_pickle(path)), label


def _images(path: Path, value: Any) -> list[bytes]:
    """JPEG files; a single one counts as a list of one."""
    files = [value] if isinstance(value, bytes) else value
    if not isinstance(files, list) or not files or not all(isinstance(f, bytes) for f in files):
        raise DatasetError(f"{path}: wanted a list of JPEG files, found something else")
    return files


def _classes(path: Path, value: Any, count: int) -> list[int]:
    try:
        labels = np.atleast_1d(np.asarray(value)).ravel().astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}: wanted numbers of classes ({error})") from error
    if not np.isin(labels, np.arange(count)).all():
        raise DatasetError(
            f"{path}: wanted classes 0 to {count - 1}, found {labels.min():g} to {labels.max():g}"
        )
    return labels.astype(int).tolist()


_READERS: dict[str, Callable[[Path], Iterator[tuple[list[bytes], int]]]] = {
    "grasp": _read_grasps,
    "textile": _read_textile,
}
