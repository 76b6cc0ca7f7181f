# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS topics, read without ROS: rosbag2 (MCAP, sqlite3) and ROS 1 bags.

    with open_bag("recording") as bag:
        for message in bag.messages(["/tactile/force"]):
            print(message.log_time_ns, bag.decode(message).wrench.force.z)

Messages come one at a time; memory holds a chunk of the file and its index, whatever its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, MessageDefinition
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.formats import mcap, sqlite
from sparsh_ros.recordings.formats.definitions import Decoder, decoder, one_line
from sparsh_ros.recordings.formats.mcap import McapStream, custom_data, has_index

SUFFIXES = (".mcap", ".db3", ".bag")
METADATA = "metadata.yaml"
_WRITTEN_ORDER = {".mcap": mcap.written_order, ".db3": sqlite.written_order}
_NUMBER = re.compile(r"_\d+$")


def profile_key(prefix: str) -> str:
    """Key of `Bag.custom` with the type of the sensor whose topics begin with `prefix`."""
    return f"sensor_profile:{prefix}"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of a bag: its name, the type of its messages, how many there are."""

    name: str
    type: str
    count: int


@dataclass(frozen=True, slots=True)
class Message:
    """One recorded message: CDR in rosbag2, the ROS 1 wire format in `.bag` files."""

    topic: str
    type: str
    log_time_ns: int
    data: bytes


class Bag:
    """An open recording, see `open_bag`.

    Attributes:
        path: what was opened.
        topics: all topics, sorted by name.
        custom: what the recorder wrote beside the messages.
        warnings: what cannot be read, in sentences; more may come while messages are read.
    """

    def __init__(self, path: Path, parts: Iterable[_Part], warnings: Iterable[str]) -> None:
        """Read from `parts`, whose messages are merged by log time."""
        self.path = path
        self._parts = list(parts)
        self.warnings = [*warnings, *(text for part in self._parts for text in part.warnings)]
        self.custom = {k: v for part in self._parts for k, v in part.custom.items()}
        self._definitions: dict[str, tuple[str, MessageDefinition]] = {}
        counts: dict[str, int] = {}
        for part in self._parts:
            for topic, definition in part.definitions.items():
                self._definitions.setdefault(topic, definition)
                counts[topic] = counts.get(topic, 0) + part.counts[topic]
        self._ros1 = any(part.ros1 for part in self._parts)
        self.topics = tuple(
            Topic(name, self._definitions[name][0], counts[name]) for name in sorted(counts)
        )

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.close()

    def messages(self, names: Iterable[str]) -> Iterator[Message]:
        """Messages of some topics in the order of the log.

        That is the order of writing in rosbag2 files, of log times in others and among separate
        files. Where a file turns out to be damaged, its messages end there and `warnings` says so.
        """
        wanted = set(names)
        streams = [self._guarded(part, wanted) for part in self._parts]
        for topic, log_time_ns, data in merge(*streams, key=lambda message: message[1]):
            yield Message(topic, self._definitions[topic][0], log_time_ns, data)

    def warn(self, text: str) -> None:
        """Add to `warnings`; what is found again in a second reading is reported once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def check(self, topic: str) -> None:
        """Raise RecordingError if no message of a topic can be decoded, because of its type."""
        self._decoder(topic)

    def decode(self, message: Message) -> Any:
        """The message as an object with the fields of its type; arrays are NumPy arrays.

        Raises:
            RecordingError: its bytes do not fit its type, or the type cannot be read.
        """
        decode = self._decoder(message.topic)
        try:
            return decode(message.data)
        except Exception as error:  # whatever the library trips over, the bytes do not fit
            raise RecordingError(
                f"{message.topic}: {len(message.data)} bytes that are no {message.type} "
                f"({one_line(error)})"
            ) from error

    def _decoder(self, topic: str) -> Decoder:
        try:
            return decoder(*self._definitions[topic], self._ros1)
        except RecordingError as error:
            raise RecordingError(f"{topic}: {error}") from error

    def _guarded(self, part: _Part, wanted: set[str]) -> Iterator[tuple[str, int, bytes]]:
        messages = part.messages(wanted & part.definitions.keys())
        last_ns = None
        while True:
            try:
                topic, last_ns, data = next(messages)
            except StopIteration:
                return
            except Exception as error:  # a damaged file can fail anywhere in the library
                where = "its beginning" if last_ns is None else f"{last_ns * 1e-9:.3f} s"
                self.warn(
                    f"{part.path.name}: damaged after {where} ({one_line(error)}); read up to there"
                )
                return
            yield topic, last_ns, data


class _Indexed:
    """A bag that `rosbags` reads: a file, or a folder with its metadata.yaml."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ros1 = path.suffix == ".bag"
        self.warnings: list[str] = []
        self._reader = Reader1(path) if self.ros1 else Reader2(path)
        self._reader.open()
        self.definitions = {c.topic: (c.msgtype, c.msgdef) for c in self._reader.connections}
        self.counts = dict.fromkeys(self.definitions, 0)
        for connection in self._reader.connections:
            self.counts[connection.topic] += self._reads(connection) * connection.msgcount
        self.custom = self._custom()

    def _custom(self) -> Mapping[str, str]:
        if self.ros1:
            return {}
        if self.path.suffix == ".mcap":
            return custom_data(self.path)
        return self._reader.storage.metadata.custom or {}

    def messages(self, topics: set[str]) -> Iterator[tuple[str, int, bytes]]:
        if files := self._plain_files():
            types = {topic: self.definitions[topic][0] for topic in topics}
            for file in files:
                yield from _WRITTEN_ORDER[file.suffix](file, types)
            return
        connections = [
            connection
            for connection in self._reader.connections
            if connection.topic in topics and self._reads(connection)
        ]
        # To the library, no connections would mean all.
        if connections:
            for connection, log_time_ns, data in self._reader.messages(connections):
                yield connection.topic, log_time_ns, bytes(data)

    def close(self) -> None:
        self._reader.close()

    def _plain_files(self) -> list[Path]:
        """Its rosbag2 files, as they follow each other; none where only the library reads them."""
        if self.ros1 or self._reader.compression_mode == "message":
            return []
        storage = self._reader.storage
        return [part.path for part in getattr(storage, "storages", [storage])]

    def _reads(self, connection: Connection) -> bool:
        """A topic has one type here, though a bag may hold two under one name."""
        return self.definitions[connection.topic][0] == connection.msgtype


class _Streamed(McapStream):
    """An MCAP file without an index."""

    ros1 = False
    custom: Mapping[str, str] = {}


_Part = _Indexed | _Streamed


def open_bag(path: str | Path) -> Bag:
    """Open a recording: a rosbag2 folder, a folder of bag files, or one .mcap, .db3 or .bag file.

    zstd is read, of files and of messages. Of an MCAP file that was not ended, as by a recorder
    that was killed, what is there is read, and `Bag.warnings` says how far.

    Raises:
        RecordingError: there is no such file, or it holds no bag that can be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise RecordingError(f"bag {path}: not found; check the path")
    warnings: list[str] = []
    files = [path] if path.is_file() else _files(path, warnings)
    with ExitStack() as opened:
        parts = []
        for file in files:
            try:
                parts.append(_open(file))
            except Exception as error:  # a damaged file can fail anywhere in the library
                reason = one_line(error)
                warnings.append(reason if str(file) in reason else f"{file}: {reason}")
            else:
                opened.callback(parts[-1].close)
        if not parts:
            raise RecordingError(f"bag {path}: cannot be read ({'; '.join(warnings)})")
        opened.pop_all()
    return Bag(path, parts, warnings)


def list_bags(path: str | Path) -> list[Path]:
    """The bags that a path stands for: itself, or all bags in the folders below it, sorted.

    Files in one folder are a bag each, unless they are the parts of a split rosbag2, of which the
    names differ in their numbers alone.

    Raises:
        RecordingError: there are none.
    """
    path = Path(path).expanduser()
    if path.is_file() or (path / METADATA).is_file():
        return [path]
    if not path.exists():
        raise RecordingError(f"bag {path}: not found; check the path")
    folders = [path, *(folder for folder in path.rglob("*") if folder.is_dir())]
    found = [bag for folder in folders if not _hidden(folder, path) for bag in _bags_in(folder)]
    if not found:
        raise RecordingError(
            f"{path}: wanted bags ({', '.join(SUFFIXES)} files or rosbag2 folders), found none"
        )
    return sorted(found)


def _hidden(folder: Path, root: Path) -> bool:
    """Whether a folder is not meant to be seen, such as that of a bag being written."""
    return any(part.startswith(".") for part in folder.relative_to(root).parts)


def _bags_in(folder: Path) -> list[Path]:
    if (folder / METADATA).is_file():
        return [folder]
    files = [file for file in folder.iterdir() if file.suffix in SUFFIXES]
    bags = {f.name if f.suffix == ".bag" else _NUMBER.sub("", f.stem) for f in files}
    return [folder] if len(bags) == 1 else files


def _files(folder: Path, warnings: list[str]) -> list[Path]:
    """What to open of a folder: itself if it is a whole rosbag2, else its files one by one."""
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    whole = (folder / METADATA).is_file()
    if whole and all(has_index(file) for file in files if file.suffix == ".mcap"):
        return [folder]
    if not files:
        raise RecordingError(
            f"bag {folder}: wanted {METADATA} or {', '.join(SUFFIXES)} files, found neither"
        )
    if not whole and files[0].suffix != ".bag":
        warnings.append(f"{folder.name}: no {METADATA}, so its recorder was not ended properly")
    return files


def _open(path: Path) -> _Part:
    if path.suffix == ".mcap" and not has_index(path):
        return _Streamed(path)
    return _Indexed(path)
