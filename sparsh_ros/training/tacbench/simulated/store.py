# SPDX-License-Identifier: Apache-2.0
"""The clips of a split of classified sequences, as one flat file at the size a model sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.progress import track
from sparsh_ros.training.clips.episodes import prepare_frames
from sparsh_ros.training.clips.store import frame_steps, is_current, map_file, writing
from sparsh_ros.training.episodes import list_episodes
from sparsh_ros.training.tacbench.simulated.episodes import ClassEpisode

_BEFORE, _DURING = 0, 1


@dataclass(frozen=True)
class ClassStore:
    """Clips of one class each.

    Attributes:
        dataset: Folder with the episodes of all splits of the task.
        folder: Where the files lie; its name is that of the split.
        metas: `meta` of every episode.
        labels: (n,) int64 classes.
        frames: (m, H, W, 3) uint8 RGB, background taken away, mapped from disk.
        rows: (n, T) int64 rows of ``frames`` of each clip, newest frame first.
    """

    dataset: Path
    folder: Path
    metas: list[dict[str, Any]]
    labels: NDArray[np.int64]
    frames: NDArray[np.uint8]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def clips(self, index: NDArray[np.int64]) -> Tensor:
        """(B, T, H, W, 3) uint8 clips of indices (B,)."""
        return torch.from_numpy(self.frames[self.rows[index]])


def open_classes(dataset: Path, task: str, split: str, cache: Path, spec: ModelSpec) -> ClassStore:
    """Open a split of a task, building the files under ``cache`` first where they are missing.

    Args:
        dataset: Folder that `sparsh-ros simulate --task` wrote.
        task: "grasp" or "textile".
        split: "train", "validation" or "test".
        cache: Folder for the files.
        spec: The model, which says how large frames are and how far apart.

    Raises:
        DatasetError: No episodes, a damaged one, or a damaged file of the cache.
    """
    try:
        paths = list_episodes(dataset / task, split)
    except DatasetError as error:
        raise DatasetError(
            f"no episodes under {dataset / task / split}; make some with `sparsh-ros simulate "
            f"--task {task} --out {dataset} --split {split}`"
        ) from error
    size = (spec.image_height, spec.image_width)
    wanted = {"size": size, "episodes": [[p.name, p.stat().st_size] for p in paths]}
    folder = cache / f"{size[0]}x{size[1]}" / task / split
    if not is_current(folder, wanted):
        with writing(folder):
            _build(paths, folder, size)
            (folder / "source.json").write_text(json.dumps(wanted))
    return _open(dataset / task, folder, size, _clip_frames(task, spec))


def _clip_frames(task: str, spec: ModelSpec) -> NDArray[np.int64]:
    """Which frames of a sequence make a clip, newest first, the last of them as -1.

    A grasp is judged while the object is held and before it is lifted, as in the paper: the newer
    half of a clip is the grasp, the older half the untouched gel.
    """
    steps = np.array(frame_steps(spec))
    if task != "grasp":
        return -1 - steps
    return np.where(np.arange(len(steps)) < len(steps) / 2, _DURING, _BEFORE)


def _build(paths: Sequence[Path], folder: Path, size: tuple[int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.json").unlink(missing_ok=True)
    metas, classes, length = [], [], 0
    with (folder / "frames.u8").open("wb") as file:
        for path in track(paths, f"Reading {folder.parent.name}, {folder.name}"):
            episode = ClassEpisode.load(path)
            length = episode.frames.shape[1]
            flat = episode.frames.reshape(-1, *episode.frames.shape[2:])
            frames = prepare_frames(path, flat, episode.background, episode.meta, size)
            file.write(frames.tobytes())
            metas.append(episode.meta)
            classes.append(episode.classes)
    np.savez(
        folder / "labels.npz",
        classes=np.concatenate(classes),
        length=length,
        metas=np.array(json.dumps(metas)),
    )


def _open(
    dataset: Path, folder: Path, size: tuple[int, int], clip: NDArray[np.int64]
) -> ClassStore:
    with np.load(folder / "labels.npz") as data:
        classes, length = data["classes"], int(data["length"])
        metas = json.loads(str(data["metas"]))
    frames = map_file(folder / "frames.u8", np.uint8, (len(classes) * length, *size, 3))
    rows = np.arange(len(classes))[:, None] * length + clip % length
    return ClassStore(dataset, folder, metas, classes, frames, rows)
