# SPDX-License-Identifier: Apache-2.0
"""Plain recordings: a video or a folder of images, and a CSV file of labels.

The columns of the CSV file are found by name; each may be absent, and an empty cell is unknown:

    file or index               the image, by its name or by its number from 0; else row by row
    t_s                         its time, 0 or later; without it, images follow at a fixed rate
    Fx_N, Fy_N, Fz_N            force of the world on the gel
    slipping, in_contact        0 or 1; a row with slip alone counts as in contact
    x_m, y_m, theta_rad         planar pose of the object in the gel frame

In a folder of images, `labels.csv` and an image named `background` are taken where no other is
given. Video is stored as JPEG of quality 95.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.recordings.importers.recording import Options, Recording, SensorWriter
from sparsh_ros.sensors.images import encode_jpeg, list_images
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.sensors.sources import VideoFile

PREFIX = "/tactile"
LABELS = "labels.csv"
BACKGROUND = "background"
JPEG_QUALITY = 95
VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm")

_FORCE = ("Fx_N", "Fy_N", "Fz_N")
_POSE = ("x_m", "y_m", "theta_rad")
_LATEST_S = 2**31 - 2  # in a stamp, with the second at which recordings start
_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}


def find(source: Path, options: Options) -> list[Recording]:
    """A video, a folder of images, or the videos of a folder.

    Raises:
        DatasetError: it is none of them, or labels are given for several videos at once.
    """
    options = replace(options, official=False)
    if source.is_dir() and (images := list_images(source)):
        background = next((path for path in images if path.stem == BACKGROUND), None)
        labels = source / LABELS if (source / LABELS).is_file() else None
        options = replace(
            options,
            labels=options.labels or labels,
            background=options.background or background,
        )
        return [_recording(source, partial(_folder, source), options)]
    inside = sorted(source.iterdir()) if source.is_dir() else [source]
    videos = [path for path in inside if path.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise DatasetError(
            f"{source}: wanted a video ({', '.join(VIDEO_SUFFIXES)}), a folder of images or a "
            "folder of videos, found none of them"
        )
    if options.labels and len(videos) > 1:
        raise DatasetError(
            f"{options.labels}: wanted one video for these labels, found {len(videos)} in "
            f"{source}; import them one by one"
        )
    return [_recording(video, partial(_video, video), options) for video in videos]


@dataclass(frozen=True)
class _Row:
    """One row of the labels; None is unknown. The time is in seconds, the rest in SI units."""

    time_s: float | None
    force_n: np.ndarray | None
    slip: tuple[bool, bool] | None
    pose: np.ndarray | None


def _recording(source: Path, frames: partial, options: Options) -> Recording:
    if options.rate_hz is None and source.is_file():
        video = VideoFile(source)
        video.close()
        options = replace(options, rate_hz=video.fps)
    name = source.stem if source.is_file() else source.resolve().name
    return Recording(name, {PREFIX: options.sensor}, partial(_write, frames, options))


def _folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of the images of a folder, without its background."""
    for path in list_images(folder):
        if path.stem != BACKGROUND:
            yield path.name, path.read_bytes()


def _video(path: Path) -> Iterator[tuple[str, bytes]]:
    video = VideoFile(path)
    try:
        while (image := video.read()) is not None:
            rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            yield "", encode_jpeg(rgb, JPEG_QUALITY).tobytes()
    finally:
        video.close()


def _write(frames: partial, options: Options, bag: BagWriter) -> list[str]:
    rows, timed = _read_labels(options.labels)
    topics = SensorWriter(bag, PREFIX, load_profile(options.sensor).name, options)
    notes, skipped, used = [], 0, set()
    for index, (name, content) in enumerate(frames()):
        if index == 0 and options.background is not None:
            notes += filter(None, [topics.background_file(options.background, content)])
        key = name if name in rows else index
        row = rows.get(key)
        used.add(key)
        if timed and row is None:
            skipped += 1
            continue
        stamp_ns = topics.stamp_ns(index)
        if row is not None and row.time_s is not None:
            stamp_ns = START_NS + round(row.time_s * 1e9)
        if topics.frame(stamp_ns, content) and row is not None:
            _write_labels(topics, stamp_ns, row)
    if skipped:
        notes.append(f"{skipped} images have no time in {options.labels} and were left out")
    if unused := len(rows.keys() - used):
        notes.append(f"{unused} rows of {options.labels} belong to no image")
    return [*notes, *topics.notes()]


def _write_labels(topics: SensorWriter, stamp_ns: int, row: _Row) -> None:
    if row.force_n is not None:
        topics.force(stamp_ns, row.force_n)
    if row.slip is not None:
        topics.slip(stamp_ns, *row.slip)
    if row.pose is not None:
        topics.pose(stamp_ns, row.pose)


def _read_labels(path: Path | None) -> tuple[dict[str | int, _Row], bool]:
    """Rows by name or number of their image, and whether they give the times."""
    if path is None:
        return {}, False
    rows: dict[str | int, _Row] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            for number, cells in enumerate(reader):
                rows[_key(cells, number)] = _row(cells)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        where = f"row {len(rows) + 1}: " if isinstance(error, ValueError) else ""
        raise DatasetError(f"{path}: {where}cannot be read ({error})") from error
    if not any({*group} <= {*columns} for group in (_FORCE, _POSE, ("slipping",))):
        raise DatasetError(
            f"{path}: wanted the columns {', '.join(_FORCE)}, or slipping, or {', '.join(_POSE)}; "
            f"found {', '.join(columns) or 'none'}"
        )
    return rows, _check_times(path, rows)


def _check_times(path: Path, rows: dict[str | int, _Row]) -> bool:
    times = [row.time_s for row in rows.values()]
    if all(time_s is None for time_s in times):
        return False
    for earlier, later in zip(times, times[1:], strict=False):
        if earlier is None or later is None or not earlier < later:
            raise DatasetError(
                f"{path}: t_s: wanted times that grow from row to row, "
                f"found {later} after {earlier}"
            )
    if times[0] < 0 or times[-1] > _LATEST_S:
        raise DatasetError(
            f"{path}: t_s: wanted seconds from 0 to {_LATEST_S:,}, found {times[0]} to {times[-1]}"
        )
    return True


def _key(cells: dict[str, str], number: int) -> str | int:
    if cells.get("file"):
        return Path(cells["file"]).name
    return int(cells["index"]) if cells.get("index") else number


def _row(cells: dict[str, str]) -> _Row:
    slip = _boolean(cells.get("slipping"))
    touches = _boolean(cells.get("in_contact"))
    return _Row(
        _number(cells.get("t_s")),
        _numbers(cells, _FORCE),
        None if slip is None else (slip, True if touches is None else touches),
        _numbers(cells, _POSE),
    )


def _numbers(cells: dict[str, str], names: tuple[str, ...]) -> np.ndarray | None:
    values = [_number(cells.get(name)) for name in names]
    return None if None in values else np.array(values, np.float64)


def _number(cell: str | None) -> float | None:
    if cell is None or not cell.strip():
        return None
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError(f"wanted a number, found {cell!r}")
    return value


def _boolean(cell: str | None) -> bool | None:
    if cell is None or not cell.strip():
        return None
    if cell.strip().lower() not in _BOOLEANS:
        raise ValueError(f"wanted 0 or 1, found {cell!r}")
    return _BOOLEANS[cell.strip().lower()]
