# SPDX-License-Identifier: Apache-2.0
"""rosbag2 files of SQLite, read from front to back, with what is in a write-ahead log."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.formats.compression import plain_message
from sparsh_ros.recordings.formats.definitions import ros2_name
from sparsh_ros.recordings.formats.mcap import custom_texts
from sparsh_ros.recordings.formats.part import LATEST_NS, TopicType

_FORMATS = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
_DEFINITION_BYTES = 1 << 20


class SqliteFile:
    """A .db3 file; see `Part`."""

    def __init__(self, path: Path) -> None:
        """Learn what is in the file.

        Raises:
            RecordingError: It is no such file.
        """
        self.path = path
        self.custom: dict[str, str] = {}
        self.warnings: list[str] = []
        with ExitStack() as opened:
            try:
                self._base = _open(path, opened)
                self._learn()
            except sqlite3.Error as error:
                raise RecordingError(f"{path}: no rosbag2 file ({error})") from error
            self._opened = opened.pop_all()

    def messages(self, topics: set[str], damage: Counter[str]) -> Iterator[tuple[str, int, bytes]]:
        """See `Part`."""
        wanted = {number: topic for number, topic in self._topics.items() if topic in topics}
        marks = ", ".join("?" * len(wanted))
        query = f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks})"
        for number, log_time_ns, data in self._base.execute(f"{query} ORDER BY id", [*wanted]):
            known = isinstance(data, bytes) and isinstance(log_time_ns, int)
            if known and abs(log_time_ns) <= LATEST_NS:
                yield wanted[number], log_time_ns, plain_message(data)
            else:
                damage["messages without content were left out"] += 1

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def _learn(self) -> None:
        tables = dict(self._base.execute("SELECT name, type FROM sqlite_master"))
        if any(tables.get(name) != "table" for name in ("topics", "messages")):
            raise RecordingError(f"{self.path}: wanted tables of topics and messages, found none")
        definitions = self._definitions("message_definitions" in tables)
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        self.types: dict[str, TopicType] = {}
        self._topics: dict[int, str] = {}
        for number, topic, name in self._base.execute("SELECT id, name, type FROM topics"):
            found = TopicType(ros2_name(str(name)), definitions.get(name, nothing))
            # A topic has one type here, though a file may hold two under one name.
            if self.types.setdefault(str(topic), found).name == found.name:
                self._topics[number] = str(topic)
        self.counts: Counter[str] = Counter(dict.fromkeys(self.types, 0))
        for number, topic in self._topics.items():
            query = "SELECT count(*) FROM messages WHERE topic_id = ?"
            self.counts[topic] += self._base.execute(query, [number]).fetchone()[0]
        if "metadata" in tables:
            rows = self._base.execute("SELECT metadata FROM metadata ORDER BY id DESC").fetchone()
            self.custom = custom_texts(rows[0]) if rows and isinstance(rows[0], str) else {}

    def _definitions(self, kept: bool) -> dict[str, MessageDefinition]:
        """Type -> its definition, where the file keeps them."""
        if not kept:
            return {}
        query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        return {
            name: MessageDefinition(_FORMATS[encoding], text)
            for name, encoding, text in self._base.execute(query)
            if encoding in _FORMATS and isinstance(text, str) and len(text) <= _DEFINITION_BYTES
        }


def _open(path: Path, opened: ExitStack) -> sqlite3.Connection:
    """The file to read; a copy where a write-ahead log lies beside it, whose folder may be
    read-only and which reading would change."""
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="sparsh-ros-")))
        for file in (path, log):
            shutil.copy(file, folder / file.name)
        address = (folder / path.name).as_uri()
    else:
        address = f"{path.resolve().as_uri()}?immutable=1"
    # One thread at a time reads, but another may end it.
    base = sqlite3.connect(address, uri=True, check_same_thread=False)
    opened.callback(base.close)
    return base
