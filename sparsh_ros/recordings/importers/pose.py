# SPDX-License-Identifier: Apache-2.0
"""Pose data of Sparsh (TacBench T3): a hand with DIGITs on three fingers.

Each `.pkl` holds `digit_<finger>`, a list of JPEG files, and `object_<finger>_rel_pose_n5`,
(n, 4, 4) motions of the object over the last 5 samples in the finger's frame, for index, middle and
ring. The backgrounds are `bgs/digit_<finger>.png` beside it or in a folder above.

The label is `ground_truth/pose_change`, a motion over 5 frames and no pose, so that nothing of it
is lost by adding up and taking apart. It keeps the benchmark's own naming: x is the translation's
component 1 and y its component 0, metres; the angle is that about z, extrinsic x-y-z. How the
finger's frame lies to the image is documented nowhere; heads trained on these data give these
numbers. A motion is taken to end at the image of its own index. Times are not in the data: frames
follow each other at the nominal 60 Hz, or as `rate_hz` says.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.importers.pickles import find_pickles, load_pickle
from sparsh_ros.recordings.importers.recording import Options, Recording, SensorWriter

FINGERS = ("index", "middle", "ring")
SPAN = 5
"""LabelSeries that a motion spans."""

_SENSOR = "digit"
# Nothing held moves so far in 83 ms; millimetres taken for metres would.
_FARTHEST_M = 0.1


def find(source: Path, options: Options) -> list[Recording]:
    """The pickles below a folder, or the one named, in the order of their names.

    Raises:
        DatasetError: there are none.
    """
    sensors = dict.fromkeys((f"/{finger}" for finger in FINGERS), _SENSOR)
    return [
        Recording(name, sensors, partial(_write, path, options))
        for name, path in find_pickles(source).items()
    ]


def _write(path: Path, options: Options, bag: BagWriter) -> list[str]:
    content = load_pickle(path)
    notes: list[str] = []
    fingers = [finger for finger in FINGERS if _has(content, finger)]
    if not fingers:
        raise DatasetError(
            f"{path}: wanted digit_<finger> and object_<finger>_rel_pose_n{SPAN} of "
            f"{', '.join(FINGERS)}, found {sorted(content) if isinstance(content, dict) else '-'}"
        )
    # One finger after the other would put the times of the bag out of order.
    writers = {}
    for finger in fingers:
        frames, motions = _read(path, content, finger)
        topics = SensorWriter(bag, f"/{finger}", _SENSOR, options)
        notes += _write_background(topics, path, finger, frames, options)
        writers[finger] = (topics, frames, motions)
    for index in range(max(len(frames) for _, frames, _ in writers.values())):
        for topics, frames, motions in writers.values():
            _write_frame(topics, index, frames, motions)
    for topics, _, _ in writers.values():
        notes += topics.notes()
    return notes


def _write_frame(
    topics: SensorWriter, index: int, frames: list[bytes], motions: np.ndarray
) -> None:
    if index >= len(frames):
        return
    stamp_ns = topics.stamp_ns(index)
    if not topics.frame(stamp_ns, frames[index]) or index < SPAN:
        return  # before that, the benchmark repeats the first frame: no interval, no motion over it
    motion = motions[index - len(frames)]
    if np.isfinite(motion).all():
        topics.pose_change(stamp_ns, SPAN, motion)


def _write_background(
    topics: SensorWriter, path: Path, finger: str, frames: list[bytes], options: Options
) -> list[str]:
    found = options.background or find_above(path, f"bgs/digit_{finger}.png")
    if found is None:
        return [f"{finger}: no bgs/digit_{finger}.png beside the data or above, so no background"]
    note = topics.background_file(found, frames[0])
    return [note] if note else []


def find_above(path: Path, name: str) -> Path | None:
    """A file of this name beside `path` or in one of the three folders above it."""
    candidates = (folder / name for folder in list(path.resolve().parents)[:4])
    return next((file for file in candidates if file.is_file()), None)


def _has(content: Any, finger: str) -> bool:
    keys = (f"digit_{finger}", f"object_{finger}_rel_pose_n{SPAN}")
    return isinstance(content, dict) and all(key in content for key in keys)


def _read(path: Path, content: dict, finger: str) -> tuple[list[bytes], np.ndarray]:
    """Images of a finger, and the motions (n, 3) that end at the last n of them; NaN is unknown."""
    frames = content[f"digit_{finger}"]
    matrices = np.asarray(content[f"object_{finger}_rel_pose_n{SPAN}"])
    if not isinstance(frames, list) or not all(isinstance(f, bytes) for f in frames) or not frames:
        raise DatasetError(f"{path}: digit_{finger}: wanted a list of JPEG files, found none")
    if matrices.shape[1:] != (4, 4) or not 0 <= len(frames) - len(matrices) <= SPAN:
        raise DatasetError(
            f"{path}: wanted a 4x4 motion for each of {len(frames)} images of {finger}, "
            f"or for all but the first {SPAN}, found an array of shape {matrices.shape}"
        )
    motions = np.stack(
        [
            matrices[:, 1, 3],
            matrices[:, 0, 3],
            # The angle about z of R = Rz Ry Rx.
            np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]),
        ],
        axis=1,
    ).astype(np.float64)
    known = np.isfinite(motions).all(axis=1)
    farthest_m = float(np.abs(motions[known, :2]).max(initial=0.0))
    if farthest_m > _FARTHEST_M:
        raise DatasetError(
            f"{path}: {finger}: wanted motions in metres, found one of {farthest_m:.3g} over "
            f"{SPAN} samples"
        )
    return frames, motions
