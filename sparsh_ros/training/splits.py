# SPDX-License-Identifier: Apache-2.0
"""Held out means held out: no sensor instance in two splits, no test shape seen before.

And the files of data sets that are one array per column, a `.npz` for each split.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import DatasetError

Meta = Mapping[str, Any]
Columns = dict[str, NDArray]


def check_splits(splits: Mapping[str, Sequence[Meta]]) -> None:
    """Check the meta data of the episodes of each split.

    Args:
        splits: Split name -> the `meta` of its episodes (sensor, instance_seed, kinds).

    Raises:
        DatasetError: Two splits share a sensor instance, or "test" shares an indenter kind with
            another split.
    """
    for first, second in combinations(splits, 2):
        _refuse_shared("sensor instance", _instances, splits, first, second)
        if "test" in (first, second):
            _refuse_shared("indenter kind", _kinds, splits, first, second)


def _instances(episodes: Sequence[Meta]) -> set[Any]:
    return {meta["instance_seed"] for meta in episodes}


def _kinds(episodes: Sequence[Meta]) -> set[Any]:
    return {kind for meta in episodes for kind in meta["kinds"]}


def _refuse_shared(what, collect, splits, first, second) -> None:
    if shared := collect(splits[first]) & collect(splits[second]):
        raise DatasetError(
            f"splits {first!r} and {second!r}: wanted no {what} in both, found "
            f"{sorted(shared)[:4]}; make them again with `sparsh-ros simulate`"
        )


def write_split(folder: Path, columns: Mapping[str, NDArray], meta: Meta) -> Path:
    """Write `<split>.npz`, whole or not at all; ``meta`` says the split."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{meta['split']}.npz"
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **columns, meta=np.array(json.dumps(meta)))
    partial.rename(path)
    return path


def read_split(
    path: Path, names: Collection[str], what: str, remedy: str
) -> tuple[Columns, dict[str, Any]]:
    """Read what `write_split` wrote: columns of one length, and the meta data.

    Args:
        path: The file.
        names: Of the columns; a file with others beside them is read.
        what: What is wanted, and
        remedy: how to make it, for messages.

    Raises:
        DatasetError: It is missing, damaged or something else.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: wanted {what}, found none; {remedy}")
    try:
        with np.load(path, allow_pickle=False) as data:
            columns = {name: data[name] for name in names}
            meta = json.loads(str(data["meta"]))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DatasetError(f"{path}: cannot be read as {what} ({error}); {remedy}") from error
    lengths = {name: len(column) if column.ndim else 0 for name, column in columns.items()}
    wanted = max(lengths.values())
    if short := [name for name, length in lengths.items() if length != wanted or not wanted]:
        raise DatasetError(
            f"{path}: wanted {wanted or 'some'} rows in each column, found {lengths[short[0]]} in "
            f"{short[0]}; {remedy}"
        )
    return columns, meta
