# SPDX-License-Identifier: Apache-2.0
"""Clips of a split as one flat file of bytes: background taken away, at the size a model sees.

Episodes are read, freed of their background and shrunk once; the file is mapped, not read.
"""

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
from sparsh_ros.training.clips.episodes import Shard, read_shard
from sparsh_ros.training.episodes import RATE_HZ, list_episodes
from sparsh_ros.training.store import Store

CHAINS = 5
"""Of frames recorded at 60 Hz, the pairs 5 frames apart form so many interleaved chains."""
MAP_SHAPE = (3, 20, 15)
"""Of a force field: pressure in kPa, then how far the skin is dragged along x and y in mm."""


@dataclass(frozen=True)
class ClipStore(Store):
    """Clips.

    Attributes:
        frames: (m, H, W, 3) uint8 RGB, background taken away, mapped from disk.
        rows: (n, T) int64 rows of ``frames`` of each clip, newest frame first.
        maps: (m, 3, 20, 15) float16 force fields, see `MAP_SHAPE`, mapped from disk.
    """

    frames: NDArray[np.uint8]
    rows: NDArray[np.int64]
    maps: NDArray[np.float16]

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
        dataset: Folder that `sparsh-ros simulate` wrote.
        split: "train", "validation" or "test".
        cache: Folder for the files.
        spec: The model, which says how large frames are and how far apart.
        chains: Of each `CHAINS` frames, how many are the newest of a clip, 1 to `CHAINS`.

    Raises:
        DatasetError: No episodes, a damaged one, or a damaged file of the cache.
    """
    paths = list_episodes(dataset, split)
    size, steps = (spec.image_height, spec.image_width), frame_steps(spec)
    wanted = {"size": size, "episodes": [[p.name, p.stat().st_size] for p in paths]}
    folder = cache / f"{size[0]}x{size[1]}" / split
    if not _is_current(folder, wanted):
        _build(paths, folder, size)
        (folder / "source.json").write_text(json.dumps(wanted))
    return _open(dataset, folder, size, steps, chains)


def _is_current(folder: Path, wanted: dict[str, Any]) -> bool:
    path = folder / "source.json"
    return path.is_file() and json.loads(path.read_text()) == json.loads(json.dumps(wanted))


def _build(paths: Sequence[Path], folder: Path, size: tuple[int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.json").unlink(missing_ok=True)
    lengths, metas, columns = [], [], []
    with (folder / "frames.u8").open("wb") as frames, (folder / "maps.f16").open("wb") as maps:
        for path in track(paths, f"Reading episodes of {folder.name}"):
            shard = read_shard(path, size)
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
    frames = _mapped(folder / "frames.u8", np.uint8, (int(lengths.sum()), *size, 3))
    maps = _mapped(folder / "maps.f16", np.float16, (int(lengths.sum()), *MAP_SHAPE))
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
    return ClipStore(dataset, folder, metas, labels, frames, rows, maps)


def _mapped(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    wanted, found = int(np.prod(shape)) * np.dtype(dtype).itemsize, path.stat().st_size
    if found != wanted:
        raise DatasetError(
            f"{path}: wanted {wanted} bytes, found {found}; delete the folder {path.parent}, it is "
            "made again"
        )
    return np.memmap(path, dtype, "r", shape=shape)
