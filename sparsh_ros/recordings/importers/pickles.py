# SPDX-License-Identifier: Apache-2.0
"""Pickles of data sets, read as data: nothing in them is run.

A pickle can name any function and have it called. Here only the few names that plain data and
NumPy arrays need are known, and none of them leads to NumPy's own functions: arrays are rebuilt
from their bytes, after their type and size have been checked.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sparsh_ros.errors import DatasetError
from sparsh_ros.files import missing_content, read_whole
from sparsh_ros.models.checkpoints.pickle_words import (
    Budget,
    CallRefusedError,
    DamagedPickleError,
    Global,
    Unfinished,
    Vocabulary,
)
from sparsh_ros.models.checkpoints.safe_pickle import read_pickle

# Booleans, integers, floating point numbers, bytes and text; no objects, no records.
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)|[SU][0-9]{1,6}", re.ASCII)
_MOST_AXES = 32
_BYTES_PER_STEP = 32  # a file of plain numbers has 9 bytes or more for each, images have thousands
_BYTES_PER_SECOND = 5_000_000
_MOST_NPY_BYTES = 64 << 20
_SPARE_BYTES = 1 << 20  # beyond twice the file's size


def find_pickles(source: Path) -> dict[str, Path]:
    """The pickles below a folder, or the one named, in the order of their names.

    Returns:
        Name, that is the path below the folder without its suffix, to path.

    Raises:
        DatasetError: There are none.
    """
    paths = [source] if source.is_file() else sorted(source.rglob("*.pkl"))
    if not paths:
        raise DatasetError(f"{source}: wanted .pkl files, found none below it")
    root = source.parent if source.is_file() else source
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in paths}


def load_pickle(path: Path) -> Any:
    """Read a pickle of lists, tuples, dicts, text, bytes, numbers and NumPy arrays.

    Returns:
        The same, with arrays of booleans, numbers, bytes or text; dicts in the place of their
        relatives in `collections`.

    Raises:
        DatasetError: The file is missing or damaged, larger than any real one once it is read, or
            holds anything else.
    """
    try:
        if problem := missing_content(path):
            raise DatasetError(f"{path}: wanted a pickle, found {problem}")
        size = path.stat().st_size
        with path.open("rb") as file:
            return _read(path, file, _ArrayWords, size)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def load_object_npy(path: Path) -> Any:
    """Read a `.npy` file that holds one Python object, such as `np.save` makes of a dict.

    Returns:
        As `load_pickle`.

    Raises:
        DatasetError: As `load_pickle`, or it is no such file.
    """
    try:
        content = read_whole(path, _MOST_NPY_BYTES)
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, _, dtype = read_header(file)
        if shape != () or dtype != np.dtype(object):
            raise DatasetError(f"{path}: wanted one object, found {dtype} of shape {shape}")
        return _read(path, content[file.tell() :], _ObjectWords, len(content))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, AttributeError, EOFError, SyntaxError) as error:
        raise DatasetError(f"{path}: wanted a .npy file, found none ({error})") from error


def _read(path: Path, source: bytes | BinaryIO, words: type[_ArrayWords], size: int) -> Any:
    """Read a pickle from a file of so many bytes, with errors as sentences."""
    try:
        return read_pickle(source, words(2 * size + _SPARE_BYTES), _budget(size))
    except CallRefusedError as error:
        raise DatasetError(
            f"{path}: wanted lists, dicts, numbers, bytes and NumPy arrays, found {error}; "
            "it was not run"
        ) from error
    except DamagedPickleError as error:
        raise DatasetError(f"{path}: damaged pickle ({error})") from error


def _budget(size: int) -> Budget:
    """What a file of so many bytes may cost."""
    usual = Budget()
    return Budget(
        steps=usual.steps + size // _BYTES_PER_STEP,
        seconds=usual.seconds + size / _BYTES_PER_SECOND,
    )


class _Dtype(Unfinished):
    """A NumPy type as a pickle builds it: a code, then a state with the byte order."""

    def __init__(self, code: Any, order: str = "=") -> None:
        super().__init__()
        self._code = code
        self._order = order

    def with_order(self, order: Any) -> _Dtype:
        return _Dtype(self._code, order)

    def make(self) -> np.dtype:
        if not isinstance(self._code, str) or not _DTYPE.fullmatch(self._code):
            raise CallRefusedError(f"an array of type {str(self._code)[:20]}")
        return np.dtype(self._order + self._code if self._order in ("<", ">") else self._code)


class _Array(Unfinished):
    """An array as a pickle builds it: empty first, then its state."""


class _ArrayWords(Vocabulary):
    """Knows arrays and plain containers, and how many bytes may be made of them."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._calls = {
            "builtins.bytes": lambda: b"",
            "_codecs.encode": self._encode,
            "collections.Counter": dict,
            "collections.OrderedDict": lambda: {},
            "collections.defaultdict": lambda *_: {},
            "numpy.dtype": lambda code, *_: _Dtype(code),
            "numpy.ndarray": lambda *_: _Array(),
            "numpy._core.multiarray._reconstruct": lambda *_: _Array(),
            "numpy._core.multiarray.scalar": self._scalar,
            "numpy._core.numeric._frombuffer": self._array,
        }

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        place = name.replace("numpy.core.", "numpy._core.")
        if place not in self._calls:
            raise CallRefusedError(name)
        return self._calls[place](*arguments)

    def build(self, made: Unfinished, state: Any) -> Any:
        if isinstance(made, _Dtype):
            return made.with_order(state[1])
        _, shape, dtype, by_columns, data = state
        return self._array(data, dtype, shape, "F" if by_columns else "C")

    def check(self, value: Any) -> None:
        if isinstance(value, Global):
            raise CallRefusedError(value.name)
        if isinstance(value, Unfinished):
            raise CallRefusedError("an array without content")
        if isinstance(value, set | frozenset):
            raise CallRefusedError("a set")

    def _array(self, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
            raise CallRefusedError("an array of Python objects")
        if (
            order not in ("C", "F")
            or len(shape) > _MOST_AXES
            or not all(type(size) is int and 0 <= size < 1 << 40 for size in shape)
        ):
            raise DamagedPickleError(f"an array of {len(shape)} axes and order {order!r:.9}")
        made = dtype.make()
        if math.prod(shape) * made.itemsize != len(data):
            raise DamagedPickleError(
                f"an array of shape {shape} and type {made} in {len(data)} bytes"
            )
        self._spend(len(data))
        return np.frombuffer(data, made).reshape(shape, order=order).copy()

    def _scalar(self, dtype: Any, data: Any = b"") -> np.generic:
        return self._array(data, dtype, (), "C")[()]

    def _encode(self, text: str, encoding: str) -> bytes:
        """How protocols before 3 hold bytes: as text of the same code points."""
        if encoding != "latin1":
            raise CallRefusedError(f"bytes encoded as {encoding!r:.20}")
        self._spend(len(text))
        return text.encode("latin1")

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise DamagedPickleError("more bytes come out of it than it has")


class _ObjectWords(_ArrayWords):
    """Knows one object more: that of an array without axes."""

    def build(self, made: Unfinished, state: Any) -> Any:
        is_object = isinstance(made, _Array) and len(state) == 5 and isinstance(state[4], list)
        if is_object and state[1] == () and len(state[4]) == 1:
            return state[4][0]
        return super().build(made, state)
