# SPDX-License-Identifier: Apache-2.0
"""Read the pickle of a torch file as data: nothing that it names is imported, nothing is called.

A pickle is a program for a stack machine. `read_pickle` is that machine with only the harmless
half of its instructions: containers, numbers, text and references to tensors come out; objects of
classes (the scheduler and optimiser of a training checkpoint) become `Inert` and lose their state;
a call of any function other than those that rebuild tensors ends the reading.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class CallRefusedError(Exception):
    """The pickle would call a function; the message is its name."""


class DamagedPickleError(Exception):
    """The pickle is truncated, or uses its machine in a way that no torch file does."""


@dataclass(frozen=True, eq=False)  # by identity: optimisers use parameters as keys
class TensorRef:
    """A tensor in a torch file, not read yet.

    Attributes:
        storage: Name of the archive member with the values.
        count: Values in that member.
        dtype: Name of the type, as "float32".
        shape: Shape of the tensor.
        stride: Distance in values between neighbours along each axis.
        offset: Place of the first value in the member.
    """

    storage: str
    count: int
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass(frozen=True, eq=False)
class Inert:
    """What stands for an object of a class: its class's name alone."""

    kind: str


class _Global(NamedTuple):
    """A function or class that the pickle names."""

    name: str


class _Storage(NamedTuple):
    """An archive member as the pickle refers to it."""

    key: str
    dtype: str
    count: int


_STORAGE_TYPES = {
    f"torch.{name}Storage": dtype
    for name, dtype in {
        "Double": "float64",
        "Float": "float32",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
    }.items()
}

# What training checkpoints hold besides tensors, their optimiser and their schedulers. The values
# are not needed, so not even these are called.
_HARMLESS = {
    "_codecs.encode",
    "__builtin__.set",
    "builtins.set",
    "collections.defaultdict",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "pathlib.PosixPath",
    "torch.Size",
    "torch.device",
}


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRef:
    numbers = [offset, *shape, *stride]
    if (
        not isinstance(storage, _Storage)
        or not all(type(number) is int and number >= 0 for number in numbers)
        or len(shape) != len(stride)
        or math.prod(shape) > storage.count  # an expanded view asks for memory the file lacks
    ):
        raise DamagedPickleError("a tensor does not fit its storage")
    return TensorRef(storage.key, storage.count, storage.dtype, tuple(shape), tuple(stride), offset)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


_REBUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": dict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
}


def read_pickle(data: bytes) -> Any:
    """Interpret a pickle as data.

    Returns:
        The object, made of dict, list, tuple, set, str, bytes, numbers, None, `TensorRef` and
        `Inert`.

    Raises:
        CallRefusedError: It would call a function.
        DamagedPickleError: It is no complete pickle of the kind that torch writes.
    """
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(data):
            machine.step(operation.name, argument)
        return machine.stack.pop()
    except (CallRefusedError, DamagedPickleError):
        raise
    except Exception as error:  # damage shows anywhere: types, lengths, memo, text
        raise DamagedPickleError(str(error) or type(error).__name__) from error


class _Machine:
    """The stack, what lay on it before each mark, the memo, and the instructions."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._below_marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _PUTS:
            self._memo[argument] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self._memo[argument])
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise DamagedPickleError(f"instruction {name} is not one that torch writes")

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
        """Put items into the container on top; those of objects are dropped with their state."""
        container = self.stack[-1]
        if isinstance(container, Inert):
            return
        if not isinstance(container, kind):
            raise DamagedPickleError(f"items of a {kind.__name__} for something else")
        if kind is list:
            container.extend(items)
        else:
            container.update(_pairs(items) if kind is dict else items)

    def _collect(self, make: Callable[[list[Any]], Any]) -> None:
        items = self._since_mark()  # first: it exchanges the stack
        self.stack.append(make(items))

    def _global(self, module: Any, name: Any) -> None:
        self.stack.append(_Global(f"{module}.{name}"))

    def _call(self) -> None:
        function, arguments = self._pop(2)
        name = function.name if isinstance(function, _Global) else type(function).__name__
        if name in _REBUILDERS:
            self.stack.append(_REBUILDERS[name](*arguments))
        elif name in _HARMLESS:
            self.stack.append(Inert(name))
        else:
            self._refuse(name)

    def _refuse(self, name: str) -> None:
        raise CallRefusedError(name)

    def _new_object(self, parts: int) -> None:
        kind = self._pop(parts)[0]
        if not isinstance(kind, _Global):
            raise DamagedPickleError("an object without a class")
        self.stack.append(Inert(kind.name))

    def _refer(self) -> None:
        (reference,) = self._pop(1)
        tag, kind, key, _, count = reference
        if tag != "storage" or not isinstance(key, str) or type(count) is not int or count < 0:
            raise DamagedPickleError("a reference to something else than a storage")
        if kind.name not in _STORAGE_TYPES:
            raise DamagedPickleError(f"values of type {kind.name}")
        self.stack.append(_Storage(key, _STORAGE_TYPES[kind.name], count))


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


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
    "MEMOIZE": lambda m, _: m._memo.__setitem__(len(m._memo), m.stack[-1]),
    "MARK": lambda m, _: m._mark(),
    "POP": lambda m, _: m.stack.pop() if m.stack else m._since_mark(),
    "POP_MARK": lambda m, _: m._since_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "LIST": lambda m, _: m._collect(list),
    "TUPLE": lambda m, _: m._collect(tuple),
    "DICT": lambda m, _: m._collect(_pairs),
    "FROZENSET": lambda m, _: m._collect(frozenset),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m._pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m._pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m._pop(3))),
    "APPEND": lambda m, _: m._fill(list, m._pop(1)),
    "SETITEM": lambda m, _: m._fill(dict, m._pop(2)),
    "APPENDS": lambda m, _: m._fill(list, m._since_mark()),
    "SETITEMS": lambda m, _: m._fill(dict, m._since_mark()),
    "ADDITEMS": lambda m, _: m._fill(set, m._since_mark()),
    "GLOBAL": lambda m, argument: m._global(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m._global(*m._pop(2)),
    "REDUCE": lambda m, _: m._call(),
    "INST": lambda m, argument: m._refuse(argument.replace(" ", ".")),
    "OBJ": lambda m, _: m._refuse("a class"),
    "NEWOBJ": lambda m, _: m._new_object(2),
    "NEWOBJ_EX": lambda m, _: m._new_object(3),
    "BUILD": lambda m, _: m._pop(1),
    "BINPERSID": lambda m, _: m._refer(),
}
