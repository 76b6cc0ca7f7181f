# SPDX-License-Identifier: Apache-2.0
"""MCAP files read from front to back, also those without an index that a killed recorder leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import yaml
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, RecordLengthLimitExceeded
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.formats.definitions import one_line

_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}
_BEYOND_THE_END = (EndOfFile, RecordLengthLimitExceeded)
_RECORD_HEADER_BYTES = 9
_CUT = "truncated: its recorder was stopped before it could end the file"


def has_index(path: Path) -> bool:
    """Whether an MCAP file was ended properly and says where its chunks are."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # a damaged file can fail anywhere in the library
        return False
    return summary is not None and bool(summary.chunk_indexes)


def custom_data(path: Path) -> dict[str, str]:
    """What the recorder wrote beside the messages, which an MCAP file with an index repeats."""
    with path.open("rb") as file:
        for record in make_reader(file).iter_metadata():
            if record.name == "rosbag2":
                bag = yaml.safe_load(record.metadata.get("serialized_metadata", ""))
                return dict((bag or {}).get("custom_data") or {})
    return {}


def written_order(path: Path, types: Mapping[str, str]) -> Iterator[tuple[str, int, bytes]]:
    """(topic, log time ns, data) of an MCAP file with an index, in the order of writing.

    Log times tell that order unless the recorder's clock was set back: sorted by them, the frames
    of two moments would take turns. Memory holds one chunk.

    Args:
        path: the file.
        types: topic that is wanted -> type of its messages.
    """
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
        channels = {
            number: channel.topic
            for number, channel in summary.channels.items()
            if channel.schema_id in summary.schemas
            and types.get(channel.topic) == summary.schemas[channel.schema_id].name
        }
        for index in sorted(summary.chunk_indexes, key=lambda index: index.chunk_start_offset):
            listed = index.message_index_offsets  # empty where the writer made no such list
            if listed and channels.keys().isdisjoint(listed):
                continue
            file.seek(index.chunk_start_offset + _RECORD_HEADER_BYTES)
            for record in breakup_chunk(Chunk.read(ReadDataStream(file))):
                if isinstance(record, Message) and record.channel_id in channels:
                    yield channels[record.channel_id], record.log_time, record.data


class McapStream:
    """An MCAP file without an index, as far as it can be read.

    Attributes:
        definitions: topic -> (type, definition of it).
        counts: topic -> number of messages.
        warnings: how far the file can be read, if not to its end.
    """

    def __init__(self, path: Path) -> None:
        """Read the whole file once, to learn what is in it; memory holds one chunk.

        Raises:
            RecordingError: it is no MCAP file of ROS 2 messages.
        """
        self.path = path
        self.definitions: dict[str, tuple[str, MessageDefinition]] = {}
        self.counts: Counter[str] = Counter()
        self.warnings: list[str] = []
        self._channels: dict[int, str] = {}
        self._learn()
        if not self._channels:
            reason = self.warnings[0] if self.warnings else "none of its channels is CDR"
            raise RecordingError(f"{path}: wanted ROS 2 messages, found none ({reason})")

    def messages(self, topics: set[str]) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time ns, data) of some topics, in the order of writing."""
        for record in chain.from_iterable(self._blocks()):
            if isinstance(record, Message) and self._channels.get(record.channel_id) in topics:
                yield self._channels[record.channel_id], record.log_time, record.data

    def close(self) -> None:
        """Nothing stays open between messages."""

    def _learn(self) -> None:
        schemas: dict[int, Schema] = {}
        last_ns = None
        for records in self._blocks(self.warnings):
            for record in records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    self._add(record, schemas.get(record.schema_id))
                elif isinstance(record, Message) and record.channel_id in self._channels:
                    self.counts[self._channels[record.channel_id]] += 1
                    last_ns = max(last_ns or 0, record.log_time)
        if self.warnings and last_ns is not None:
            self.warnings[0] += f"; read up to {last_ns * 1e-9:.3f} s"

    def _add(self, channel: Channel, schema: Schema | None) -> None:
        if channel.message_encoding != "cdr" or schema is None:
            return
        kind = _FORMATS.get(schema.encoding, MessageDefinitionFormat.NONE)
        definition = MessageDefinition(kind, schema.data.decode(errors="replace"))
        self._channels[channel.id] = channel.topic
        self.definitions[channel.topic] = (schema.name, definition)

    def _blocks(self, warnings: list[str] | None = None) -> Iterator[list[McapRecord]]:
        """The records of one chunk at a time; a record outside of chunks is a block of its own."""
        with self.path.open("rb") as file:
            reader = StreamReader(
                file, emit_chunks=True, record_size_limit=self.path.stat().st_size
            )
            try:
                for record in reader.records:
                    yield breakup_chunk(record) if isinstance(record, Chunk) else [record]
            except Exception as error:  # a damaged file can fail anywhere in the library
                if warnings is not None:
                    at_end = isinstance(error, _BEYOND_THE_END) or not file.read(1)
                    trouble = _CUT if at_end else f"damaged ({one_line(error)})"
                    warnings.append(f"{self.path.name}: {trouble}")
