# SPDX-License-Identifier: Apache-2.0
"""Read a pickle as data: nothing that it names is imported, nothing is called, all is bounded.

A pickle is a program for a stack machine. `read_pickle` is that machine with only the harmless
half of its instructions. What the names in a pickle stand for is said by a `Vocabulary`.

Why not `pickle.Unpickler` with `find_class`? That decides which names are known, and no more. The
machine in C still makes a table of 5 GB for an index of 9 bytes, hashes tuples by recursion (a deep
one overflows the C stack, a shared one never ends), and lets `BUILD` write attributes of whatever
`find_class` returned, functions too. None of this can be bounded from outside.
"""

from __future__ import annotations

import io
import pickletools
import time
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, BinaryIO

from sparsh_ros.models.checkpoints.pickle_words import (
    Budget,
    CallRefusedError,
    DamagedPickleError,
    Global,
    Inert,
    Unfinished,
    Vocabulary,
)

_INSTRUCTIONS_PER_CHECK = 256
_LONGEST_LINE = 1 << 20  # bytes of an argument that ends with its line
_LARGEST_INTEGER = 1 << 1024  # states of random generators have 128 bits


def read_pickle(source: bytes | BinaryIO, words: Vocabulary, budget: Budget | None = None) -> Any:
    """Interpret a pickle as data.

    Args:
        source: Its bytes, or a seekable file.
        words: What the names in it stand for.
        budget: What it may cost, None for the usual.

    Returns:
        The object, made of dict, list, tuple, set, frozenset, str, bytes, bytearray, numbers, None
        and what `words` gives.

    Raises:
        CallRefusedError: It would call a function that is not known.
        DamagedPickleError: It is no complete pickle, or exceeds the budget.
        OSError: The file cannot be read.
    """
    machine = _Machine(words, budget or Budget())
    try:
        for operation, argument, _ in pickletools.genops(_Reader(source)):
            machine.step(operation.name, argument)
        result = machine.stack.pop()
        machine.check_result(result)
        return result
    except (CallRefusedError, DamagedPickleError, OSError):
        raise
    except Exception as error:  # damage shows anywhere: types, lengths, memo, text, memory
        raise DamagedPickleError(" ".join(str(error).split()) or type(error).__name__) from error


class _Reader:
    """A source that never reads beyond its end, which spares the memory for what is not there."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        self._file = io.BytesIO(source) if isinstance(source, bytes) else source
        start = self._file.tell()
        self._left = self._file.seek(0, io.SEEK_END) - start
        self._file.seek(start)

    def read(self, count: int) -> bytes:
        if count > self._left:
            raise DamagedPickleError("it ends too early")
        self._left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline(_LONGEST_LINE)
        self._left -= len(line)
        return line


class _Machine:
    """The stack, what lay on it before each mark, the memo, and the instructions."""

    def __init__(self, words: Vocabulary, budget: Budget) -> None:
        self.stack: list[Any] = []
        self._words = words
        self._budget = budget
        self._below_marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._steps = 0
        self._until_s = time.thread_time() + budget.seconds

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        self._count()
        if name in _LITERALS:
            self.stack.append(_bounded(argument))
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _PUTS:
            self._remember(argument)
        elif name in _GETS:
            self.stack.append(self._memo[argument])
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise DamagedPickleError(f"instruction {name} is not one that data need")

    def check_result(self, result: Any) -> None:
        """Refuse what is nested too deep or in itself; let the vocabulary look at every part."""
        heights: dict[int, int] = {}  # of finished containers by identity; 0: not finished
        path: list[tuple[Any, Iterator[Any]]] = []
        value = result
        while True:
            self._count()
            self._words.check(value)
            if type(value) in _CONTAINERS:
                self._check_nesting(heights.get(id(value)), len(path))
                if id(value) not in heights:
                    heights[id(value)] = 0
                    path.append((value, _parts(value)))
            while path and (value := next(path[-1][1], _END)) is _END:
                container, _ = path.pop()
                heights[id(container)] = 1 + max(
                    (heights.get(id(part), 0) for part in _parts(container)), default=0
                )
            if not path:
                return

    def _check_nesting(self, height: int | None, depth: int) -> None:
        if height == 0:
            raise DamagedPickleError("a container that holds itself")
        if depth + (height or 1) > self._budget.depth:
            raise DamagedPickleError(f"containers nested more than {self._budget.depth} deep")

    def _count(self) -> None:
        self._steps += 1
        if self._steps % _INSTRUCTIONS_PER_CHECK:
            return
        if self._steps > self._budget.steps:
            raise DamagedPickleError(f"more than {self._budget.steps:,} steps")
        if time.thread_time() > self._until_s:
            raise DamagedPickleError(f"takes longer than {self._budget.seconds:.0f} s")

    def _remember(self, place: int) -> None:
        value = self.stack[-1]
        self._memo[place] = value
        if isinstance(value, Unfinished):
            value.places.append(place)

    def _mark(self) -> None:
        self._below_marks.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self._below_marks.pop()
        return items

    def _pop(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count:
            raise DamagedPickleError("the stack is too short")
        del self.stack[-count:]
        return items

    def _fill(self, kind: type, items: list[Any]) -> None:
        """Put items into the container on top; those of objects are dropped as their state is."""
        container = self.stack[-1]
        if isinstance(container, Inert):
            return
        if not isinstance(container, kind):
            raise DamagedPickleError(f"items of a {kind.__name__} for something else")
        if isinstance(container, list):
            container.extend(items)
        elif isinstance(container, dict):
            self._insert(container, items)
        else:
            self._add(container, items)

    def _insert(self, container: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._check_key(key)
            container[key] = value
        return container

    def _add(self, container: set[Any], items: list[Any]) -> set[Any]:
        for item in items:
            self._check_key(item)
            container.add(item)
        return container

    def _check_key(self, key: Any) -> None:
        """Refuse keys that take long to hash; one is hashed whole, and again for each use."""
        self._count()
        parts = [key]
        for visited, part in enumerate(parts):
            if visited >= self._budget.key_parts:
                raise DamagedPickleError(f"a key of more than {self._budget.key_parts} parts")
            if isinstance(part, tuple):
                parts.extend(part[: self._budget.key_parts])

    def _collect(self, make: Callable[[list[Any]], Any]) -> None:
        items = self._since_mark()  # first: it exchanges the stack
        self.stack.append(make(items))

    def _name(self, module: Any, name: Any) -> None:
        module, name = NAME_MAPPING.get((module, name), (module, name))  # of Python 2
        self.stack.append(Global(f"{IMPORT_MAPPING.get(module, module)}.{name}"))

    def _call(self) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Global):
            raise CallRefusedError(f"what is no function: {type(function).__name__}")
        if not isinstance(arguments, tuple):
            raise DamagedPickleError("a call without arguments")
        self.stack.append(self._words.call(function.name, arguments))

    def _make(self, parts: int) -> None:
        kind = self._pop(parts)[0]
        if not isinstance(kind, Global):
            raise DamagedPickleError("an object without a class")
        self.stack.append(self._words.make(kind.name))

    def _build(self) -> None:
        made, state = self._pop(2)
        if isinstance(made, Unfinished):
            built = self._words.build(made, state)
            for place in made.places:
                if self._memo.get(place) is made:
                    self._memo[place] = built
            made = built
        self.stack.append(made)

    def _refuse(self, name: str) -> None:
        raise CallRefusedError(name)


def _bounded(value: Any) -> Any:
    if type(value) is int and not -_LARGEST_INTEGER < value < _LARGEST_INTEGER:
        raise DamagedPickleError(f"a number of {value.bit_length():,} bits")
    return value


def _parts(container: Any) -> Iterator[Any]:
    return chain(container, container.values()) if type(container) is dict else iter(container)


_END = object()
_CONTAINERS = {list, tuple, dict, set, frozenset}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_IGNORED = {"PROTO", "FRAME", "STOP"}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MEMOIZE": lambda m, _: m._remember(len(m._memo)),
    "MARK": lambda m, _: m._mark(),
    "POP": lambda m, _: m.stack.pop() if m.stack else m._since_mark(),
    "POP_MARK": lambda m, _: m._since_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "LIST": lambda m, _: m._collect(list),
    "TUPLE": lambda m, _: m._collect(tuple),
    "DICT": lambda m, _: m._collect(lambda items: m._insert({}, items)),
    "FROZENSET": lambda m, _: m._collect(lambda items: frozenset(m._add(set(), items))),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m._pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m._pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m._pop(3))),
    "APPEND": lambda m, _: m._fill(list, m._pop(1)),
    "SETITEM": lambda m, _: m._fill(dict, m._pop(2)),
    "APPENDS": lambda m, _: m._fill(list, m._since_mark()),
    "SETITEMS": lambda m, _: m._fill(dict, m._since_mark()),
    "ADDITEMS": lambda m, _: m._fill(set, m._since_mark()),
    "GLOBAL": lambda m, argument: m._name(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m._name(*m._pop(2)),
    "REDUCE": lambda m, _: m._call(),
    "INST": lambda m, argument: m._refuse(argument.replace(" ", ".")),
    "OBJ": lambda m, _: m._refuse("a class"),
    "NEWOBJ": lambda m, _: m._make(2),
    "NEWOBJ_EX": lambda m, _: m._make(3),
    "BUILD": lambda m, _: m._build(),
    "BINPERSID": lambda m, _: m.stack.append(m._words.refer(m._pop(1)[0])),
}
