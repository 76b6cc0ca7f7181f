# SPDX-License-Identifier: Apache-2.0
"""Pickles as data."""

from __future__ import annotations

import os
import pickle
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.importers.pickles import load_pickle

ARRAYS = {
    "float64": np.arange(12.0).reshape(3, 4),
    "by columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">f4"),
    "bool": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "bytes": np.array([b"ab"]),
    "empty": np.zeros((0, 3)),
    "one number": np.array(4.0),
    "scalar": np.float32(3.5),
}
PLAIN = {"jpeg": [b"\xff\xd8", b""], "numbers": (1, 2.5, True, None), 7: {"text": "é"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.pkl"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_come_back_from_every_protocol(path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps({**PLAIN, "arrays": ARRAYS}, protocol))
    loaded = load_pickle(path)
    arrays = loaded.pop("arrays")
    assert loaded == PLAIN
    for name, array in ARRAYS.items():
        assert np.array_equal(arrays[name], array) and arrays[name].dtype == array.dtype, name


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_relatives_of_dictionaries_are_data(path: Path, protocol: int) -> None:
    ordered, counted = OrderedDict(b=np.arange(2), a=1), Counter("aab")
    path.write_bytes(pickle.dumps([ordered, counted, defaultdict(list, x=[3])], protocol))
    first, *others = load_pickle(path)
    assert type(first) is dict and list(first) == ["b", "a"] and first["b"].tolist() == [0, 1]
    assert others == [{"a": 2, "b": 1}, {"x": [3]}]


class _RunsACommand:
    def __init__(self, target: Path) -> None:
        self._command = f"touch {target}"

    def __reduce__(self) -> tuple:
        return os.system, (self._command,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_nothing_is_run(path: Path, tmp_path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps([b"jpeg", _RunsACommand(tmp_path / "ran")], protocol))
    with pytest.raises(DatasetError, match=r"data.pkl.*system; it was not run"):
        load_pickle(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.array([1, "a"], dtype=object), "Python objects|type O"),
        (np.zeros(3, dtype=[("a", "f4")]), "type V4"),
        (np.datetime64("2020-01-01"), "type M8"),
        ({1, 2}, "set"),
        (Path("x"), "Path"),
    ],
)
def test_anything_else_is_refused_by_name(path: Path, value: Any, named: str, protocol) -> None:
    path.write_bytes(pickle.dumps({"key": value}, protocol))
    with pytest.raises(DatasetError, match=f"found .*({named})"):
        load_pickle(path)


def test_an_array_larger_than_its_bytes_is_refused(path: Path) -> None:
    whole = pickle.dumps(np.zeros(8, np.uint8), 4)
    assert whole.count(b"K\x08\x85") == 1
    path.write_bytes(whole.replace(b"K\x08\x85", b"K\x88\x85"))
    with pytest.raises(DatasetError, match=r"shape \(136,\)"):
        load_pickle(path)


def test_damage_is_a_sentence(path: Path) -> None:
    whole = pickle.dumps({**PLAIN, "arrays": ARRAYS})
    for size in (0, 1, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DatasetError, match=r"data.pkl"):
            load_pickle(path)
    with pytest.raises(DatasetError, match=r"missing.pkl.*check the path"):
        load_pickle(path.with_name("missing.pkl"))


def test_what_holds_itself_is_refused(path: Path) -> None:
    ring: list = []
    ring.append(ring)
    path.write_bytes(pickle.dumps(ring))
    with pytest.raises(DatasetError, match="holds itself"):
        load_pickle(path)


def test_what_is_named_often_is_kept_once(path: Path) -> None:
    nested: list = []
    for _ in range(60):  # 2**60 lists, if each were made anew
        nested = [nested, nested]
    path.write_bytes(pickle.dumps(nested))
    loaded = load_pickle(path)
    assert loaded[0] is loaded[1]
