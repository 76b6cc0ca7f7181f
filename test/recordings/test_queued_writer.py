# SPDX-License-Identifier: Apache-2.0
"""Bags written while messages come in: nothing is lost in silence."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from rosbags.rosbag2 import Writer

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bags import open_bag
from sparsh_ros.recordings.queued_writer import QueuedWriter

KIND = "std_msgs/msg/String"
TEXT = b"\x00\x01\x00\x00\x02\x00\x00\x00a\x00"
PLENTY = 10**12


def counts(path: Path) -> dict[str, int]:
    with open_bag(path) as bag:
        assert bag.warnings == []
        return {topic.name: topic.count for topic in bag.topics}


def test_everything_is_in_the_bag_in_order(tmp_path: Path) -> None:
    writer = QueuedWriter(tmp_path / "bag")
    for number in range(200):
        writer.put("/text", KIND, 1_000 + number, TEXT)
    writer.note("who", "me")
    writer.close()
    assert writer.counts["/text"] == 200 and not writer.dropped and not writer.error
    assert writer.bytes == 200 * len(TEXT)
    with open_bag(tmp_path / "bag") as bag:
        assert [m.log_time_ns for m in bag.messages(["/text"])] == list(range(1_000, 1_200))
        assert bag.custom == {"who": "me"}


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that takes nothing before this event."""
    event, write = threading.Event(), Writer.write

    def wait_and_write(*arguments: object) -> None:
        assert event.wait(30.0)
        write(*arguments)

    monkeypatch.setattr(Writer, "write", wait_and_write)
    return event


def test_what_a_slow_disk_cannot_take_is_counted(
    tmp_path: Path, slow_disk: threading.Event
) -> None:
    writer = QueuedWriter(tmp_path / "bag", backlog_bytes=5 * len(TEXT))
    for number in range(50):
        writer.put("/text", KIND, number, TEXT)
    slow_disk.set()
    writer.close()
    # The thread may have taken one out before the disk held it up.
    assert writer.counts["/text"] in (5, 6)
    assert writer.counts["/text"] + writer.dropped["/text"] == 50
    assert counts(tmp_path / "bag") == {"/text": writer.counts["/text"]}


def test_a_disk_that_fills_up_ends_the_bag_while_it_can_be_closed(tmp_path: Path) -> None:
    room = iter([PLENTY, 10_000_000])
    writer = QueuedWriter(tmp_path / "bag", free_bytes=lambda path: next(room))
    large = TEXT + bytes(6_000_000)
    for number in range(5):
        writer.put("/text", KIND, number, large)
    writer.close()
    assert "wanted 200 MB of free disk, found 10 MB" in writer.error
    assert writer.dropped["/text"] == 3
    assert counts(tmp_path / "bag") == {"/text": 2}


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "write", fail)
    writer = QueuedWriter(tmp_path / "bag", free_bytes=lambda path: PLENTY)
    writer.put("/text", KIND, 1, TEXT)
    writer.close()
    assert "No space left on device" in writer.error and writer.dropped["/text"] == 1


def test_an_existing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="exists already"):
        QueuedWriter(tmp_path)
