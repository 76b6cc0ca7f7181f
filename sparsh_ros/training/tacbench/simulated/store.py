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
from sparsh_ros.training.clips.store import CHAINS, frame_steps, is_current, map_file, writing
from sparsh_ros.training.episodes import list_episodes
from sparsh_ros.training.tacbench.official import Classified, list_official, read_official
from sparsh_ros.training.tacbench.simulated.episodes import ClassEpisode

_LAYOUT = 2
"""Of the files of the cache; others are made again."""
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
        dataset: Folder that `sparsh-ros simulate --task` wrote, or TacBench's T4 or T5 as they are
            published, see `official`; those may also lie in a folder named as the task.
        task: "grasp" or "textile".
        split: "train", "validation" or "test".
        cache: Folder for the files.
        spec: The model, which says how large frames are and how far apart.

    Raises:
        DatasetError: No episodes, a damaged one, or a damaged file of the cache.
    """
    paths = _list_files(dataset, task, split)
    size = (spec.image_height, spec.image_width)
    files = [[str(p.relative_to(dataset)), p.stat().st_size] for p in paths]
    wanted = {"layout": _LAYOUT, "size": size, "episodes": files}
    folder = cache / f"{size[0]}x{size[1]}" / task / split
    if not is_current(folder, wanted):
        with writing(folder):
            _build(paths, folder, size)
            (folder / "source.json").write_text(json.dumps(wanted))
    return _open(dataset / task, folder, size, task, spec)


def _list_files(dataset: Path, task: str, split: str) -> list[Path]:
    try:
        return list_episodes(dataset / task, split)
    except DatasetError as error:
        paths = list_official(dataset / task, task, split) or list_official(dataset, task, split)
        if not paths:
            raise DatasetError(
                f"no episodes under {dataset / task / split}; make some with `sparsh-ros simulate "
                f"--task {task} --out {dataset} --split {split}`"
            ) from error
        return paths


def _read(
    path: Path, task: str, split: str, size: tuple[int, int]
) -> tuple[list[Classified], dict[str, Any]]:
    if path.suffix != ".npz":
        return read_official(path, task, split, size)
    episode = ClassEpisode.load(path)
    flat = episode.frames.reshape(-1, *episode.frames.shape[2:])
    frames = prepare_frames(path, flat, episode.background, episode.meta, size)
    sequences = frames.reshape(*episode.frames.shape[:2], *size, 3)
    return list(zip(sequences, episode.classes.tolist(), strict=True)), episode.meta


def _build(paths: Sequence[Path], folder: Path, size: tuple[int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.json").unlink(missing_ok=True)
    task, split = folder.parent.name, folder.name
    metas, classes, lengths = [], [], []
    with (folder / "frames.u8").open("wb") as file:
        for path in track(paths, f"Reading {task}, {split}"):
            sequences, meta = _read(path, task, split, size)
            metas.append(meta)
            for frames, label in sequences:
                file.write(frames.tobytes())
                classes.append(label)
                lengths.append(len(frames))
    np.savez(
        folder / "labels.npz",
        classes=np.array(classes, np.int64),
        lengths=np.array(lengths, np.int64),
        metas=np.array(json.dumps(metas)),
    )


def _open(
    dataset: Path, folder: Path, size: tuple[int, int], task: str, spec: ModelSpec
) -> ClassStore:
    with np.load(folder / "labels.npz") as data:
        classes, lengths = data["classes"], data["lengths"]
        metas = json.loads(str(data["metas"]))
    frames = map_file(folder / "frames.u8", np.uint8, (int(lengths.sum()), *size, 3))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    found = [_clips(int(length), task, frame_steps(spec)) for length in lengths]
    rows = [start + clips for start, clips in zip(starts, found, strict=True)]
    labels = np.repeat(classes, [len(clips) for clips in found])
    if not len(labels):
        raise DatasetError(
            f"{dataset}, {folder.name}: wanted sequences of more than {frame_steps(spec)[-1]} "
            f"frames, found at most {lengths.max()}"
        )
    return ClassStore(dataset, folder, metas, labels, frames, np.concatenate(rows))


def _clips(length: int, task: str, steps: Sequence[int]) -> NDArray[np.int64]:
    """(k, T) which frames of a sequence make its clips, newest first.

    A grasp is judged while the object is held and before it is lifted, as in the paper: the newer
    half of a clip is the grasp, the older half the untouched gel. A textile's clips end with its
    last frame and, where it is long, with every fifth before.
    """
    if task == "grasp":
        older = np.arange(len(steps)) >= len(steps) / 2
        return np.where(older, _BEFORE, _DURING)[None]
    newest = np.arange(length - 1, steps[-1] - 1, -CHAINS)
    return newest[:, None] - np.array(steps)
