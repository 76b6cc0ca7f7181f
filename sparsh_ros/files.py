# SPDX-License-Identifier: Apache-2.0
"""Whether files are what their names say, told before a reader complains about their content."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sparsh_ros.errors import SparshError

_CHUNK = 1 << 20  # bytes
_MOST_YAML_BYTES = 1 << 20
_MOST_YAML_ITEMS = 100_000
_LONGEST_NUMBER = 100  # characters: 1:1:1... takes the square of its length
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


def read_whole(path: Path, most_bytes: int) -> bytes:
    """The content of a file that is to fit into memory.

    Raises:
        OSError: It cannot be read, is larger, or no plain file: a pipe may never end.
    """
    if not path.is_file():
        path.stat()  # says so where there is none
        raise OSError(errno.EINVAL, "no plain file", str(path))
    if path.stat().st_size > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes >> 20} MiB", str(path))
    return path.read_bytes()


def read_yaml(path: Path) -> Any:
    """The content of a small YAML file of plain values.

    Raises:
        ValueError: It cannot be read or is no such file; the message says why in one line.
    """
    try:
        return parse_yaml(read_whole(path, _MOST_YAML_BYTES).decode())
    except OSError as error:
        raise ValueError(error.strerror) from error


def parse_yaml(text: str) -> Any:
    """What a text in YAML says.

    Raises:
        ValueError: It is none, or says more than a person would write: a few lines of aliases stand
            for more than fits anywhere. The message is one line.
    """
    try:
        if len(text) > _MOST_YAML_BYTES:
            raise ValueError(f"more than {_MOST_YAML_BYTES >> 20} MiB")
        content = yaml.load(text, _Loader)
        _count_items(content)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    return content


class _Loader(yaml.SafeLoader):
    """Plain values, and no number that takes long."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """See PyYAML."""
        return super().construct_yaml_int(_checked(node))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """See PyYAML."""
        return super().construct_yaml_float(_checked(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def _checked(node: yaml.ScalarNode) -> yaml.ScalarNode:
    if len(str(node.value)) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(node.value)} characters")
    return node


def _count_items(content: Any) -> None:
    """Raise ValueError if these lists and mappings, written out, hold too many values."""
    left = [content]
    for _ in range(_MOST_YAML_ITEMS):
        if not left:
            return
        item = left.pop()
        if isinstance(item, dict):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set)):
            left += item
    raise ValueError(f"more than {_MOST_YAML_ITEMS} values")
