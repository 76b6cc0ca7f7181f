# SPDX-License-Identifier: Apache-2.0
"""What the pickle of a torch file names: tensors, and objects that stay closed.

Tensors become references to what lies in the file. Objects of classes (the scheduler and optimiser
of a training checkpoint, its hyper-parameters) become `Inert` and lose their state. A call of
anything that is no data type ends the reading: whoever wrote it wanted code to run.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

from sparsh_ros.models.checkpoints.pickle_words import (
    CallRefusedError,
    DamagedPickleError,
    Global,
    Inert,
    Vocabulary,
)
from sparsh_ros.models.checkpoints.safe_pickle import read_pickle
from sparsh_ros.models.checkpoints.tensor_info import LARGEST_SIZE

_MOST_AXES = 32


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
_TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
_PARAMETERS = {
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
}

_BUILT_IN = "bool bytearray bytes complex dict float frozenset int list object range set slice str"
_DATA_TYPES = {
    *(f"builtins.{name}" for name in _BUILT_IN.split()),
    *(f"collections.{name}" for name in ("ChainMap", "Counter", "defaultdict", "deque")),
    "_codecs.encode",
    "argparse.Namespace",
    "copyreg._reconstructor",
    "decimal.Decimal",
    "fractions.Fraction",
    "functools.partial",
    "re._compile",
    "torch.Size",
    "torch.device",
    "types.SimpleNamespace",
    "uuid.UUID",
}
"""Of Python and torch; what comes of calling them is data, whatever the arguments."""
_DATA_MODULES = ("datetime", "ipaddress", "pathlib", "pathlib._local", "zoneinfo")
_TORCH_MODULES = ("torch._utils._rebuild_", "torch.optim.", "torch.nn.")
_NUMPY = ("_reconstruct", "scalar", "dtype", "ndarray", "_frombuffer")
_NUMPY_RANDOM = "numpy.random."


def read_torch_pickle(data: bytes) -> Any:
    """Read the pickle of a torch file, see `safe_pickle.read_pickle`.

    Returns:
        The object, made of plain data, `TensorRef` and `Inert`.

    Raises:
        CallRefusedError: It would call a function.
        DamagedPickleError: It is no complete pickle of the kind that torch writes.
    """
    return read_pickle(data, _TorchWords())


class _TorchWords(Vocabulary):
    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name in _TENSORS:
            return _rebuild_tensor(*arguments)
        if name in _PARAMETERS:
            return arguments[0]
        if name == "collections.OrderedDict":
            return dict(*(_check_pairs(pairs) for pairs in arguments))
        if _is_data_type(name) or _is_method_of_torch(name, arguments):
            return Inert(name)
        raise CallRefusedError(name)

    def make(self, name: str) -> Inert:
        return Inert(name)

    def refer(self, reference: Any) -> _Storage:
        tag, kind, key, _, count = reference
        if tag != "storage" or not isinstance(key, str) or not _is_size(count):
            raise DamagedPickleError("a reference to something else than a storage")
        if kind.name not in _STORAGE_TYPES:
            raise DamagedPickleError(f"values of type {kind.name}")
        return _Storage(key, _STORAGE_TYPES[kind.name], count)


def _check_pairs(pairs: Any) -> Any:
    """Pairs for an ordered dictionary as Python 2 wrote them; keys short enough to hash."""
    if not all(isinstance(key, str | int) for key, _ in pairs):
        raise DamagedPickleError("an ordered dictionary with keys that are neither text nor number")
    return pairs


def _is_data_type(name: str) -> bool:
    """Whether a call of that name makes data: a known type, or a class that somebody else wrote."""
    module, _, last = name.rpartition(".")
    top = name.split(".")[0]
    if top == "torch":
        return name in _DATA_TYPES or name.startswith(_TORCH_MODULES)
    if top == "numpy":
        return last in _NUMPY or name.startswith(_NUMPY_RANDOM)
    if top in sys.stdlib_module_names:
        return name in _DATA_TYPES or module in _DATA_MODULES
    return last[:1].isupper()


def _is_method_of_torch(name: str, arguments: tuple[Any, ...]) -> bool:
    """Whether it asks for a method of an optimiser or scheduler, as OneCycleLR's state does."""
    if name != "builtins.getattr" or len(arguments) != 2:
        return False
    owner = arguments[0]
    owner = owner.name if isinstance(owner, Global) else getattr(owner, "kind", "")
    return owner.startswith("torch.optim.")


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 <= number <= LARGEST_SIZE


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRef:
    if (
        not isinstance(storage, _Storage)
        or not isinstance(shape, tuple)
        or not isinstance(stride, tuple)
        or len(shape) > _MOST_AXES
        or len(shape) != len(stride)
        or not all(_is_size(number) for number in (offset, *shape, *stride))
        or not _fits(storage.count, offset, shape, stride)
    ):
        raise DamagedPickleError("a tensor does not fit its storage")
    return TensorRef(storage.key, storage.count, storage.dtype, shape, stride, offset)


def _fits(count: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether all values lie in the storage, none of them twice as in an expanded view."""
    values = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    return values <= count and (values == 0 or last < count)
