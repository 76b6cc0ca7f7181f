# SPDX-License-Identifier: Apache-2.0
"""Files that are not what their names say, told before a reader complains about their content."""

from __future__ import annotations

from pathlib import Path

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
