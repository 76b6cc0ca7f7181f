# SPDX-License-Identifier: Apache-2.0
"""Whether files are what their names say, told before a reader complains about their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from sparsh_ros.errors import SparshError

_CHUNK = 1 << 20  # bytes
_LFS_START = b"version https://git-lfs.github.com/spec/"


def missing_content(path: Path) -> str:
    """Why a file cannot hold what its name says; "" where it may.

    Returns:
        What was found, and what to do: for an empty file, and for the text that a clone without
        Git LFS leaves in the place of a large file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(len(_LFS_START))
    if not start:
        return "an empty file; fetch or save it again"
    if start == _LFS_START:
        return "a Git LFS pointer, not the file itself; `git lfs pull` fetches it"
    return ""


def sha256_of(path: Path, progress: Callable[[int], None] = lambda _: None) -> str:
    """Hash of a file's content, in hexadecimal.

    Args:
        path: The file.
        progress: Told how many more bytes were hashed.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


def refuse_pointer(path: Path, error: type[SparshError]) -> None:
    """Refuse what a clone without Git LFS leaves in the place of a large file.

    Raises:
        SparshError: Of the given class: it is such a pointer.
    """
    try:
        found = missing_content(path)
    except OSError:
        return
    if "Git LFS" in found:
        raise error(f"{path}: {found}")
