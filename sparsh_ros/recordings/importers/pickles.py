# SPDX-License-Identifier: Apache-2.0
"""Pickles of data sets, read as data: nothing in them is run.

A pickle can name any function and have it called. Here only the few names that plain data and
NumPy arrays need are known, and none of them leads to NumPy's own functions: arrays are rebuilt
from their bytes, after their type and size have been checked.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.recordings.formats.definitions import one_line

# Booleans, integers, floating point numbers, bytes and text; no objects, no records.
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)|[SU][0-9]{1,6}", re.ASCII)


class RefusedError(Exception):
    """The pickle holds something else than data; the message names it."""


def find_pickles(source: Path) -> dict[str, Path]:
    """The pickles below a folder, or the one named, in the order of their names.

    Returns:
        Name, that is the path below the folder without its suffix, to path.

    Raises:
        DatasetError: there are none.
    """
    paths = [source] if source.is_file() else sorted(source.rglob("*.pkl"))
    if not paths:
        raise DatasetError(f"{source}: wanted .pkl files, found none below it")
    root = source.parent if source.is_file() else source
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in paths}


def load_pickle(path: Path) -> Any:
    """Read a pickle of lists, tuples, dicts, text, bytes, numbers and NumPy arrays.

    Returns:
        The same, with arrays of booleans, numbers, bytes or text.

    Raises:
        DatasetError: the file is missing or damaged, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            loaded = _DataUnpickler(file).load()
        return _plain(loaded, {})
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except RefusedError as error:
        raise DatasetError(
            f"{path}: wanted lists, dicts, numbers, bytes and NumPy arrays, found {error}; "
            "it was not run"
        ) from error
    except Exception as error:  # damage shows anywhere: lengths, types, text
        raise DatasetError(f"{path}: damaged pickle ({one_line(error)})") from error


class _DataUnpickler(pickle.Unpickler):
    """Knows the names in `_NAMES` and no other."""

    def find_class(self, module: str, name: str) -> Any:
        place = module.replace("numpy.core.", "numpy._core.").replace("__builtin__", "builtins")
        if (place, name) not in _NAMES:
            raise RefusedError(f"{module}.{name}")
        return _NAMES[place, name]

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedError("a reference to something outside of the file")


class _Dtype:
    """A NumPy type as a pickle builds it: a code, then a state with the byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self._code = code
        self._order = "="

    def __setstate__(self, state: Any) -> None:
        self._order = state[1]

    def make(self) -> np.dtype:
        if not isinstance(self._code, str) or not _DTYPE.fullmatch(self._code):
            raise RefusedError(f"an array of type {self._code}")
        return np.dtype(self._order + self._code if self._order in ("<", ">") else self._code)


class _Array:
    """An array as a pickle builds it: empty first, then its state."""

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, data = state
        self.value = _array(data, dtype, shape, "F" if by_columns else "C")


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise RefusedError("an array of Python objects")
    if order not in ("C", "F") or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"an array of shape {shape!r} and order {order!r}")
    made = dtype.make()
    if math.prod(shape) * made.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} and type {made} in {len(data)} bytes")
    return np.frombuffer(data, made).reshape(shape, order=order).copy()


def _scalar(dtype: Any, data: Any = b"") -> np.generic:
    return _array(data, dtype, (), "C")[()]


def _encode(text: str, encoding: str) -> bytes:
    """How protocols before 3 hold bytes: as text of the same code points."""
    if encoding != "latin1":
        raise RefusedError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    return b""


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("builtins", "bytes"): _empty_bytes,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _array,
}


_PLAIN = (bytes, bytearray, str, int, float, complex, bool, type(None), np.generic, np.ndarray)


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """The value with real arrays in the place of those under construction.

    `done` holds containers by identity: what the pickle holds once and names often is kept once.
    """
    if isinstance(value, _Array):
        if value.value is None:
            raise RefusedError("an array without content")
        return value.value
    if isinstance(value, _PLAIN):
        return value
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, list | tuple):
        made: Any = type(value)(_plain(item, done) for item in value)
    elif isinstance(value, dict):
        made = {_plain(key, done): _plain(item, done) for key, item in value.items()}
    else:
        raise RefusedError(type(value).__name__)
    done[id(value)] = made
    return made
