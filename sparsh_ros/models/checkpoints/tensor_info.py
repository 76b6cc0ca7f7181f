# SPDX-License-Identifier: Apache-2.0
"""What is known of a tensor before its values are read, and lists of names for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sparsh_ros.errors import WeightsError, printable

LARGEST_SIZE = 1 << 40
"""Most values along an axis, in a tensor or before its first value; a real file has far fewer."""
_MOST_TENSORS = 100_000
_LONGEST_NAME = 500
_LISTED = 4  # names spelled out in a message before it only counts
_SHOWN = 120  # characters of each


class TensorInfo(NamedTuple):
    """Shape and type ("float32", ...) of a tensor in a file."""

    shape: tuple[int, ...]
    dtype: str


def check_tensors(path: Path, tensors: Mapping[str, TensorInfo]) -> None:
    """Refuse what no real file has, before anything is made of it.

    Raises:
        WeightsError: There are too many tensors, a name cannot be shown, or a shape is absurd.
    """
    if len(tensors) > _MOST_TENSORS:
        raise WeightsError(
            f"{path}: wanted the weights of a model, found {len(tensors):,} tensors, more than "
            f"{_MOST_TENSORS:,}; use other weights"
        )
    for name, info in tensors.items():
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise WeightsError(
                f"{path}: wanted names of tensors, found {_shortened(name)}, which no module has; "
                "do not trust the file"
            )
        if any(size > LARGEST_SIZE for size in info.shape):
            raise WeightsError(
                f"{path}: wanted tensors that fit a file, found {name} of shape {info.shape}; "
                "do not trust the file"
            )


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - _LISTED
    listed = ", ".join(_shortened(name) for name in names[:_LISTED])
    return (listed or "none") + (f" and {rest} more" if rest > 0 else "")


def _shortened(name: str) -> str:
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    return printable(shown).replace("\n", "\\n")
