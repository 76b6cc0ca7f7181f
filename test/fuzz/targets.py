# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: functions of one input that may raise `SparshError` and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz.files import in_file
from sparsh_ros.errors import SparshError
from sparsh_ros.export.inspection import inspect_file
from sparsh_ros.models.loading.encoders import load_encoder
from sparsh_ros.models.loading.heads import load_head
from sparsh_ros.recordings.importers.pickles import load_pickle


def torch_file(data: bytes) -> None:
    """A `.pth` is inspected and loaded, as an encoder and as a head."""
    _weights(data, "input.pth")


def safetensors_file(data: bytes) -> None:
    """The same for a `.safetensors` file."""
    _weights(data, "input.safetensors")


def dataset_pickle(data: bytes) -> None:
    """A pickle of a data set."""
    with in_file(data, "input.pkl") as path:
        load_pickle(path)


def _weights(data: bytes, name: str) -> None:
    readers: tuple[Callable[[Path], object], ...] = (
        lambda path: inspect_file(path),
        lambda path: load_encoder(path, image_size=(32, 32)),
        lambda path: load_head(path),
    )
    refusals = []
    with in_file(data, name) as path:
        for read in readers:
            try:
                read(path)
            except SparshError as error:
                refusals.append(error)
    if len(refusals) == len(readers):
        raise refusals[0]
