# SPDX-License-Identifier: Apache-2.0
"""Weights files as names, shapes and types; values are read only when they are asked for.

A training checkpoint is gigabytes of which the encoder is a tenth, so nothing is loaded to look at
it, and loading touches the wanted tensors alone. Reading values needs torch, the rest does not.
"""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sparsh_ros.errors import MissingDependencyError, WeightsError
from sparsh_ros.models.checkpoints.safe_pickle import CallRefusedError, DamagedPickleError, Inert
from sparsh_ros.models.checkpoints.torch_pickle import TensorRef, read_torch_pickle

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
_STATE_KEYS = ("model", "state_dict")
"""Under which a training checkpoint keeps the state dict."""
_DAMAGE = (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, RuntimeError)
"""What zipfile raises on damage, encryption and features that torch does not use."""
_LONGEST_PICKLE = 1 << 28  # bytes; that of a training checkpoint is below a megabyte
_KINDS = {TensorRef: "tensor"}
_LISTED = 4  # names spelled out in a message before it only counts


class TensorInfo(NamedTuple):
    """Shape and type ("float32", ...) of a tensor in a file."""

    shape: tuple[int, ...]
    dtype: str


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
    return _SafetensorsFile(path) if path.suffix == ".safetensors" else _TorchFile(path)


class _SafetensorsFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind = "safetensors file"
        with self._open("numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            self.tensors = {
                name: TensorInfo(tuple(entry.get_shape()), _safetensors_type(entry.get_dtype()))
                for name, entry in slices.items()
            }

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        with self._open("pt") as file:
            return {name: file.get_tensor(name) for name in names}

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
            raise WeightsError(
                f"{self.path}: wanted a safetensors file, found a truncated or foreign one "
                f"({error}); fetch or export it again"
            ) from error


class _TorchFile:
    """What `torch.save` writes since torch 1.6: a zip archive of a pickle and raw values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as archive:
            self._root, content = self._read_content(archive)
        self.kind, state = self._find_state(content)
        self._refs: dict[str, TensorRef] = state
        self.tensors = {name: TensorInfo(ref.shape, ref.dtype) for name, ref in state.items()}

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        refs = {name: self._refs[name] for name in names}
        uses = Counter(ref.storage for ref in refs.values())
        storages: dict[str, Tensor] = {}
        tensors = {}
        with self._open() as archive:
            for name, ref in refs.items():
                if ref.storage not in storages:
                    storages[ref.storage] = self._read_storage(archive, ref)
                storage = storages[ref.storage]
                tensors[name] = self._cut(storage, ref, shared=uses[ref.storage] > 1)
                if uses[ref.storage] == 1:
                    del storages[ref.storage]
        return tensors

    def _cut(self, storage: Tensor, ref: TensorRef, shared: bool) -> Tensor:
        import torch

        try:
            tensor = storage.as_strided(ref.shape, ref.stride, ref.offset)
        except RuntimeError as error:  # reaches beyond its storage
            raise self._damaged(error) from error
        if shared or not tensor.is_contiguous() or math.prod(ref.shape) < ref.count:
            return tensor.clone(memory_format=torch.contiguous_format)
        return tensor

    def _read_storage(self, archive: zipfile.ZipFile, ref: TensorRef) -> Tensor:
        import torch

        dtype = getattr(torch, ref.dtype)
        try:
            entry = archive.getinfo(f"{self._root}/data/{ref.storage}")
            if entry.file_size != ref.count * dtype.itemsize:
                raise DamagedPickleError(f"{entry.filename} has {entry.file_size} bytes")
            if not entry.file_size:
                return torch.empty(0, dtype=dtype)
            values = bytearray(_read_stored(archive, entry))
        except (*_DAMAGE, DamagedPickleError) as error:
            raise self._damaged(error) from error
        return torch.frombuffer(values, dtype=dtype)

    def _open(self) -> zipfile.ZipFile:
        try:
            if zipfile.is_zipfile(self.path):
                return zipfile.ZipFile(self.path)
        except _DAMAGE as error:
            raise self._damaged(error) from error
        with self.path.open("rb") as file:
            start = file.read(2)
        if start[:1] == b"\x80":
            raise WeightsError(
                f"{self.path}: wanted a .safetensors file or what torch.save writes since torch "
                "1.6, found a bare pickle or an older torch file; nothing in it was run; save the "
                "module's state_dict() as .safetensors"
            )
        raise self._damaged("truncated" if start == b"PK" else "no zip archive")

    def _read_content(self, archive: zipfile.ZipFile) -> tuple[str, Any]:
        """Return the folder in the archive and the object that was saved."""
        try:
            (entry,) = (e for e in archive.infolist() if e.filename.endswith("/data.pkl"))
            root = entry.filename.removesuffix("/data.pkl")
            if entry.file_size > _LONGEST_PICKLE:
                raise DamagedPickleError(f"data.pkl has {entry.file_size} bytes")
            if f"{root}/byteorder" in archive.namelist():
                order = _read_stored(archive, archive.getinfo(f"{root}/byteorder"))
                if order != b"little":
                    raise DamagedPickleError("written by a big-endian machine")
            return root, read_torch_pickle(_read_stored(archive, entry))
        except CallRefusedError as error:
            raise WeightsError(
                f"{self.path}: wanted tensors only, found a pickle that calls {error}; nothing "
                "in it was run; do not load it elsewhere, fetch the weights again"
            ) from error
        except (*_DAMAGE, DamagedPickleError) as error:
            raise self._damaged(error) from error

    def _find_state(self, content: Any) -> tuple[str, dict[str, TensorRef]]:
        kind = "torch file, bare state dict"
        if isinstance(content, dict):
            for key in _STATE_KEYS:
                if isinstance(content.get(key), dict):
                    others = ", ".join(sorted(str(other) for other in content if other != key))
                    kind = f"training checkpoint (state dict under {key!r}, beside {others})"
                    content = content[key]
                    break
        if not isinstance(content, dict) or not all(
            isinstance(name, str) and isinstance(value, TensorRef)
            for name, value in content.items()
        ):
            raise WeightsError(
                f"{self.path}: wanted a flat dictionary of tensors, found "
                f"{_describe(content)}; save the module's state_dict() alone"
            )
        return kind, content

    def _damaged(self, reason: object) -> WeightsError:
        return WeightsError(
            f"{self.path}: wanted a torch weights file, found a truncated or foreign one "
            f"({reason}); fetch or save it again"
        )


def _read_stored(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read a member whose bytes lie in the archive as they are, which bounds what it unpacks to."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise DamagedPickleError(f"{entry.filename} is compressed")
    return archive.read(entry)


def _safetensors_type(name: str) -> str:
    return _SAFETENSORS_TYPES.get(name, name.lower())


def _describe(value: Any) -> str:
    if not isinstance(value, dict):
        return _kind(value)
    return "a dictionary with " + some([f"{name}: {_kind(item)}" for name, item in value.items()])


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, Inert) else _KINDS.get(type(value), type(value).__name__)


def some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - _LISTED
    return (", ".join(names[:_LISTED]) or "none") + (f" and {rest} more" if rest > 0 else "")
