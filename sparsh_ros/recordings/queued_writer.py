# SPDX-License-Identifier: Apache-2.0
"""Writing a bag while messages come in: whoever brings one never waits for the disk."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from sparsh_ros.errors import SparshError
from sparsh_ros.recordings.bag_writer import BagWriter

# Half a minute of one sensor's images at 60 frames/s.
_BACKLOG_BYTES = 400_000_000
# Left free, so that the bag can be closed properly and the computer goes on.
_SPARE_BYTES = 200_000_000
_LOOK_EVERY_BYTES = 10_000_000


class _Item(NamedTuple):
    topic: str
    type: str
    log_time_ns: int
    data: bytes


class QueuedWriter:
    """A bag that a thread of its own writes.

    Attributes:
        counts: topic -> messages written.
        dropped: topic -> messages that had to be thrown away: the disk was too slow, or failed.
        bytes: of all messages written.
        error: why nothing more is written, in a sentence; empty while all is well.
    """

    def __init__(
        self,
        path: Path,
        backlog_bytes: int = _BACKLOG_BYTES,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        """Begin a bag.

        Args:
            path: folder to make.
            backlog_bytes: what may wait to be written; more is thrown away, and counted.
            free_bytes: gives the free space where a path lies.

        Raises:
            RecordingError: there is something at `path` already, or it cannot be written to.
        """
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.bytes = 0
        self.error = ""
        self._path, self._backlog_bytes, self._free_bytes = path, backlog_bytes, free_bytes
        self._bag = BagWriter(path)
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._waiting_bytes, self._lock = 0, threading.Lock()
        self._look_at_bytes = 0
        self._thread = threading.Thread(target=self._work, name="write bag")
        self._thread.start()

    def put(self, topic: str, type_name: str, log_time_ns: int, data: bytes) -> None:
        """Have a serialised message written, as `BagWriter.raw`; returns at once."""
        with self._lock:
            if self.error or self._waiting_bytes + len(data) > self._backlog_bytes:
                self.dropped[topic] += 1
                return
            self._waiting_bytes += len(data)
        self._queue.put(_Item(topic, type_name, log_time_ns, data))

    def note(self, key: str, text: str) -> None:
        """Keep a text beside the messages, see `Bag.custom`."""
        self._bag.note(key, text)

    def close(self) -> None:
        """Write what waits, and close the bag."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        try:
            with self._bag:
                while (item := self._queue.get()) is not None:
                    self._write(item)
        except (OSError, SparshError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._fail(f"{self._path}: {reason}")

    def _write(self, item: _Item) -> None:
        with self._lock:
            self._waiting_bytes -= len(item.data)
        if not self.error and self.bytes >= self._look_at_bytes:
            self._look_at_bytes = self.bytes + _LOOK_EVERY_BYTES
            self._check_room()
        if self.error:
            self.dropped[item.topic] += 1
            return
        try:
            self._bag.raw(*item)
        except OSError as error:
            self.dropped[item.topic] += 1
            self._fail(f"{self._path}: {error.strerror}")
            return
        self.counts[item.topic] += 1
        self.bytes += len(item.data)

    def _check_room(self) -> None:
        free = self._free_bytes(self._path)
        if free < _SPARE_BYTES:
            self._fail(
                f"{self._path}: wanted {_SPARE_BYTES / 1e6:.0f} MB of free disk, found "
                f"{free / 1e6:.0f} MB; the recording ends here, make room before the next one"
            )

    def _fail(self, sentence: str) -> None:
        with self._lock:
            self.error = self.error or sentence
