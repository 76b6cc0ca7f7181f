# SPDX-License-Identifier: Apache-2.0
"""Recorded bags as shards: frames and labels on a grid of 60 Hz, as training reads them.

The labels are those that `sparsh-ros evaluate` finds: `ground_truth/force`, `ground_truth/slip`,
`ground_truth/pose` or `ground_truth/pose_change` beside the images. At each time of the grid stands
the nearest frame, with force and pose interpolated and the slip of the nearest label. Where the
images pause, or their clock steps back, a new shard begins.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError, RecordingError, SparshError, printable
from sparsh_ros.recordings.bag_sensor import LABELS, BagSensor, read_sensor_items
from sparsh_ros.recordings.bags import Bag, list_bags, open_bag
from sparsh_ros.recordings.label_series import KNOWN, LabelLog
from sparsh_ros.recordings.topics import find_sensors
from sparsh_ros.training.clips.episodes import MAP_SHAPE, Shard, prepare_frames
from sparsh_ros.training.episodes import RATE_HZ

_STEP_BACK_NS = 40_000_000
_PAUSE_PERIODS = 3.0
_SIMULATED = "simulated"


def list_recordings(dataset: Path, split: str) -> list[Path]:
    """The bags of a split, sorted; none where there is no such folder, or no bag in it.

    Raises:
        DatasetError: There are simulated episodes beside them.
    """
    folder = dataset / split
    try:
        bags = list_bags(folder)
    except RecordingError:  # that there are none; one that is damaged is told when it is read
        return []
    if any(folder.glob("episode_*.npz")):
        raise DatasetError(
            f"{folder}: wanted bags or simulated episodes, found both; put them in two folders, "
            "pre-training takes several with --data"
        )
    return bags


def read_recording(path: Path, size: tuple[int, int], split: str) -> list[Shard]:
    """Read a bag, at ``size`` (height, width).

    Raises:
        DatasetError: It cannot be read, or holds no image, or no background where the sensor needs
            one.
    """
    try:
        with open_bag(path) as bag:
            topics = find_sensors(bag.topics)
            logs = {topic.name: _Log(BagSensor(topic.name, topic)) for topic in topics}
            for sensor, item, stamp_ns, value in read_sensor_items(
                bag, [log.sensor for log in logs.values()]
            ):
                logs[sensor.topics.name].take(item, stamp_ns, value, path, size)
            metas = {name: _meta(bag, path, log, split) for name, log in logs.items()}
            notes = [printable(note) for note in bag.warnings]
    except DatasetError:
        raise
    except SparshError as error:
        raise DatasetError(f"recording {path}: {error}") from error
    sys.stderr.writelines(f"recording {path}: {note}\n" for note in notes)
    return [shard for name, log in logs.items() for shard in log.shards(metas[name])]


class _Log:
    """What a bag says about one sensor."""

    def __init__(self, sensor: BagSensor) -> None:
        self.sensor = sensor
        self.background: NDArray[np.uint8] | None = None
        self._early: list[tuple[int, NDArray[np.uint8]]] = []
        self._frames: list[NDArray[np.uint8]] = []
        self._stamps: list[int] = []
        self._segments: list[int] = []
        self._labels = {
            name: LabelLog(width, _STEP_BACK_NS)
            for name, width in LABELS.items()
            if getattr(sensor.topics, name)
        }

    def take(self, item: str, stamp_ns: int, value: Any, path: Path, size: tuple[int, int]) -> None:
        """Take an item; frames are freed of their background and shrunk as soon as it is known."""
        if item in self._labels:
            self._labels[item].add(stamp_ns, value, self._segments[-1] if self._segments else 0)
        elif item == "background" and value is not None:
            self.background = value
        elif item == "frame":
            self._early.append((stamp_ns, value.image))
        if self._early and (self.background is not None or not self._wants_background()):
            images = np.stack([image for _, image in self._early])
            meta = {"sensor": self.sensor.profile.name}
            self._frames += list(prepare_frames(path, images, self.background, meta, size))
            for early_ns, _ in self._early:
                self._segments.append(self._segment(early_ns))
                self._stamps.append(early_ns)
            self._early.clear()

    def _wants_background(self) -> bool:
        return self.sensor.profile is None or self.sensor.profile.subtract_background

    def _segment(self, stamp_ns: int) -> int:
        if not self._stamps:
            return 0
        back = self._stamps[-1] - stamp_ns > _STEP_BACK_NS
        return self._segments[-1] + int(back)

    def shards(self, meta: dict[str, Any]) -> list[Shard]:
        """A shard for each stretch without a pause."""
        if not self._frames:
            raise DatasetError(f"recording {meta['recording']}: {self.sensor.trouble()}")
        stamps, segments = np.array(self._stamps), np.array(self._segments)
        found = []
        for number in np.unique(segments):
            own = np.flatnonzero(segments == number)
            steps = np.diff(stamps[own])
            period_ns = float(np.median(steps)) if len(steps) else 1e9 / RATE_HZ
            pauses = np.flatnonzero(steps > max(_PAUSE_PERIODS * period_ns, 2e9 / RATE_HZ))
            for rows in np.split(own, pauses + 1):
                found.append(self._shard(rows, stamps[rows], int(number), period_ns, meta))
        return found

    def _shard(
        self,
        rows: NDArray[np.int64],
        stamps: NDArray[np.int64],
        segment: int,
        period_ns: float,
        meta: dict[str, Any],
    ) -> Shard:
        count = int((stamps[-1] - stamps[0]) * RATE_HZ / 1e9 + 0.5) + 1
        times = stamps[0] + np.rint(np.arange(count) * 1e9 / RATE_HZ).astype(np.int64)
        after = np.searchsorted(stamps, times).clip(1, max(len(stamps) - 1, 1))
        after = np.minimum(after, len(stamps) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.abs(stamps[before] - times) <= np.abs(stamps[after] - times)
        chosen = np.where(nearer, before, after)
        labels = self._at(stamps[chosen], segment, period_ns)
        maps = np.zeros((count, *MAP_SHAPE), np.float16)
        frames = np.stack([self._frames[row] for row in rows[chosen]])
        return Shard(frames, maps=maps, maps_known=False, meta=meta, **labels)

    def _at(
        self, times: NDArray[np.int64], segment: int, period_ns: float
    ) -> dict[str, NDArray[Any]]:
        """What is known at these stamps of frames."""
        count = len(times)
        force, pose = np.full((count, 3), np.nan, np.float32), np.full((count, 3), np.nan)
        contact, slipping, known = np.zeros((3, count), bool)
        series = {n: log.series(segment, round(period_ns)) for n, log in self._labels.items()}
        if "force" in series:
            force = series["force"].at(times)[0].astype(np.float32)
        if "slip" in series:
            longest = max(period_ns, min(series["slip"].period_ns, 3.0 * period_ns))
            values, known = series["slip"].nearest(times, longest / 2.0)
            slipping, contact = (np.nan_to_num(values[:, i]) > 0.5 for i in (0, 1))
        if "pose" in series:
            values, state, _ = series["pose"].unwrapped(2).at(times)
            pose = np.where((state == KNOWN)[:, None], values[:, :3], np.nan) * (1e3, 1e3, 1.0)
            if "slip" not in series:
                contact = state == KNOWN
        motion = np.full((count, 4), np.nan, np.float32)
        if "pose_change" in series:
            values, _ = series["pose_change"].nearest(times, period_ns / 2.0)
            motion = (values * (1.0, 1e3, 1e3, 180.0 / np.pi)).astype(np.float32)
        return {
            "motion": motion,
            "force_n": force,
            "in_contact": contact,
            "slipping": slipping,
            "slip_known": known,
            "pose": pose,
        }


def _meta(bag: Bag, path: Path, log: _Log, split: str) -> dict[str, Any]:
    """What an episode's `meta` says; a recording counts as an instance of its own where it does
    not say which sensor it was."""
    simulated = _simulated(bag.custom)
    profile = log.sensor.profile
    return {
        "sensor": profile.name if profile else "",
        "instance_seed": f"{path.resolve()} {log.sensor.topics.name}",
        "kinds": [],
        "touch": "recorded",
        "rate_hz": RATE_HZ,
        "recording": str(path),
        **simulated,
        "split": split,
    }


def _simulated(custom: Mapping[str, str]) -> dict[str, Any]:
    """What a simulated recording says of itself."""
    try:
        found = json.loads(custom.get(_SIMULATED, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "instance_seed" in found else {}
