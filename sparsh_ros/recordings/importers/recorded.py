# SPDX-License-Identifier: Apache-2.0
"""Recorded bags of one sensor, and CSV files of labels: a bag with images, background and labels.

The labels of a bag lie beside it in a file of its name with `.csv`, where no other is given. Its
columns are those of plain recordings (see `plain`); a row belongs to the image with its `index`, or
to the time `t_s` since the first image. Labels that the bag has itself are left behind.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import Bag, Message, list_bags, open_bag, profile_key
from sparsh_ros.recordings.importers.label_table import LabelTable, Row, read_labels
from sparsh_ros.recordings.importers.plain import write_labels
from sparsh_ros.recordings.importers.recording import Options, Recording, SensorWriter
from sparsh_ros.recordings.topics import SensorTopics, find_sensors

_ROS_1 = ".bag"


def find(source: Path, options: Options) -> list[Recording]:
    """A bag, or the bags in a folder.

    Raises:
        DatasetError: One of them has no labels or several sensors, or labels are given for several
            bags at once.
        RecordingError: There are no bags, or one cannot be read.
    """
    bags = list_bags(source)
    if options.labels and len(bags) > 1:
        raise DatasetError(
            f"{options.labels}: wanted one bag for these labels, found {len(bags)} in {source}; "
            "import them one by one, or name the files as the bags"
        )
    return [_recording(path, options) for path in bags]


def _recording(path: Path, options: Options) -> Recording:
    labels = options.labels or path.parent / f"{path.name}.csv"
    if not labels.is_file():
        raise DatasetError(f"{path}: wanted labels in {labels}, found no such file")
    if path.suffix == _ROS_1:
        raise DatasetError(f"{path}: wanted a bag of ROS 2, found one of ROS 1; convert it first")
    with open_bag(path) as bag:
        sensors = find_sensors(bag.topics)
        if len(sensors) != 1:
            raise DatasetError(
                f"{path}: wanted the images of one sensor, found "
                f"{', '.join(sensor.image for sensor in sensors)}; record each by itself"
            )
        known = bag.custom.get(profile_key(sensors[0].prefix), options.sensor)
    options = replace(options, sensor=known, official=False)
    write = partial(_write, path, sensors[0], labels, options)
    return Recording(path.stem, {sensors[0].prefix: known}, write)


def _write(
    path: Path, sensor: SensorTopics, labels: Path, options: Options, out: BagWriter
) -> list[str]:
    table = read_labels(labels)
    writer = SensorWriter(out, sensor.prefix, options.sensor, options)
    with open_bag(path) as bag:
        stamps = [_stamp_ns(bag, message) for message in bag.messages([sensor.image])]
        if not stamps:
            raise DatasetError(f"{path}: {sensor.image} holds no image")
        rows = _timed(table, stamps, labels)
        for message in bag.messages([name for name in (sensor.background, sensor.image) if name]):
            if message.topic == sensor.image:
                stamp_ns = _stamp_ns(bag, message)
                while rows and rows[0][0] <= stamp_ns:
                    write_labels(writer, *rows.pop(0))
            out.raw(message.topic, message.type, message.log_time_ns, message.data)
    for row in rows:
        write_labels(writer, *row)
    return [*table.notes, *bag.warnings]


def _timed(table: LabelTable, stamps: list[int], path: Path) -> list[tuple[int, Row]]:
    """The rows with the stamp of each, in order of time."""
    found = []
    for key, row in table.rows.items():
        if row.time_s is not None:
            found.append((stamps[0] + round(row.time_s * 1e9), row))
        elif isinstance(key, int) and 0 <= key < len(stamps):
            found.append((stamps[key], row))
        else:
            raise DatasetError(
                f"{path}: row {key}: wanted the number of an image, 0 to {len(stamps) - 1}, or a "
                "time t_s"
            )
    return sorted(found, key=lambda item: item[0])


def _stamp_ns(bag: Bag, message: Message) -> int:
    stamp = bag.decode(message).header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec or message.log_time_ns
