# SPDX-License-Identifier: Apache-2.0
"""Run a model's ONNX files with ONNX Runtime. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sparsh_ros.engines import check_decode, check_force_field, check_images
from sparsh_ros.errors import WeightsError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.checkpoints.head_facts import FORCE_FIELD
from sparsh_ros.models.spec import ModelSpec


def image_inputs(frames: int) -> tuple[str, ...]:
    """Names of an encoder graph's inputs: so many frames, newest first, then the background."""
    older = [f"previous_{age}" if age > 1 else "previous" for age in range(1, frames)]
    return ("current", *older, "background")


class OnnxEngine:
    """Encoder and heads as ONNX Runtime sessions; see `sparsh_ros.engines.Engine`.

    Args:
        spec: The model; its weights folder holds `encoder.onnx` and `<head>.onnx`.
        heads: Names of the heads to load.
        encoder: Whether to load the encoder.
        threads: CPU threads of the encoder; None takes one per core.
        cuda: Run on the GPU through onnxruntime-gpu.

    Raises:
        WeightsError: A file is missing, broken or of another architecture.
    """

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        threads: int | None = None,
        cuda: bool = False,
    ) -> None:
        self._token_shape = (spec.tokens, spec.width)
        self.heads = tuple(name for name in heads if name != FORCE_FIELD)
        threads = threads or len(os.sched_getaffinity(0))
        token_inputs = {"tokens": ("tensor(float)", self._token_shape)}
        self.frames = spec.frames
        images = dict.fromkeys(image_inputs(spec.frames), ("tensor(uint8)", IMAGE_SHAPE))
        self._encoder = None
        if encoder:
            self._encoder = _open(spec.weights / "encoder.onnx", images, threads, cuda)
            _check_outputs(self._encoder, spec, self._token_shape)
        # A head is a tenth of a millisecond of work: a second thread would cost more than it saves.
        self._heads = {
            name: _open(spec.weights / f"{name}.onnx", token_inputs, 1, cuda) for name in self.heads
        }
        self._field = None
        if FORCE_FIELD in heads and encoder:
            self._field = _open(spec.weights / f"{FORCE_FIELD}.onnx", images, threads, cuda)
        self.maps = () if self._field is None else _output_names(self._field)
        self.on_gpu = cuda
        place = "CUDA" if cuda else f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        self.description = f"ONNX Runtime {ort.__version__} on {place}, float32"

    def encode(self, *images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode standard images to tokens (B, N, D) float32."""
        check_images(images, self.frames)
        return self._encoder.run(None, self._named(images))[0]

    def force_field(self, *images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Read the maps of the force field, (B, 1 or 2, H, W) float32 each."""
        check_force_field(self.maps)
        check_images(images, self.frames)
        return dict(zip(self.maps, self._field.run(self.maps, self._named(images)), strict=True))

    def run_head(self, head: str, tokens: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run one head on tokens (B, N, D) float32."""
        check_decode(head, tokens, self.heads, self._token_shape)
        session = self._heads[head]
        names = _output_names(session)
        return dict(zip(names, session.run(names, {"tokens": tokens}), strict=True))

    def warm_up(self) -> None:
        """Run everything once: the first run allocates."""
        tokens = np.zeros((1, *self._token_shape), np.float32)
        images = [np.zeros((1, *IMAGE_SHAPE), np.uint8)] * (self.frames + 1)
        if self._encoder is not None:
            tokens = self.encode(*images)
        if self.maps:
            self.force_field(*images)
        for head in self.heads:
            self.run_head(head, tokens)

    def _named(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
        return dict(zip(image_inputs(self.frames), images, strict=True))


def _output_names(session: ort.InferenceSession) -> tuple[str, ...]:
    return tuple(output.name for output in session.get_outputs())


def open_session(path: Path, threads: int, cuda: bool = False) -> ort.InferenceSession:
    """Open an ONNX file of any model.

    Raises:
        WeightsError: The file is missing, truncated, or no ONNX graph.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: not found; `sparsh-ros weights list` shows which models have weights here"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they are raised as well
    # Waiting threads sleep: on few cores, spinning ones starve the sensors and the executor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CUDAExecutionProvider"] if cuda else []
    try:
        return ort.InferenceSession(path, options, [*providers, "CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path}: wanted an ONNX graph, found a truncated or foreign file ({reason}); "
            "fetch or export it again"
        ) from error


def _open(
    path: Path, inputs: dict[str, tuple[str, tuple[int, ...]]], threads: int, cuda: bool
) -> ort.InferenceSession:
    """Open an ONNX file and check that it takes ``inputs``: name -> type, shape after the batch."""
    session = open_session(path, threads, cuda)
    found = {node.name: (node.type, tuple(node.shape[1:])) for node in session.get_inputs()}
    if found != inputs:
        raise WeightsError(
            f"{path}: wanted inputs {inputs}, found {found}; it was exported from another model"
        )
    return session


def _check_outputs(
    session: ort.InferenceSession, spec: ModelSpec, token_shape: tuple[int, int]
) -> None:
    found = [tuple(node.shape[1:]) for node in session.get_outputs()]
    if found != [token_shape]:
        raise WeightsError(
            f"{spec.weights / 'encoder.onnx'}: wanted tokens {token_shape} of model {spec.name} "
            f"({spec.size}), found {found}; it was exported from another model"
        )
