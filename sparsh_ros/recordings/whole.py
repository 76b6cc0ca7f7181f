# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparsh_ros.errors import RecordingError

_RANDOM = 8  # characters that `tempfile` appends


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or folder to; it is moved to `path` at the end.

    After an exception nothing is left of it; what a killed process left of the same is taken away
    when it is made again.

    Raises:
        RecordingError: there is something at `path` already.
    """
    path = Path(path)
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".partial-{path.name}."
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as folder:
        # Of the same name, because the files of a bag bear the name of their folder.
        yield Path(folder, path.name)
        os.replace(Path(folder, path.name), path)
    for left in path.parent.glob(f"{glob.escape(prefix)}{'?' * _RANDOM}"):
        shutil.rmtree(left, ignore_errors=True)


def refuse_existing(path: Path) -> None:
    """Raise RecordingError where there is something at `path` already."""
    if path.exists():
        raise RecordingError(f"{path}: exists already; give another path or delete it")
