# SPDX-License-Identifier: Apache-2.0
"""Plain recordings: a video or a folder of images, and a CSV file of labels.

The columns of the CSV file are found by name; each may be absent, and an empty cell is unknown:

    file or index               the image, by its name or by its number from 0; else row by row
    t_s, t_ms, t_us or t_ns     its time, 0 or later
    Fx_N, Fy_N, Fz_N            force of the world on the gel
    slipping, in_contact        0 or 1; a row with slip alone counts as in contact
    x_m, y_m, theta_rad         planar pose of the object in the gel frame

Without times there, and without a rate that is given, frames have the times that the video says, or
those that the names of the images say (`0.0340.jpg`); else they follow at the sensor's rate. In a
folder of images, `labels.csv` and an image named `background` are taken where no other is given.
Video is stored as JPEG of quality 95.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2

from sparsh_ros.errors import DatasetError
from sparsh_ros.files import read_whole, refuse_pointer
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.recordings.importers.label_table import LabelTable, Row, read_labels
from sparsh_ros.recordings.importers.recording import Options, Recording, SensorWriter
from sparsh_ros.sensors.images import LARGEST_FILE_BYTES, encode_jpeg, list_images
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.sensors.sources import VideoFile

PREFIX = "/tactile"
LABELS = "labels.csv"
BACKGROUND = "background"
JPEG_QUALITY = 95
VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm")

_SECONDS = re.compile(r"\d+\.\d+(?:e[-+]\d{1,3})?", re.ASCII | re.IGNORECASE)

Frames = Callable[[], Iterator[tuple[str, float | None, bytes]]]
"""Gives the name of each frame, its time (s) where one is known, and the content of its file."""


def find(source: Path, options: Options) -> list[Recording]:
    """A video, a folder of images, or the videos of a folder.

    Raises:
        DatasetError: It is none of them, or labels are given for several videos at once.
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
        return [_recording(source.resolve().name, partial(_folder, source), options)]
    inside = sorted(source.iterdir()) if source.is_dir() else [source]
    videos = [
        path
        for path in inside
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    ]
    if not videos:
        refuse_pointer(source, DatasetError)
        raise DatasetError(
            f"{source}: wanted a video ({', '.join(VIDEO_SUFFIXES)}), a folder of images or a "
            "folder of videos, found none of them"
        )
    if options.labels and len(videos) > 1:
        raise DatasetError(
            f"{options.labels}: wanted one video for these labels, found {len(videos)} in "
            f"{source}; import them one by one"
        )
    return [_recording(video.stem, partial(_video, video), options) for video in videos]


def _recording(name: str, frames: Frames, options: Options) -> Recording:
    return Recording(name, {PREFIX: options.sensor}, partial(_write, frames, options))


def _folder(folder: Path) -> Iterator[tuple[str, float | None, bytes]]:
    """The images of a folder, without its background."""
    paths = [path for path in list_images(folder) if path.stem != BACKGROUND]
    in_names = all(_SECONDS.fullmatch(path.stem) for path in paths)
    first_s = float(paths[0].stem) if in_names and paths else 0.0
    for path in paths:
        # What cannot be read, such as a link that leads nowhere, has its place all the same.
        try:
            content = read_whole(path, LARGEST_FILE_BYTES)
        except OSError:
            content = b""
        yield path.name, float(path.stem) - first_s if in_names else None, content


def _video(path: Path) -> Iterator[tuple[str, float | None, bytes]]:
    video = VideoFile(path)
    try:
        while (image := video.read()) is not None:
            rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            yield "", video.time_s, encode_jpeg(rgb, JPEG_QUALITY).tobytes()
    finally:
        video.close()


class _Times:
    """The time of each frame since the first: that of its row, else its own, else by a rate."""

    def __init__(self, topics: SensorWriter, by_rate: bool) -> None:
        self._topics, self._by_rate = topics, by_rate
        self._last_ns: int | None = None
        self.own = self.guessed = 0

    def stamp_ns(self, index: int, row: Row | None, own_s: float | None) -> int:
        if row is not None and row.time_s is not None:
            return START_NS + round(row.time_s * 1e9)
        period_ns = self._topics.stamp_ns(1) - START_NS
        stamp_ns = self._topics.stamp_ns(index)
        if own_s is not None and not self._by_rate:
            stamp_ns = START_NS + round(own_s * 1e9)
            if self._last_ns is None or stamp_ns > self._last_ns:
                self.own += 1
            else:
                stamp_ns = self._last_ns + period_ns
                self.guessed += 1
        self._last_ns = stamp_ns
        return stamp_ns

    def notes(self, rate_hz: float) -> list[str]:
        notes = []
        if self.guessed:
            notes.append(
                f"{self.guessed} frames have no time of their own and follow at {rate_hz:g} "
                "frames/s; say another with --fps"
            )
        elif not (self.own or self._by_rate):
            notes.append(
                f"the frames have no times and are taken at {rate_hz:g} frames/s, as the sensor "
                "has; say another rate with --fps"
            )
        return notes


def _write(frames: Frames, options: Options, bag: BagWriter) -> list[str]:
    table = read_labels(options.labels) if options.labels else LabelTable()
    topics = SensorWriter(bag, PREFIX, load_profile(options.sensor).name, options)
    times = _Times(topics, options.rate_hz is not None)
    notes, untimed, used, labelled = list(table.notes), 0, set(), 0
    for index, (name, own_s, content) in enumerate(frames()):
        if index == 0 and options.background is not None:
            notes += filter(None, [topics.background_file(options.background, content)])
        key = name if name in table.rows else index
        row = table.rows.get(key)
        used.add(key)
        if table.timed and row is None:
            untimed += 1
            continue
        stamp_ns = times.stamp_ns(index, row, own_s)
        if topics.frame(stamp_ns, content) and row is not None:
            labelled += write_labels(topics, stamp_ns, row)
    if untimed:
        notes.append(f"{untimed} images have no time in {options.labels} and were left out")
    if unused := len(table.rows.keys() - used):
        notes.append(f"{unused} rows of {options.labels} belong to no image")
    if options.labels and not labelled:
        notes.append(f"{options.labels} gave no label at all, so nothing can be scored")
    if not table.timed:
        notes += times.notes(topics.rate_hz)
    return [*notes, *topics.notes()]


def write_labels(topics: SensorWriter, stamp_ns: int, row: Row) -> bool:
    """Write what a row knows; whether that is anything."""
    if row.force_n is not None:
        topics.force(stamp_ns, row.force_n)
    if row.slip is not None:
        topics.slip(stamp_ns, *row.slip)
    if row.pose is not None:
        topics.pose(stamp_ns, row.pose)
    return not (row.force_n is None and row.slip is None and row.pose is None)
