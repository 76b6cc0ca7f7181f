# SPDX-License-Identifier: Apache-2.0
"""rosbag2 files of SQLite, read from front to back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path


def written_order(path: Path, types: Mapping[str, str]) -> Iterator[tuple[str, int, bytes]]:
    """(topic, log time ns, data) of a .db3 file, in the order of writing; see `formats.mcap`.

    Args:
        path: the file.
        types: topic that is wanted -> type of its messages.
    """
    # One thread at a time reads, but another may end it.
    address = f"{path.resolve().as_uri()}?immutable=1"
    with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as base:
        rows = base.execute("SELECT id, name, type FROM topics").fetchall()
        topics = {number: name for number, name, kind in rows if types.get(name) == kind}
        marks = ", ".join("?" * len(topics))
        wanted = f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks})"
        for number, log_time_ns, data in base.execute(f"{wanted} ORDER BY id", [*topics]):
            yield topics[number], log_time_ns, data
