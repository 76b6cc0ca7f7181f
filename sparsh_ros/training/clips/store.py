# SPDX-License-Identifier: Apache-2.0
"""Clips of a split as one flat file of bytes: background taken away, at the size a model sees.

Episodes are read, freed of their background and shrunk once; the file is mapped, not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.progress import track
from sparsh_ros.training.clips.episodes import MAP_SHAPE, Shard, read_shard
from sparsh_ros.training.episodes import RATE_HZ, list_episodes
from sparsh_ros.training.store import Store

_LAYOUT = 2
"""Of the files of the cache; others are made again."""
CHAINS = 5
"""Of frames recorded at 60 Hz, the pairs 5 frames apart form so many interleaved chains."""


@dataclass(frozen=True)
class ClipStore(Store):
    """Clips.

    Attributes:
        frames: (m, H, W, 3) uint8 RGB, background taken away, mapped from disk.
        rows: (n, T) int64 rows of ``frames`` of each clip, newest frame first.
        maps: (m, 3, 20, 15) float16 force fields, see `MAP_SHAPE`, mapped from disk.
        episode: (n,) int64, which of ``metas`` each clip belongs to.
        known: Task -> (n,) bool, whether a clip has its label; all clips have those of other tasks.
    """

    frames: NDArray[np.uint8]
    rows: NDArray[np.int64]
    maps: NDArray[np.float16]
    episode: NDArray[np.int64]
    known: Mapping[str, NDArray[np.bool_]]

    def labelled(self, tasks: Sequence[str]) -> ClipStore:
        """The clips that have the labels of all these tasks.

        Raises:
            DatasetError: There are none for one of them.
        """
        chosen = {task: self.known[task] for task in tasks if task in self.known}
        for task, known in chosen.items():
            if not known.any():
                raise DatasetError(
                    f"{self.dataset}, {self.folder.name}: wanted labels of {task}, found none in "
                    f"{len(self)} clips; record or import them with labels, or leave out {task}"
                )
        # A clip without a known motion serves the other tasks.
        needed = [known for task, known in chosen.items() if task != "pose"]
        keep = np.logical_and.reduce([np.ones(len(self), bool), *needed])
        if not keep.any():
            raise DatasetError(
                f"{self.dataset}, {self.folder.name}: wanted clips with labels of all of "
                f"{', '.join(tasks)}, found none; train them one by one"
            )
        known = {task: values[keep] for task, values in self.known.items()}
        kept = {"rows": self.rows[keep], "episode": self.episode[keep], "known": known}
        return replace(self, labels=self.labels[keep], **kept)

    def clips(self, index: NDArray[np.int64]) -> Tensor:
        """(B, T, H, W, 3) uint8 clips of indices (B,)."""
        return torch.from_numpy(self.frames[self.rows[index]])

    def fields(self, index: NDArray[np.int64]) -> Tensor:
        """(B, 3, 20, 15) float32 force fields of the newest frames of clips (B,)."""
        return torch.from_numpy(self.maps[self.rows[index, 0]].astype(np.float32))


def frame_steps(spec: ModelSpec) -> tuple[int, ...]:
    """How many frames of an episode each frame of a clip is older than the newest."""
    return tuple(round(offset * RATE_HZ) for offset in spec.frame_offsets_s)


def open_clips(
    dataset: Path, split: str, cache: Path, spec: ModelSpec, chains: int = CHAINS
) -> ClipStore:
    """Open a split's clips, building the files under ``cache`` first where they are missing.

    Args:
        dataset: Folder that `sparsh-ros simulate` wrote, or with a folder of bags for each split.
        split: "train", "validation" or "test".
        cache: Folder for the files.
        spec: The model, which says how large frames are and how far apart.
        chains: Of each `CHAINS` frames, how many are the newest of a clip, 1 to `CHAINS`.

    Raises:
        DatasetError: No episodes, a damaged one, or a damaged file of the cache.
    """
    # Here and below, because episodes need no library for bags.
    from sparsh_ros.training.clips.recordings import list_recordings

    recordings = list_recordings(dataset, split)
    paths = recordings or list_episodes(dataset, split)
    size, steps = (spec.image_height, spec.image_width), frame_steps(spec)
    episodes = [[path.name, _bytes_of(path)] for path in paths]
    wanted = {"layout": _LAYOUT, "size": size, "episodes": episodes}
    folder = cache / f"{size[0]}x{size[1]}" / split
    if not is_current(folder, wanted):
        with writing(folder):
            _build(paths, folder, size, bool(recordings))
            (folder / "source.json").write_text(json.dumps(wanted))
    return _open(dataset, folder, size, steps, chains)


def _bytes_of(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files)


def is_current(folder: Path, wanted: dict[str, Any]) -> bool:
    """Whether the files of a folder were made from what is wanted."""
    path = folder / "source.json"
    return path.is_file() and json.loads(path.read_text()) == json.loads(json.dumps(wanted))


def _shards(path: Path, size: tuple[int, int], split: str, recorded: bool) -> list[Shard]:
    from sparsh_ros.training.clips.recordings import read_recording

    return read_recording(path, size, split) if recorded else [read_shard(path, size)]


def _build(paths: Sequence[Path], folder: Path, size: tuple[int, int], recorded: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.json").unlink(missing_ok=True)
    lengths, metas, columns = [], [], []
    with (folder / "frames.u8").open("wb") as frames, (folder / "maps.f16").open("wb") as maps:
        for path in track(paths, f"Reading episodes of {folder.name}"):
            for shard in _shards(path, size, folder.name, recorded):
                frames.write(shard.frames.tobytes())
                maps.write(shard.maps.tobytes())
                lengths.append(len(shard.frames))
                metas.append(shard.meta)
                columns.append(shard.columns())
    joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    np.savez(folder / "labels.npz", lengths=lengths, metas=np.array(json.dumps(metas)), **joined)


def _open(
    dataset: Path, folder: Path, size: tuple[int, int], steps: tuple[int, ...], chains: int
) -> ClipStore:
    with np.load(folder / "labels.npz") as data:
        lengths, metas = data["lengths"], json.loads(str(data["metas"]))
        columns = {name: data[name] for name in data.files if name not in ("lengths", "metas")}
    frames = map_file(folder / "frames.u8", np.uint8, (int(lengths.sum()), *size, 3))
    maps = map_file(folder / "maps.f16", np.float16, (int(lengths.sum()), *MAP_SHAPE))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    newest = np.concatenate(
        [
            start + np.arange(steps[-1], length)[np.arange(steps[-1], length) % CHAINS < chains]
            for start, length in zip(starts, lengths, strict=True)
        ]
    )
    rows = newest[:, None] - np.array(steps)
    episode = np.searchsorted(starts, newest, side="right") - 1
    labels = Shard.labels(columns, rows[:, 0], rows[:, -1], [metas[e]["sensor"] for e in episode])
    known = {
        "force": np.isfinite(labels.force_n).all(axis=1),
        "slip": columns["slip_known"][newest],
        "pose": np.isfinite(labels.motion).all(axis=1),
        "forcefield": columns["maps_known"][newest],
    }
    return ClipStore(dataset, folder, metas, labels, frames, rows, maps, episode, known)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A disk that is full while files of a cache are written is told in a sentence.

    Raises:
        DatasetError: The disk is full or fails.
    """
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, then run it "
            "again: what is not whole is made again"
        ) from error


def map_file(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """An array in a file of nothing else.

    Raises:
        DatasetError: The file has another size.
    """
    wanted, found = int(np.prod(shape)) * np.dtype(dtype).itemsize, path.stat().st_size
    if found != wanted:
        raise DatasetError(
            f"{path}: wanted {wanted} bytes, found {found}; delete the folder {path.parent}, it is "
            "made again"
        )
    return np.memmap(path, dtype, "r", shape=shape)
