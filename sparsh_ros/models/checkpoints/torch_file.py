# SPDX-License-Identifier: Apache-2.0
"""What `torch.save` writes since torch 1.6: a zip archive of a pickle and raw values."""

from __future__ import annotations

import math
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsh_ros.errors import WeightsError, printable
from sparsh_ros.models.checkpoints.pickle_words import CallRefusedError, DamagedPickleError, Inert
from sparsh_ros.models.checkpoints.tensor_info import TensorInfo, some
from sparsh_ros.models.checkpoints.torch_pickle import TensorRef, read_torch_pickle

if TYPE_CHECKING:
    from torch import Tensor

_STATE_KEYS = ("model", "state_dict")
"""Under which a training checkpoint keeps the state dict."""
_DAMAGE = (
    *(zipfile.BadZipFile, OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError),
    *(struct.error, OverflowError, MemoryError),
)
"""What zipfile raises on damage, encryption and features that torch does not use."""
_LONGEST_PICKLE = 1 << 26  # bytes; that of a training checkpoint is below a megabyte
_LONGEST_DIRECTORY = 1 << 24  # bytes; 100 for each tensor
_END_OF_ZIP = b"PK\x05\x06"
_END_OF_ZIP64 = b"PK\x06\x06"
_END_SIZE = 100 + (1 << 16)  # of the last records with the longest comment
_SPARE_BYTES = 1 << 26  # beyond twice the file's size, of values that several tensors share
_KINDS = {TensorRef: "tensor"}


class TorchFile:
    """What `torch.save` writes since torch 1.6: a zip archive of a pickle and raw values."""

    """A `TensorFile` of that format."""

    def __init__(self, path: Path) -> None:
        """Read what the file says of its tensors.

        Raises:
            WeightsError: It is truncated, of another kind, holds no tensors or would run code.
        """
        self.path = path
        with self._open() as archive:
            self._root, content = self._read_content(archive)
        self.kind, state = self._find_state(content)
        self._refs: dict[str, TensorRef] = state
        self.tensors = {name: TensorInfo(ref.shape, ref.dtype) for name, ref in state.items()}

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Read the values of the tensors named, see `TensorFile`."""
        refs = {name: self._refs[name] for name in names}
        self._check_amount(refs.values())
        uses = Counter(_storage(ref) for ref in refs.values())
        storages: dict[tuple[str, str, int], Tensor] = {}
        tensors = {}
        with self._open() as archive:
            for name, ref in refs.items():
                key = _storage(ref)
                if key not in storages:
                    storages[key] = self._read_storage(archive, ref)
                tensors[name] = self._cut(storages[key], ref, shared=uses[key] > 1)
                if uses[key] == 1:
                    del storages[key]
        return tensors

    def _check_amount(self, refs: Iterable[TensorRef]) -> None:
        """Refuse a small file whose tensors, all cut from the same values, take a lot of memory."""
        import torch

        wanted = sum(math.prod(ref.shape) * getattr(torch, ref.dtype).itemsize for ref in refs)
        if wanted > 2 * self.path.stat().st_size + _SPARE_BYTES:
            raise self._damaged(f"{wanted:,} bytes of values in a smaller file")

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
                raise DamagedPickleError(f"{entry.filename!r:.90} has {entry.file_size} bytes")
            if not entry.file_size:
                return torch.empty(0, dtype=dtype)
            values = bytearray(_read_stored(archive, entry))
        except (*_DAMAGE, DamagedPickleError) as error:
            raise self._damaged(error) from error
        return torch.frombuffer(values, dtype=dtype)

    def _open(self) -> zipfile.ZipFile:
        try:
            if zipfile.is_zipfile(self.path):
                self._check_directory()
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

    def _check_directory(self) -> None:
        """Refuse millions of members before zipfile makes an object of each."""
        with self.path.open("rb") as file:
            file.seek(max(self.path.stat().st_size - _END_SIZE, 0))
            end = file.read()
        (size,) = struct.unpack_from("<I", end, end.rfind(_END_OF_ZIP) + 12)
        if (place := end.rfind(_END_OF_ZIP64)) >= 0:
            (size,) = struct.unpack_from("<Q", end, place + 40)
        if size > _LONGEST_DIRECTORY:
            raise self._damaged(f"a list of members of {size:,} bytes")

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
                    others = sorted(str(o) for o in content if isinstance(o, str) and o != key)
                    kind = f"training checkpoint (state dict under {key!r}, beside {_all(others)})"
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
        raise DamagedPickleError(f"{entry.filename!r:.90} is compressed")
    if entry.file_size != entry.compress_size:
        raise DamagedPickleError(f"{entry.filename!r:.90} has two sizes")
    return archive.read(entry)


def _storage(ref: TensorRef) -> tuple[str, str, int]:
    return ref.storage, ref.dtype, ref.count


def _all(names: list[str]) -> str:
    """Names of what lies beside a state dict, as long as they fit into a line."""
    return printable(", ".join(names))[:300] or "nothing"


def _describe(value: Any) -> str:
    if not isinstance(value, dict):
        return _kind(value)
    return "a dictionary with " + some([f"{name}: {_kind(item)}" for name, item in value.items()])


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, Inert) else _KINDS.get(type(value), type(value).__name__)
