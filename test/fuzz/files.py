# SPDX-License-Identifier: Apache-2.0
"""Inputs as files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_file(data: bytes, name: str) -> Iterator[Path]:
    """The input as a file of that name, in a folder that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path
