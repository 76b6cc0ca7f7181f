# SPDX-License-Identifier: Apache-2.0
"""Weights files as names, shapes and types; values are read only when they are asked for.

A training checkpoint is gigabytes of which the encoder is a tenth, so nothing is loaded to look at
it, and loading touches the wanted tensors alone. Reading values needs torch, the rest does not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sparsh_ros.errors import MissingDependencyError, WeightsError
from sparsh_ros.files import missing_content
from sparsh_ros.models.checkpoints.tensor_info import TensorInfo, check_tensors
from sparsh_ros.models.checkpoints.torch_file import TorchFile

if TYPE_CHECKING:
    from torch import Tensor

_SAFETENSORS_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_LONGEST_HEADER = 1 << 24  # bytes; that of a large model has some 100 kB


class TensorFile(Protocol):
    """A weights file that was found to be sound.

    Attributes:
        path: Where it is.
        kind: What it is, in words.
        tensors: Its tensors by name.
    """

    path: Path
    kind: str
    tensors: Mapping[str, TensorInfo]

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Read the values of the tensors named, on the CPU.

        Raises:
            WeightsError: The file was damaged since it was opened, or its values are.
        """


def open_tensor_file(path: str | Path) -> TensorFile:
    """Open a `.safetensors` file or a torch file, bare state dict or training checkpoint.

    Nothing in the file is run, and no values are read.

    Raises:
        WeightsError: The file is missing, truncated, of another kind, holds no tensors, or would
            run code if it were loaded carelessly.
        MissingDependencyError: The package safetensors is needed and not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            f"{path}: not found; `sparsh-ros weights list` shows which models have weights here"
        )
    try:
        problem = missing_content(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    if problem:
        raise WeightsError(f"{path}: wanted a weights file, found {problem}")
    file = _SafetensorsFile(path) if path.suffix == ".safetensors" else TorchFile(path)
    check_tensors(path, file.tensors)
    return file


class _SafetensorsFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind = "safetensors file"
        self._check_header()
        with self._open("numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            self.tensors = {
                name: TensorInfo(tuple(entry.get_shape()), _safetensors_type(entry.get_dtype()))
                for name, entry in slices.items()
            }

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        from safetensors import SafetensorError

        try:
            with self._open("pt") as file:
                return {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError, RuntimeError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error

    def _check_header(self) -> None:
        with self.path.open("rb") as file:
            start = file.read(8)
        if len(start) == 8 and struct.unpack("<Q", start)[0] > _LONGEST_HEADER:
            raise self._damaged("its header is too large")

    def _open(self, framework: str) -> Any:
        try:
            from safetensors import SafetensorError, safe_open
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{self.path}: wanted the Python package safetensors, found none; "
                "`pip install safetensors`"
            ) from error
        try:
            return safe_open(self.path, framework)
        except (SafetensorError, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, reason: object) -> WeightsError:
        return WeightsError(
            f"{self.path}: wanted a safetensors file, found a truncated or foreign one "
            f"({str(reason):.300}); fetch or export it again"
        )


def _safetensors_type(name: str) -> str:
    return _SAFETENSORS_TYPES.get(name, name.lower())
