# SPDX-License-Identifier: Apache-2.0
"""Held out means held out: no sensor instance in two splits, no test shape seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from sparsh_ros.errors import DatasetError

Meta = Mapping[str, Any]


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
