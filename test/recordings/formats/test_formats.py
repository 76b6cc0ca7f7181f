# SPDX-License-Identifier: Apache-2.0
"""Budgets of decompression, SQLite's write-ahead log, ROS 1 bags without an index or in MCAP."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
import zstandard
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bags import open_bag
from sparsh_ros.recordings.formats.compression import decompress, plain_file

NOETIC = get_typestore(Stores.ROS1_NOETIC)
TEXT = "std_msgs/msg/String"


def text(value: str) -> bytes:
    return bytes(NOETIC.serialize_ros1(NOETIC.types[TEXT](value), TEXT))


def test_a_chunk_that_decompresses_to_more_than_it_says_is_refused() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    with pytest.raises(RecordingError, match="wanted up to 1,000 bytes, found more"):
        decompress("zstd", bomb, 1000)
    with pytest.raises(RecordingError, match="wanted chunks of up to"):
        decompress("zstd", bomb, 1 << 40)


def test_a_file_that_decompresses_to_far_too_much_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = tmp_path / "bag.mcap.zstd"
    path.write_bytes(zstandard.ZstdCompressor().compress(bytes(200 << 20)))
    with pytest.raises(RecordingError, match="wanted a file of up to 200 times"):
        plain_file(path).__enter__()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_is_in_the_write_ahead_log_is_read(tmp_path: Path) -> None:
    store = get_typestore(Stores.LATEST)
    with Writer(tmp_path / "bag", version=9) as writer:
        connection = writer.add_connection("/text", TEXT, typestore=store)
        writer.write(connection, 1, store.serialize_cdr(store.types[TEXT]("one"), TEXT))
    file = tmp_path / "bag" / "bag.db3"
    base = sqlite3.connect(file)
    base.execute("PRAGMA journal_mode=wal")
    base.execute("INSERT INTO messages SELECT 2, topic_id, 2, data FROM messages")
    base.commit()
    folder = tmp_path / "copy"
    shutil.copytree(tmp_path / "bag", folder)  # while the log is still there
    base.close()
    assert (folder / "bag.db3-wal").stat().st_size
    with open_bag(folder) as bag:
        assert bag.topics[0].count == 2
        assert [message.log_time_ns for message in bag.messages(["/text"])] == [1, 2]
    assert (folder / "bag.db3-wal").stat().st_size


def test_a_ros_1_bag_without_an_index_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    with Writer1(tmp_path / "whole.bag") as writer:
        connection = writer.add_connection("/text", TEXT, typestore=NOETIC)
        for index in range(5000):
            writer.write(connection, index, text(f"{index:0500d}"))
    content = (tmp_path / "whole.bag").read_bytes()
    path = tmp_path / "cut.bag.active"
    path.write_bytes(content[: len(content) * 2 // 3])
    with open_bag(path) as bag:
        read = [bag.decode(message).data for message in bag.messages(["/text"])]
        assert "truncated" in bag.warnings[0]
    assert 1000 < len(read) < 5000 and read[-1] == f"{len(read) - 1:0500d}"


def test_ros_1_messages_in_mcap_are_read_without_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file)
        writer.start()
        schema = writer.register_schema("std_msgs/String", "ros1msg", b"string data\n")
        channel = writer.register_channel("/text", "ros1", schema)
        writer.add_message(channel, 1, text("hello"), 1)
        writer.finish()
    with open_bag(path) as bag:
        (message,) = bag.messages(["/text"])
        assert message.type == TEXT and bag.decode(message).data == "hello"


def test_what_metadata_name_outside_of_the_folder_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "bag" / "metadata.yaml"
    path.parent.mkdir()
    path.write_text("rosbag2_bagfile_information:\n  relative_file_paths: [../secret.mcap]\n")
    (tmp_path / "secret.mcap").write_bytes(b"")
    with pytest.raises(RecordingError, match="wanted metadata.yaml or .mcap"):
        open_bag(path.parent)
