# SPDX-License-Identifier: Apache-2.0
"""Episodes of either kind, full frames or a quarter of the size, as frames and labels in one form.

`sparsh-ros simulate` writes episodes of full frames (`training.episodes`); the streaming model's
worker writes small ones (`training.stream.episodes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError
from sparsh_ros.models.preprocess import resample_weights
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.training.episodes import RATE_HZ, Episode, readable_episode
from sparsh_ros.training.patches import subtract_background
from sparsh_ros.training.store import PairLabels
from sparsh_ros.training.stream.episodes import LABEL, StreamEpisode

REMEDY = "delete it, then make it again"
Columns = dict[str, NDArray]
MAP_SHAPE = (3, 20, 15)
"""Of a force field: pressure in kPa, then how far the skin is dragged along x and y in mm."""


@dataclass(frozen=True)
class Shard:
    """What an episode holds, at the size a model sees.

    Attributes:
        frames: (T, H, W, 3) uint8, background taken away where the sensor's profile says so.
        force_n: (T, 3) N, of the object on the gel, gel frame.
        in_contact, slipping: (T,) bool.
        pose: (T, 3) mm, mm, rad; NaN without contact.
        maps: (T, 3, 20, 15) float16 pressure (kPa) and skin stretch along x and y (mm).
        meta: sensor, instance_seed, kinds, touch, rate_hz, split.
        slip_known: (T,) bool, whether ``slipping`` means anything; None: everywhere.
        maps_known: Whether ``maps`` mean anything.
        motion: (T, 4) seconds, then the object's motion over them, mm, mm, degrees, where that is
            labelled in the place of poses; NaN where nothing is known; None: nowhere.
    """

    frames: NDArray[np.uint8]
    force_n: NDArray[np.float32]
    in_contact: NDArray[np.bool_]
    slipping: NDArray[np.bool_]
    pose: NDArray[np.float64]
    maps: NDArray[np.float16]
    meta: dict[str, Any]
    slip_known: NDArray[np.bool_] | None = None
    maps_known: bool = True
    motion: NDArray[np.float32] | None = None

    def columns(self) -> Columns:
        """The labels of all frames; `lost` counts frames without contact so far."""
        everywhere = np.ones(len(self.frames), bool)
        return {
            "slip_known": everywhere if self.slip_known is None else self.slip_known,
            "maps_known": everywhere & self.maps_known,
            "motion": np.full((len(self.frames), 4), np.nan, np.float32)
            if self.motion is None
            else self.motion,
            "force_n": self.force_n.astype(np.float32),
            "in_contact": self.in_contact,
            "slipping": self.slipping,
            "pose": self.pose,
            "lost": np.cumsum(~self.in_contact),
        }

    @staticmethod
    def labels(
        columns: Columns, newest: NDArray, oldest: NDArray, sensors: Sequence[str]
    ) -> PairLabels:
        """Labels of clips with these newest and oldest frames, taken with these sensors."""
        force, contact = columns["force_n"], columns["in_contact"]
        held = contact[oldest] & (columns["lost"][newest] == columns["lost"][oldest])
        change = columns["pose"][newest] - columns["pose"][oldest]
        change[:, 2] = np.degrees((change[:, 2] + np.pi) % (2.0 * np.pi) - np.pi)
        change = np.where(held[:, None], change, np.nan)
        seconds, told = np.split(columns["motion"][newest], [1], axis=1)
        alike = np.abs(seconds - (newest - oldest)[:, None] / RATE_HZ) < 0.5 / RATE_HZ
        change = np.where(alike, told, change)
        profiles = {sensor: load_profile(sensor) for sensor in set(sensors)}
        return PairLabels(
            force_n=force[newest],
            delta_force_n=force[newest] - force[oldest],
            in_contact=contact[newest],
            slipping=columns["slipping"][newest],
            motion=change.astype(np.float32),
            force_scale_n=np.float32([profiles[s].force_scale_n for s in sensors]),
            delta_force_scale_n=np.float32([profiles[s].delta_force_scale_n for s in sensors]),
        )


def read_shard(path: Path, size: tuple[int, int]) -> Shard:
    """Read an episode of either kind, at ``size`` (height, width).

    Raises:
        DatasetError: It is missing, damaged, of neither kind, or smaller than ``size``.
    """
    with readable_episode(path, REMEDY) as fields:
        small = "frames" in fields
        shard = (_small if small else _full)(path, fields, size)
    for name in ("force_n", "in_contact", "slipping", "pose", "maps"):
        if (found := len(getattr(shard, name))) != len(shard.frames):
            raise DatasetError(
                f"episode {path}: wanted {len(shard.frames)} labels of {name}, found {found}; "
                f"{REMEDY}"
            )
    return shard


def _small(path: Path, values: Mapping[str, Any], size: tuple[int, int]) -> Shard:
    episode = StreamEpisode(**values)
    labels = episode.labels
    maps = episode.maps[:, [0, 2, 3]].astype(np.float32) * np.float32([[[1e3]], [[1.0]], [[1.0]]])
    return Shard(
        frames=prepare_frames(path, episode.frames, episode.background, episode.meta, size),
        force_n=labels[:, :3],
        in_contact=labels[:, LABEL["in_contact"]] > 0,
        slipping=labels[:, LABEL["slipping"]] > 0,
        pose=labels[:, LABEL["pose_x_mm"] : LABEL["pose_turn"] + 1].astype(np.float64),
        maps=maps.astype(np.float16),
        meta=episode.meta,
    )


def _full(path: Path, values: Mapping[str, Any], size: tuple[int, int]) -> Shard:
    episode = Episode(path=path, **values)
    frames = np.stack([episode.image(index) for index in range(len(episode))])
    maps = np.concatenate([episode.pressure_kpa[:, None], episode.skin_stretch_mm], axis=1)
    return Shard(
        frames=prepare_frames(path, frames, episode.background, episode.meta, size),
        force_n=episode.force_n,
        in_contact=episode.in_contact,
        slipping=episode.slipping,
        pose=episode.pose * (1e3, 1e3, 1.0),
        maps=maps.astype(np.float16),
        meta=episode.meta,
    )


def prepare_frames(
    path: Path,
    frames: NDArray[np.uint8],
    background: NDArray[np.uint8] | None,
    meta: Mapping[str, Any],
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """Frames (T, h, w, 3) as the live path makes them: background taken away, then shrunk to
    (T, H, W, 3).

    Raises:
        DatasetError: They are smaller than ``size`` (H, W).
    """
    found = frames.shape[1:3]
    if found[0] < size[0] or found[1] < size[1]:
        raise DatasetError(
            f"episode {path}: wanted frames of {size[0]} x {size[1]} or more, found "
            f"{found[0]} x {found[1]}; take a smaller model, or `sparsh-ros simulate` others"
        )
    if load_profile(meta["sensor"]).subtract_background:
        frames = subtract_background(frames, background)
    if found == size:
        return frames
    rows, columns = (resample_weights(was, now) for was, now in zip(found, size, strict=True))
    return np.stack([_shrink(frame, rows, columns) for frame in frames])


def _shrink(frame: NDArray[np.uint8], rows: NDArray, columns: NDArray) -> NDArray[np.uint8]:
    wide = np.floor(columns @ frame.astype(np.float32) + 0.5)
    small = np.floor(rows @ wide.reshape(len(wide), -1) + 0.5)
    return small.reshape(len(rows), len(columns), 3).clip(0, 255).astype(np.uint8)
