# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS topics, read without ROS: rosbag2 (MCAP, sqlite3) and ROS 1 bags.

    with open_bag("recording") as bag:
        for message in bag.messages(["/tactile/force"]):
            print(message.log_time_ns, bag.decode(message).wrench.force.z)

Messages come one at a time; memory holds a chunk of the file and its index, whatever its size.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import Any

from sparsh_ros.errors import RecordingError
from sparsh_ros.files import parse_yaml, refuse_pointer
from sparsh_ros.recordings.formats.compression import ZSTD_SUFFIXES, plain_file
from sparsh_ros.recordings.formats.definitions import Decoder, decoder, one_line
from sparsh_ros.recordings.formats.mcap import McapFile, custom_texts
from sparsh_ros.recordings.formats.part import Part, TopicType
from sparsh_ros.recordings.formats.ros1 import Ros1File
from sparsh_ros.recordings.formats.sqlite import SqliteFile

METADATA = "metadata.yaml"

_FORMATS: dict[str, Callable[[Path], Part]] = {
    ".mcap": McapFile,
    ".db3": SqliteFile,
    ".bag": Ros1File,
    ".active": Ros1File,
}
SUFFIXES = (".mcap", ".db3", ".bag")

_METADATA_BYTES = 1 << 20
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

    def __init__(
        self,
        path: Path,
        parts: Iterable[Part],
        warnings: Iterable[str],
        custom: Mapping[str, str],
        in_sequence: bool,
        opened: ExitStack,
    ) -> None:
        """Read from `parts`, one after the other or merged by log time; `opened` closes them."""
        self.path = path
        self._parts, self._in_sequence, self._opened = list(parts), in_sequence, opened
        self.warnings = [*warnings, *(text for part in self._parts for text in part.warnings)]
        self.custom = {k: v for part in self._parts for k, v in part.custom.items()} | dict(custom)
        self._types: dict[str, TopicType] = {}
        counts: Counter[str] = Counter()
        for part in self._parts:
            for topic, found in part.types.items():
                self._types.setdefault(topic, found)
                counts[topic] += part.counts[topic]
        self.topics = tuple(
            Topic(name, self._types[name].name, counts[name]) for name in sorted(self._types)
        )

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def messages(self, names: Iterable[str]) -> Iterator[Message]:
        """Messages of some topics in the order of the log.

        That is the order of writing, and of log times among separate files. What turns out to be
        damaged is left out, and `warnings` says so.
        """
        wanted = set(names)
        streams = [self._guarded(part, wanted) for part in self._parts]
        joined = (
            chain.from_iterable(streams)
            if self._in_sequence
            else merge(*streams, key=lambda message: message[1])
        )
        for topic, log_time_ns, data in joined:
            yield Message(topic, self._types[topic].name, log_time_ns, data)

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
            return decoder(*self._types[topic])
        except RecordingError as error:
            raise RecordingError(f"{topic}: {error}") from error

    def _guarded(self, part: Part, wanted: set[str]) -> Iterator[tuple[str, int, bytes]]:
        damage: Counter[str] = Counter()
        # Of a topic with two types in two files, the messages of the first type alone.
        topics = {t for t in wanted & part.types.keys() if part.types[t] == self._types[t]}
        messages = part.messages(topics, damage)
        last_ns = None
        while True:
            try:
                topic, last_ns, data = next(messages)
            except StopIteration:
                break
            except Exception as error:  # a damaged file can fail anywhere in the library
                where = "its beginning" if last_ns is None else f"{last_ns * 1e-9:.3f} s"
                self.warn(
                    f"{part.path.name}: damaged after {where} ({one_line(error)}); read up to there"
                )
                break
            yield topic, last_ns, data
        for what, count in damage.items():
            self.warn(f"{part.path.name}: {count} {what}")


def open_bag(path: str | Path) -> Bag:
    """Open a recording: a rosbag2 folder, a folder of bag files, or one .mcap, .db3 or .bag file.

    zstd is read, of files and of messages. Of a file that was not ended, as by a recorder that was
    killed, what is there is read, and `Bag.warnings` says how far. Which files are opened is what
    lies in the folder; no text in a file says it.

    Raises:
        RecordingError: There is no such file, or it holds no bag that can be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise RecordingError(f"bag {path}: not found; check the path")
    warnings: list[str] = []
    files, custom, in_sequence = [path], {}, False
    if path.is_dir():
        files, custom, in_sequence = _files(path, warnings)
    with ExitStack() as opened:
        parts = []
        for file in files:
            try:
                parts.append(_open(file, opened))
            except Exception as error:  # a damaged file can fail anywhere in the library
                reason = one_line(error)
                warnings.append(reason if str(file) in reason else f"{file}: {reason}")
        if not parts:
            raise RecordingError(f"bag {path}: cannot be read ({'; '.join(warnings)})")
        return Bag(path, parts, warnings, custom, in_sequence, opened.pop_all())


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
    files = _listed(folder)
    bags = {f.name if f.suffix == ".bag" else _NUMBER.sub("", f.stem) for f in files}
    return [folder] if len(bags) == 1 else files


def _listed(folder: Path) -> list[Path]:
    """The files of a folder that hold recordings, sorted; none that are hidden."""
    return sorted(
        file
        for file in folder.iterdir()
        if _plain_name(file).suffix in _FORMATS and not file.name.startswith(".") and file.is_file()
    )


def _plain_name(file: Path) -> Path:
    """Its name without the suffix of a compression."""
    return file.with_suffix("") if file.suffix in ZSTD_SUFFIXES else file


def _files(folder: Path, warnings: list[str]) -> tuple[list[Path], dict[str, str], bool]:
    """What to open of a folder, the recorder's texts, and whether the files follow each other."""
    files = _listed(folder)
    if not files:
        raise RecordingError(
            f"bag {folder}: wanted {METADATA} or {', '.join(SUFFIXES)} files, found neither"
        )
    text = _metadata(folder)
    names = _relative_names(text)
    if sorted(names) == [file.name for file in files]:
        return [folder / name for name in names], custom_texts(text), True
    if _plain_name(files[0]).suffix in (".mcap", ".db3"):
        lacking = f"{METADATA} is damaged" if text or (folder / METADATA).exists() else ""
        lacking = lacking or f"no {METADATA}"
        if names:
            lacking = f"{METADATA} names other files than there are"
        warnings.append(f"{folder.name}: {lacking}, so its recorder was not ended properly")
    return files, custom_texts(text), False


def _metadata(folder: Path) -> str:
    path = folder / METADATA
    if not path.is_file() or path.stat().st_size > _METADATA_BYTES:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _relative_names(text: str) -> list[str]:
    """Names of the files that rosbag2 metadata list, in their order."""
    try:
        bag = parse_yaml(text)["rosbag2_bagfile_information"]
        return [str(name) for name in bag["relative_file_paths"]]
    except (ValueError, TypeError, KeyError):
        return []


def _open(path: Path, opened: ExitStack) -> Part:
    refuse_pointer(path, RecordingError)
    if path.suffix in ZSTD_SUFFIXES:
        path = opened.enter_context(plain_file(path))
    if path.suffix not in _FORMATS:
        raise RecordingError(f"{path}: wanted a {', '.join(SUFFIXES)} file, found {path.suffix!r}")
    part = _FORMATS[path.suffix](path)
    opened.callback(part.close)
    return part
