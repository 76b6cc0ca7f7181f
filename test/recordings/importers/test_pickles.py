# SPDX-License-Identifier: Apache-2.0
"""Pickles as data."""

from __future__ import annotations

import os
import pickle
import struct
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


def test_a_small_file_does_not_fill_the_memory(path: Path) -> None:
    """One block of bytes, made into arrays or encoded again and again."""
    size = 1 << 20
    data = b"\x8e" + struct.pack("<Q", size) + bytes(size) + b"\x940"
    dtype = b"cnumpy\ndtype\nX\x02\0\0\0u1\x89\x88\x87R\x940"
    names = b"cnumpy.core.numeric\n_frombuffer\n\x940J" + struct.pack("<i", size) + b"\x85\x940"
    array = b"h\x02(h\x00h\x01h\x03X\x01\0\0\0CtR"
    copies = b"\x80\x04" + data + dtype + names + b"(" + array * 50 + b"l."
    text = b"X" + struct.pack("<I", size) + b"a" * size + b"q\x000X\x06\0\0\0latin1q\x010"
    encoded = b"\x80\x02" + text + b"(" + b"c_codecs\nencode\n(h\x00h\x01tR" * 50 + b"l."
    for program in (copies, encoded):
        path.write_bytes(program)
        with pytest.raises(DatasetError, match="more bytes come out of it than it has"):
            load_pickle(path)


def test_an_index_of_the_memo_is_no_size(path: Path) -> None:
    path.write_bytes(b"\x80\x02Nr" + struct.pack("<I", 0x3FFFFFFF) + b".")
    assert load_pickle(path) is None


def test_an_array_that_is_named_before_it_is_filled(path: Path) -> None:
    array = np.arange(3)
    path.write_bytes(pickle.dumps([array, {"again": array}], 2))
    first, second = load_pickle(path)
    assert first is second["again"] and first.tolist() == [0, 1, 2]


def test_what_is_no_pickle_is_named(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(DatasetError, match="a Git LFS pointer, .* `git lfs pull`"):
        load_pickle(path)
    path.write_bytes(b"\x80\x04\x8c\x01a\x8c\x05\x1b[31m\x93)R.")
    with pytest.raises(DatasetError, match=r"found a\.\\x1b\[31m"):
        load_pickle(path)
