# SPDX-License-Identifier: Apache-2.0
"""All frame pairs of a split as one flat file of bytes, so that training never decodes an image.

Frames are decoded, freed of their background and cut into patches once. The file is mapped, not
read: what training uses often stays in the page cache.

Frames recorded 5/60 s apart at 60 Hz form 5 interleaved chains; a chain of n frames holds n - 1
pairs, since each frame serves as current and as older frame. Whole chains are kept, which halves
the bytes that a random choice of pairs would need.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.frames import PAIR_INTERVAL_S
from sparsh_ros.progress import track
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.training.episodes import Episode, list_episodes
from sparsh_ros.training.patches import PATCH_BYTES, PATCHES, cut_patches, subtract_background

IDLE_SHARE = 0.2  # at most this share of the pairs shows no contact

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PairLabels:
    """What is true of n frame pairs; vectors are in the gel frame.

    Attributes:
        in_contact: (n,) bool, at the current frame.
        force_n: (n, 3) force of the world on the gel at the current frame, newtons.
        delta_force_n: (n, 3) its change since the older frame.
        slipping: (n,) bool, the contact slides at the current frame.
        motion: (n, 3) change of the object's x (mm), y (mm), angle (degrees) since the older
            frame; NaN unless it stayed in contact throughout.
        force_scale_n: (n, 3) newtons at a force-head output of 1, by sensor.
        delta_force_scale_n: (n, 3) newtons at a delta-force output of 1, by sensor.
    """

    in_contact: NDArray[np.bool_]
    force_n: Floats
    delta_force_n: Floats
    slipping: NDArray[np.bool_]
    motion: Floats
    force_scale_n: Floats
    delta_force_scale_n: Floats

    def __len__(self) -> int:
        return len(self.force_n)

    def __getitem__(self, index: Any) -> PairLabels:
        return PairLabels(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def concatenate(cls, parts: list[PairLabels]) -> PairLabels:
        """Join labels in order."""
        columns = ([getattr(part, f.name) for part in parts] for f in fields(cls))
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class Store:
    """Samples of one split.

    Attributes:
        dataset: Folder with the episodes of all splits.
        folder: Where the files lie; its name is that of the split.
        metas: `meta` of every episode.
        labels: What is true of each sample; changes are from its oldest frame to its newest.
    """

    dataset: Path
    folder: Path
    metas: list[dict[str, Any]]
    labels: PairLabels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class PairStore(Store):
    """Frame pairs.

    Attributes:
        frames: (m, 300, 768) uint8 patches, mapped from disk.
        pairs: (n, 2) int64 rows of ``frames``: current, older.
    """

    frames: NDArray[np.uint8]
    pairs: NDArray[np.int64]

    def patches(
        self, index: NDArray[np.int64], positions: NDArray[np.int64] | None = None
    ) -> NDArray[np.uint8]:
        """(B, K, 1536) uint8 patches of pairs ``index`` (B,) at grid ``positions`` (B, K), or at
        all 300: the current patch, then the older one."""
        rows = self.pairs[index]
        if positions is None:
            return np.concatenate([self.frames[rows[:, 0]], self.frames[rows[:, 1]]], axis=-1)
        parts = [self.frames[rows[:, i, None], positions] for i in (0, 1)]
        return np.concatenate(parts, axis=-1)


def open_store(dataset: Path, split: str, cache: Path, chains: int) -> PairStore:
    """Open a split's pairs, building the files under ``cache`` first where they are missing.

    Args:
        dataset: Folder that `sparsh-ros simulate` wrote.
        split: "train", "validation" or "test".
        cache: Folder for the files, about 230 kB per frame kept.
        chains: How many of the 5 interleaved chains of frames to keep, 1 to 5.

    Raises:
        DatasetError: No episodes, or a damaged one.
    """
    paths = list_episodes(dataset, split)
    folder = cache / split
    wanted = {"chains": chains, "episodes": [[p.name, p.stat().st_size] for p in paths]}
    if not _is_current(folder, wanted):
        _build(paths, folder, chains)
        (folder / "source.json").write_text(json.dumps(wanted))
    return _open(dataset, folder)


def _is_current(folder: Path, wanted: dict[str, Any]) -> bool:
    path = folder / "source.json"
    return path.is_file() and json.loads(path.read_text()) == wanted


def _open(dataset: Path, folder: Path) -> PairStore:
    with np.load(folder / "pairs.npz") as data:
        pairs, metas = data["pairs"], json.loads(str(data["metas"]))
        labels = PairLabels(*(data[field.name] for field in fields(PairLabels)))
    frames = np.memmap(folder / "frames.u8", dtype=np.uint8, mode="r")
    frames = frames.reshape(-1, PATCHES, PATCH_BYTES)
    return PairStore(dataset, folder, metas, labels, frames, pairs)


def _build(paths: list[Path], folder: Path, chains: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.json").unlink(missing_ok=True)
    pairs, labels, metas, rows = [], [], [], 0
    with (folder / "frames.u8").open("wb") as file:
        for path in track(paths, f"Reading episodes of {folder.name}"):
            episode = Episode.load(path)
            chosen = _choose_pairs(episode, chains)
            kept, local = np.unique(chosen, return_inverse=True)
            for patches in _read_frames(episode, kept):
                file.write(patches.tobytes())
            pairs.append(local.reshape(-1, 2) + rows)
            labels.append(label_pairs(episode, chosen))
            metas.append(episode.meta)
            rows += len(kept)
    joined = PairLabels.concatenate(labels)
    keep = cap_idle(joined.in_contact)
    np.savez(
        folder / "pairs.npz",
        pairs=np.concatenate(pairs)[keep],
        metas=np.array(json.dumps(metas)),
        **vars(joined[keep]),
    )


def _choose_pairs(episode: Episode, chains: int) -> NDArray[np.int64]:
    pairs = episode.pairs(PAIR_INTERVAL_S)
    if not len(pairs):
        raise DatasetError(
            f"episode {episode.path}: {len(episode)} frames hold no pair {PAIR_INTERVAL_S:.3f} s "
            "apart; delete it and run `sparsh-ros simulate` with more --duration"
        )
    step = int(np.median(pairs[:, 0] - pairs[:, 1]))
    return pairs[pairs[:, 0] % step < chains]


def _read_frames(episode: Episode, indices: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    subtract = load_profile(episode.meta["sensor"]).subtract_background
    background = episode.background if subtract else None
    for index in indices:
        try:
            image = episode.image(int(index))
        except cv2.error as error:
            raise DatasetError(
                f"episode {episode.path}: frame {index} is not a JPEG ({error}); delete the file "
                "and run `sparsh-ros simulate` again"
            ) from error
        yield cut_patches(subtract_background(image, background))


def label_pairs(episode: Episode, pairs: NDArray[np.int64]) -> PairLabels:
    """Labels of the given (n, 2) pairs of frame indices of an episode."""
    current, previous = pairs.T
    profile = load_profile(episode.meta["sensor"])
    force = np.asarray(episode.force_n, dtype=np.float32)
    losses = np.cumsum(~episode.in_contact)  # frames without contact so far
    held = episode.in_contact[previous] & (losses[current] == losses[previous])
    shape = (len(pairs), 3)
    return PairLabels(
        force_n=force[current],
        delta_force_n=force[current] - force[previous],
        in_contact=episode.in_contact[current],
        slipping=episode.slipping[current],
        motion=np.where(held[:, None], _motion(episode.pose, current, previous), np.nan),
        force_scale_n=np.broadcast_to(np.float32(profile.force_scale_n), shape),
        delta_force_scale_n=np.broadcast_to(np.float32(profile.delta_force_scale_n), shape),
    )


def _motion(pose, current, previous) -> NDArray[np.float32]:
    change = pose[current] - pose[previous]
    change[:, 2] = (change[:, 2] + np.pi) % (2 * np.pi) - np.pi
    return (change * (1e3, 1e3, 180.0 / np.pi)).astype(np.float32)


def cap_idle(in_contact: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sorted rows: all pairs in contact and evenly spread ones of the rest, up to `IDLE_SHARE`."""
    touching, idle = np.flatnonzero(in_contact), np.flatnonzero(~in_contact)
    allowed = min(len(idle), int(len(touching) * IDLE_SHARE / (1.0 - IDLE_SHARE)))
    spread = np.linspace(0, len(idle), allowed, endpoint=False).astype(np.int64)
    return np.sort(np.concatenate([touching, idle[spread]]))
