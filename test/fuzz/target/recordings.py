# SPDX-License-Identifier: Apache-2.0
"""Readers of recordings as functions of bytes, and small sound files to begin from."""

from __future__ import annotations

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from sparsh_ros.errors import SparshError
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.bags import Bag, Message, open_bag
from sparsh_ros.recordings.formats.definitions import decoder, known_types
from sparsh_ros.recordings.importers.label_table import read_labels
from sparsh_ros.recordings.labels import read_events
from sparsh_ros.recordings.topics import find_sensors
from sparsh_ros.resources import message_definitions

FRAMES = 4


def mcap(data: bytes) -> None:
    """An MCAP file, read to its end as an evaluation does; with its checksums, nothing is wrong
    silently: whatever is not as it was written is said."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        path = Path(folder, "input.mcap")
        path.write_bytes(data)
        _read(path)
        with open_bag(path) as bag:
            read = [(message.topic, bytes(message.data)) for message in _all(bag)]
            warnings = list(bag.warnings)
    assert warnings or Counter(read) in _sound_messages(), f"silently wrong: {len(read)} messages"


def _all(bag: Bag) -> Iterator[Message]:
    return bag.messages([topic.name for topic in bag.topics])


@cache
def _sound_messages() -> list[Counter]:
    """Of each bag that the fuzz begins from."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        found = []
        for data in bags("mcap"):
            path = Path(folder, "input.mcap")
            path.write_bytes(data)
            with open_bag(path) as bag:
                found.append(Counter((m.topic, bytes(m.data)) for m in _all(bag)))
    return found


def sqlite(data: bytes) -> None:
    """A rosbag2 file of SQLite."""
    _bag(data, "input.db3")


def ros1(data: bytes) -> None:
    """A ROS 1 bag."""
    _bag(data, "input.bag")


def metadata(data: bytes) -> None:
    """The metadata.yaml of a sound bag."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        Path(folder, "input.mcap").write_bytes(bags("mcap")[0])
        Path(folder, "metadata.yaml").write_bytes(data)
        _read(Path(folder))


def definition(data: bytes) -> None:
    """The definition of a message type, in both languages."""
    text = data.decode(errors="replace")
    refusals = []
    for form in (MessageDefinitionFormat.MSG, MessageDefinitionFormat.IDL):
        try:
            decode = decoder("lab_msgs/msg/Gauge", MessageDefinition(form, text), False)
            _try(decode, bytes(64))
        except SparshError as error:
            refusals.append(error)
    if len(refusals) == 2:
        raise refusals[0]


def table(data: bytes) -> None:
    """A CSV file of labels."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        path = Path(folder, "labels.csv")
        path.write_bytes(data)
        read_labels(path)


def _try(decode, data: bytes) -> None:
    try:
        decode(data)
    except Exception:  # as in Bag.decode: whatever it is, the bytes do not fit
        return


def _bag(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        _read(path)


def _read(path: Path) -> None:
    with open_bag(path) as bag:
        for _ in read_events(bag, find_sensors(bag.topics)):
            pass


@cache
def bags(form: str) -> list[bytes]:
    """Small recordings as "mcap", "sqlite" or "ros1"."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        for compress in (True, False):
            _write(Path(folder, f"bag_{compress}"), compress)
        whole = [Path(folder, f"bag_{c}", f"bag_{c}.mcap") for c in (True, False)]
        if form == "mcap":
            return [path.read_bytes() for path in whole]
        with open_bag(whole[0]) as bag:
            messages = list(bag.messages([topic.name for topic in bag.topics]))
        if form == "sqlite":
            return [_sqlite(Path(folder, "sqlite"), messages)]
        return [_ros1(Path(folder, "one.bag"), messages)]


def definitions() -> list[bytes]:
    """Definitions in both languages."""
    idl = "module lab_msgs { module msg { struct Gauge { sequence<long, 4> x; string<9> y; }; }; };"
    msg = "uint8 A=1\nfloat64[3] x\nstring<=5 y\nPart[] parts\n" + "=" * 80
    return [idl.encode(), f"{msg}\nMSG: lab_msgs/Part\nint32 z 5\n".encode()]


def tables() -> list[bytes]:
    """Tables of labels as several programs write them."""
    rows = [["file", "t_s", "Fx_N", "Fy_N", "Fz_N", "slipping"], ["a.png", 0.5, 1, 2, 3, 1]]
    made = []
    for between in ",;\t":
        file = io.StringIO()
        csv.writer(file, delimiter=between).writerows(rows)
        made.append(file.getvalue().encode())
    return [*made, b"\xef\xbb\xbf" + made[1], made[0].decode().encode("utf-16")]


def _write(path: Path, compress: bool) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with BagWriter(path, compress, {"sensor_profile:/t": "digit"}) as bag:
        bag.image("/t/background", 10**9, image, "c", 90)
        for index in range(FRAMES):
            stamp_ns = 10**9 + index * 10**7
            bag.image("/t/image_raw", stamp_ns, image, "c", 90 if compress else None)
            bag.wrench("/t/ground_truth/force", stamp_ns, np.ones(3), "g")
            bag.slip("/t/ground_truth/slip", stamp_ns, True, True, "g")
            bag.pose("/t/ground_truth/pose", stamp_ns, np.zeros(3), "g")


def _sqlite(path: Path, messages: list) -> bytes:
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {
            m.topic: writer.add_connection(m.topic, m.type, typestore=known_types())
            for m in {m.topic: m for m in messages}.values()
        }
        for message in messages:
            writer.write(connections[message.topic], message.log_time_ns, message.data)
    return next(path.glob("*.db3")).read_bytes()


def _ros1(path: Path, messages: list) -> bytes:
    noetic = get_typestore(Stores.ROS1_NOETIC)
    for file in message_definitions():
        noetic.register(get_types_from_msg(file.read_text(), f"sparsh_ros/msg/{file.stem}"))
    with Writer1(path) as writer:
        connections = {
            m.topic: writer.add_connection(m.topic, m.type, typestore=noetic)
            for m in {m.topic: m for m in messages}.values()
        }
        for m in messages:
            decoded = known_types().deserialize_cdr(m.data, m.type)
            object.__setattr__(decoded.header, "seq", 0)  # ROS 1 headers count
            content = noetic.serialize_ros1(decoded, m.type)
            writer.write(connections[m.topic], m.log_time_ns, content)
    return path.read_bytes()
