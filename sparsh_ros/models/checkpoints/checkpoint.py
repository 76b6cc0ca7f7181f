# SPDX-License-Identifier: Apache-2.0
"""A weights file, opened once: whoever looks, chooses or loads shares what was read. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sparsh_ros.models.checkpoints.anytouch.config import InferredAnyTouch
from sparsh_ros.models.checkpoints.architecture import InferredConfig, Shapes
from sparsh_ros.models.checkpoints.encoder_keys import EncoderKeys, find_encoder, has_encoder
from sparsh_ros.models.checkpoints.head_config import (
    Config,
    find_head,
    infer_head_config,
    recognise_head,
)
from sparsh_ros.models.checkpoints.tensor_files import TensorFile, open_tensor_file
from sparsh_ros.models.checkpoints.tensor_info import TensorInfo

if TYPE_CHECKING:
    from torch import Tensor


class Checkpoint:
    """What a weights file holds; each question is answered once and remembered.

    Attributes:
        path: Where the file is.
        kind: What it is, in words.
        tensors: Shape and type of its tensors by name.
    """

    def __init__(self, file: TensorFile) -> None:
        """Take a file that `open_tensor_file` found to be sound."""
        self._file = file
        self.path: Path = file.path
        self.kind: str = file.kind
        self.tensors: Mapping[str, TensorInfo] = file.tensors

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Read the values of the tensors named, on the CPU.

        Raises:
            WeightsError: The file was damaged since it was opened, or its values are.
        """
        return self._file.read(names)

    def shapes(self, names: Mapping[str, str]) -> Shapes:
        """Shapes by a module's own names, given as own name -> name in the file."""
        return {name: self.tensors[in_file].shape for name, in_file in names.items()}

    @cached_property
    def has_encoder(self) -> bool:
        """Whether there is an encoder; WeightsError where two tensors have the same name."""
        return has_encoder(self.tensors, str(self.path))

    @cached_property
    def encoder_keys(self) -> EncoderKeys:
        """Which tensors are the encoder's; WeightsError if none are."""
        return find_encoder(self.tensors, str(self.path))

    @cached_property
    def encoder_config(self) -> InferredConfig | InferredAnyTouch:
        """The encoder's architecture as its tensors tell it; WeightsError if they do not."""
        kind = InferredAnyTouch if self.encoder_keys.anytouch else InferredConfig
        return kind.from_shapes(self.shapes(self.encoder_keys.names), str(self.path))

    @cached_property
    def head_names(self) -> dict[str, str]:
        """Names of the decoder's tensors -> names in the file; of all tensors if none is marked."""
        return find_head(self.tensors, str(self.path))

    @cached_property
    def task(self) -> str:
        """Task of the decoder, "" if there is none."""
        return recognise_head(self.shapes(self.head_names))

    @cached_property
    def head_config(self) -> Config:
        """The decoder's architecture; WeightsError if there is no decoder."""
        return infer_head_config(self.shapes(self.head_names), str(self.path))


def open_checkpoint(path: str | Path | Checkpoint) -> Checkpoint:
    """Open a `.safetensors` file or a torch file; one that is open already is returned as it is.

    Nothing in the file is run, and no values are read.

    Raises:
        WeightsError: The file is missing, truncated, of another kind, holds no tensors, or would
            run code if it were loaded carelessly.
        MissingDependencyError: The package safetensors is needed and not installed.
    """
    return path if isinstance(path, Checkpoint) else Checkpoint(open_tensor_file(path))
