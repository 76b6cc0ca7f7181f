# SPDX-License-Identifier: Apache-2.0
"""What a file is that is not what it seems."""

from __future__ import annotations

from pathlib import Path

from sparsh_ros.errors import SparshError

_POINTER = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path, error: type[SparshError]) -> None:
    """Refuse what a clone without git-lfs leaves in the place of a large file.

    Raises:
        SparshError: Of the given class: it is such a pointer.
    """
    try:
        with path.open("rb") as file:
            is_pointer = file.read(len(_POINTER)) == _POINTER
    except OSError:
        return
    if is_pointer:
        raise error(f"{path}: a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
