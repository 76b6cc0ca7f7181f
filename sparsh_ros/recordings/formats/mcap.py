# SPDX-License-Identifier: Apache-2.0
"""MCAP files, with an index or without, as a killed recorder leaves them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, RecordLengthLimitExceeded
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.summary import Summary
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from sparsh_ros.errors import RecordingError
from sparsh_ros.files import parse_yaml
from sparsh_ros.recordings.formats.checksums import has_sound_index
from sparsh_ros.recordings.formats.compression import decompress, plain_message
from sparsh_ros.recordings.formats.definitions import one_line, ros2_name
from sparsh_ros.recordings.formats.part import LATEST_NS, TopicType

DAMAGED_CHUNKS = "damaged chunks were left out, with all messages in them"
_NO_INDEX = "its index is damaged or cut off; the messages before it were read"
_MISNAMED = "topics have another name in the chunks than in the index"
_MISSING = "messages that the index counts are not there"

_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros1msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}
_ENCODINGS = {"cdr": False, "ros1": True}  # of messages -> whether they are those of ROS 1
_BEYOND_THE_END = (EndOfFile, RecordLengthLimitExceeded)
_RECORD_HEADER_BYTES = 9
_METADATA_BYTES = 1 << 20
_CUT = "truncated: its recorder was stopped before it could end the file"

_Topics = dict[int, str]


class McapFile:
    """An MCAP file, as far as it can be read; see `Part`."""

    def __init__(self, path: Path) -> None:
        """Learn what is in the file: from its index, else by reading it once, chunk by chunk.

        Raises:
            RecordingError: It is no MCAP file of ROS messages.
        """
        self.path = path
        self.types: dict[str, TopicType] = {}
        self.counts: Counter[str] = Counter()
        self.custom: dict[str, str] = {}
        self.warnings: list[str] = []
        self._channels: _Topics = {}
        self._encodings: set[str] = set()
        is_sound = has_sound_index(path)
        self._summary = _summary(path) if is_sound else None
        if self._summary is None:
            self._learn()
            if not (is_sound or self.warnings):
                self.warnings.append(f"{path.name}: {_NO_INDEX}")
        else:
            self._learn_from(self._summary)
        if not self._channels:
            found = ", ".join(sorted(self._encodings))
            reason = self.warnings[0] if self.warnings else f"messages in {found or 'no encoding'}"
            raise RecordingError(f"{path}: wanted ROS 2 messages, found none ({reason})")

    def messages(self, topics: set[str], damage: Counter[str]) -> Iterator[tuple[str, int, bytes]]:
        """See `Part`. Log times tell the order of writing unless the recorder's clock was set back:
        sorted by them, the frames of two moments would take turns. Memory holds one chunk.

        Where the index tells otherwise than the chunks, which few writers protect by a checksum,
        that is damage, too."""
        left = Counter({topic: self.counts[topic] for topic in topics} if self._summary else {})
        blocks = self._indexed_blocks(topics) if self._summary else self._blocks()
        for block in blocks:
            try:
                for record in _records(block):
                    if isinstance(record, Channel) and self._is_misnamed(record):
                        damage[_MISNAMED] += 1
                    if not isinstance(record, Message):
                        continue
                    topic = self._channels.get(record.channel_id)
                    if topic not in topics:
                        continue
                    left[topic] -= 1
                    if record.log_time > LATEST_NS:
                        damage["messages have an impossible log time and were left out"] += 1
                        continue
                    yield topic, record.log_time, plain_message(record.data)
            except Exception:  # a damaged chunk can fail anywhere in the libraries
                damage[DAMAGED_CHUNKS] += 1
        if not damage[DAMAGED_CHUNKS] and (missing := sum((+left).values())):
            damage[_MISSING] += missing

    def close(self) -> None:
        """Nothing stays open between messages."""

    def _indexed_blocks(self, topics: set[str]) -> Iterator[McapRecord]:
        wanted = {number for number, topic in self._channels.items() if topic in topics}
        with self.path.open("rb") as file:
            order = sorted(self._summary.chunk_indexes, key=lambda index: index.chunk_start_offset)
            for index in order:
                listed = index.message_index_offsets  # empty where the writer made no such list
                if listed and wanted.isdisjoint(listed):
                    continue
                file.seek(index.chunk_start_offset + _RECORD_HEADER_BYTES)
                yield Chunk.read(ReadDataStream(file))

    def _learn_from(self, summary: Summary) -> None:
        """Take what the index says."""
        for channel in summary.channels.values():
            self._add(channel, summary.schemas.get(channel.schema_id))
        counts = summary.statistics.channel_message_counts
        for number, topic in self._channels.items():
            self.counts[topic] += counts.get(number, 0)
        with self.path.open("rb") as file:
            self.custom = _custom(file)

    def _learn(self) -> None:
        schemas: dict[int, Schema] = {}
        last_ns = None
        for block in self._blocks(self.warnings):
            try:
                for record in _records(block):
                    if isinstance(record, Schema):
                        schemas[record.id] = record
                    elif isinstance(record, Channel):
                        self._add(record, schemas.get(record.schema_id))
                    elif isinstance(record, Metadata) and record.name == "rosbag2":
                        self.custom = custom_texts(record.metadata.get("serialized_metadata", ""))
                    elif isinstance(record, Message) and record.channel_id in self._channels:
                        self.counts[self._channels[record.channel_id]] += 1
                        last_ns = max(last_ns or 0, record.log_time)
            except Exception:  # counted when the messages are read
                continue
        if self.warnings and last_ns is not None:
            self.warnings[0] += f"; read up to {last_ns * 1e-9:.3f} s"

    def _add(self, channel: Channel, schema: Schema | None) -> None:
        self._encodings.add(channel.message_encoding)
        if channel.message_encoding not in _ENCODINGS or schema is None:
            return
        form = _FORMATS.get(schema.encoding, MessageDefinitionFormat.NONE)
        definition = MessageDefinition(form, schema.data.decode(errors="replace"))
        found = TopicType(ros2_name(schema.name), definition, _ENCODINGS[channel.message_encoding])
        known = self.types.setdefault(channel.topic, found)
        # A topic has one type here, though a file may hold two under one name.
        if known.name == found.name:
            self._channels[channel.id] = channel.topic

    def _is_misnamed(self, channel: Channel) -> bool:
        """Whether a chunk calls a topic otherwise than the index did."""
        return self._channels.get(channel.id, channel.topic) != channel.topic

    def _blocks(self, warnings: list[str] | None = None) -> Iterator[McapRecord]:
        """The chunks, and the records outside of chunks, from front to back."""
        with self.path.open("rb") as file:
            reader = StreamReader(
                file, emit_chunks=True, record_size_limit=self.path.stat().st_size
            )
            try:
                for record in reader.records:
                    if isinstance(record, DataEnd):  # behind it the index, which may be damaged
                        return
                    yield record
            except Exception as error:  # a damaged file can fail anywhere in the library
                if warnings is not None:
                    at_end = isinstance(error, _BEYOND_THE_END) or not file.read(1)
                    trouble = _CUT if at_end else f"damaged ({one_line(error)})"
                    warnings.append(f"{self.path.name}: {trouble}")


def _summary(path: Path) -> Summary | None:
    """The index of a file that was ended properly."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # a damaged file can fail anywhere in the library
        return None
    whole = summary is not None and summary.chunk_indexes and summary.statistics is not None
    return summary if whole else None


def _records(block: McapRecord) -> Iterator[McapRecord]:
    """What is in a chunk, or a record by itself."""
    if not isinstance(block, Chunk):
        yield block
        return
    data = decompress(block.compression, block.data, block.uncompressed_size)
    if block.uncompressed_crc and zlib.crc32(data) != block.uncompressed_crc:
        raise RecordingError("wrong checksum")
    yield from breakup_chunk(replace(block, compression="", data=data, uncompressed_crc=0))


def _custom(file: BinaryIO) -> dict[str, str]:
    """What the recorder wrote beside the messages, which an MCAP file with an index repeats."""
    try:
        records = list(make_reader(file).iter_metadata())
    except Exception:  # a damaged file can fail anywhere in the library
        return {}
    texts = (r.metadata.get("serialized_metadata", "") for r in records if r.name == "rosbag2")
    return custom_texts(next(texts, ""))


def custom_texts(text: str) -> dict[str, str]:
    """The recorder's own texts in rosbag2 metadata (YAML): key -> text, whatever else it holds."""
    if len(text) > _METADATA_BYTES:
        return {}
    try:
        bag = parse_yaml(text)
    except ValueError:
        return {}
    bag = bag.get("rosbag2_bagfile_information", bag) if isinstance(bag, dict) else {}
    custom = bag.get("custom_data") if isinstance(bag, dict) else None
    pairs = custom.items() if isinstance(custom, dict) else ()
    return {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}
