# SPDX-License-Identifier: Apache-2.0
"""ROS 1 bags, with an index or without, as a killed recorder leaves them (`.bag.active`).

The format is that of http://wiki.ros.org/Bags/Format/2.0: records of a header, fields `name=value`,
and data. Messages and the descriptions of their topics (connections) lie in chunks.
"""

from __future__ import annotations

import bz2
import struct
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.formats.compression import CHUNK_BYTES, decompress
from sparsh_ros.recordings.formats.definitions import ros2_name
from sparsh_ros.recordings.formats.mcap import DAMAGED_CHUNKS
from sparsh_ros.recordings.formats.part import TopicType

MAGIC = b"#ROSBAG V2.0\n"

_MESSAGE, _CHUNK, _CONNECTION = 2, 5, 7
_HEADER_BYTES = 1 << 20
_NANOSECONDS = 1_000_000_000

_Record = tuple[dict[str, bytes], bytes]


class Ros1File:
    """A ROS 1 bag, as far as it can be read; see `Part`."""

    custom: dict[str, str] = {}

    def __init__(self, path: Path) -> None:
        """Read the whole file once, to learn what is in it; memory holds one chunk.

        Raises:
            RecordingError: It is no ROS 1 bag with messages.
        """
        self.path = path
        self.types: dict[str, TopicType] = {}
        self.counts: Counter[str] = Counter()
        self.warnings: list[str] = []
        self._topics: dict[int, str] = {}
        self._learn()
        if not self._topics:
            raise RecordingError(
                f"{path}: wanted a ROS 1 bag of version 2.0 with messages, found none"
            )

    def messages(self, topics: set[str], damage: Counter[str]) -> Iterator[tuple[str, int, bytes]]:
        """See `Part`; in the order of writing."""
        for fields, data in self._records(damage):
            if _operation(fields) != _MESSAGE:
                continue
            topic = self._topics.get(_number(fields["conn"]))
            if topic in topics:
                seconds, nanoseconds = struct.unpack("<II", fields["time"])
                yield topic, seconds * _NANOSECONDS + nanoseconds, data

    def close(self) -> None:
        """Nothing stays open between messages."""

    def _learn(self) -> None:
        last_ns = 0
        for fields, data in self._records(Counter(), self.warnings):
            if _operation(fields) == _CONNECTION:
                self._add(_number(fields["conn"]), fields["topic"].decode(errors="replace"), data)
            elif _operation(fields) == _MESSAGE and _number(fields["conn"]) in self._topics:
                self.counts[self._topics[_number(fields["conn"])]] += 1
                seconds, nanoseconds = struct.unpack("<II", fields["time"])
                last_ns = max(last_ns, seconds * _NANOSECONDS + nanoseconds)
        if self.warnings:
            self.warnings[0] += f"; read up to {last_ns * 1e-9:.3f} s"

    def _add(self, number: int, topic: str, data: bytes) -> None:
        fields = _fields(data)
        text = fields["message_definition"].decode(errors="replace")
        definition = MessageDefinition(MessageDefinitionFormat.MSG, text)
        found = TopicType(ros2_name(fields["type"].decode(errors="replace")), definition, True)
        if self.types.setdefault(topic, found).name == found.name:
            self._topics[number] = topic

    def _records(
        self, damage: Counter[str], warnings: list[str] | None = None
    ) -> Iterator[_Record]:
        """All records in chunks and outside of them; ends where the file does or makes no sense."""
        with self.path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return
            try:
                for fields, data in _read(file):
                    if _operation(fields) != _CHUNK:
                        yield fields, data
                        continue
                    try:
                        yield from _read(BytesIO(_plain(fields, data)))
                    except (RecordingError, OSError, EOFError, ValueError, RuntimeError, KeyError):
                        damage[DAMAGED_CHUNKS] += 1
            except (ValueError, KeyError, struct.error):
                if warnings is not None:
                    warnings.append(
                        f"{self.path.name}: truncated: its recorder was stopped before it could "
                        "end the file"
                    )


def _read(file: BinaryIO) -> Iterator[_Record]:
    """Records until the end.

    Raises:
        ValueError: The file ends in the middle of one.
    """
    while size := file.read(4):
        header = _take(file, size, _HEADER_BYTES)
        yield _fields(header), _take(file, file.read(4), CHUNK_BYTES)


def _take(file: BinaryIO, size: bytes, most: int) -> bytes:
    if len(size) < 4 or (wanted := _number(size)) > most:
        raise ValueError("no record")
    found = file.read(wanted)
    if len(found) < wanted:
        raise ValueError("cut off")
    return found


def _fields(header: bytes) -> dict[str, bytes]:
    fields, at = {}, 0
    while at < len(header):
        size = _number(header[at : at + 4])
        name, equals, value = header[at + 4 : at + 4 + size].partition(b"=")
        if not equals:
            raise ValueError("no field")
        fields[name.decode(errors="replace")] = value
        at += 4 + size
    return fields


def _plain(fields: dict[str, bytes], data: bytes) -> bytes:
    """The content of a chunk."""
    size = _number(fields["size"])
    if fields["compression"] != b"bz2":
        name = fields["compression"].decode(errors="replace")
        return decompress("" if name == "none" else name, data, size)
    if size > CHUNK_BYTES:
        raise RecordingError(f"wanted chunks of up to {CHUNK_BYTES:,} bytes, found {size:,}")
    return bz2.BZ2Decompressor().decompress(data, size + 1)


def _operation(fields: dict[str, bytes]) -> int:
    return fields.get("op", b"\0")[0] if fields.get("op") else 0


def _number(value: bytes) -> int:
    return struct.unpack("<I", value)[0]
