# SPDX-License-Identifier: Apache-2.0
"""Run a model's ONNX files with ONNX Runtime. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sparsh_ros.engines.base import Engine, Outputs
from sparsh_ros.engines.int8 import int8_encoder
from sparsh_ros.errors import MissingDependencyError, WeightsError
from sparsh_ros.files import missing_content
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec

_CUDA = "CUDAExecutionProvider"


SENSOR_INPUT = "sensor"
"""Name of the input of an encoder that is told the sensors: their ids (B,) int64."""


def image_inputs(frames: int) -> tuple[str, ...]:
    """Names of an encoder graph's images: so many frames, newest first, then the background."""
    older = [f"previous_{age}" if age > 1 else "previous" for age in range(1, frames)]
    return ("current", *older, "background")


class OnnxEngine(Engine):
    """Encoder and heads as ONNX Runtime sessions."""

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        threads: int | None = None,
        cuda: bool = False,
        int8: bool = False,
    ) -> None:
        """Open the sessions.

        Args:
            spec: The model; its weights folder holds `encoder.onnx` and `<head>.onnx`.
            heads: Names of the heads to load.
            encoder: Whether to load the encoder.
            threads: CPU threads of the encoder; None takes one per core, for a streaming one one.
            cuda: Run on the GPU through onnxruntime-gpu.
            int8: Run the encoder in 8-bit integers, see `int8_encoder`.

        Raises:
            WeightsError: A file is missing, broken or of another architecture.
            ModelError: In int8 the encoder's tokens are others.
            MissingDependencyError: ONNX Runtime would compute on the CPU in spite of ``cuda``.
        """
        super().__init__(spec, heads, encoder)
        # A second thread saves a streaming encoder a twentieth of its time, and costs a fifth more.
        threads = threads or (1 if spec.streams else len(os.sched_getaffinity(0)))
        images = dict.fromkeys(image_inputs(spec.frames), ("tensor(uint8)", spec.image_shape))
        tokens = {"tokens": ("tensor(float)", self._token_shape)}
        self._sessions: dict[str, ort.InferenceSession] = {}
        precision = "float32"
        if encoder:
            told = {SENSOR_INPUT: ("tensor(int64)", ())} if spec.tells_sensor else {}
            path = spec.weights / "encoder.onnx"
            if int8:
                path, parity = int8_encoder(spec)
                precision = f"int8 (cosine to float32 {parity.mean_cosine:.5f})"
            session = _open(path, images | told, threads, cuda)
            _check_outputs(session, spec, self._token_shape)
            self._sessions["encoder"] = session
        # What reads tokens takes a tenth of a millisecond: one thread is fastest.
        if spec.streams:
            self._sessions["heads"] = open_session(spec.weights / "heads.onnx", 1, cuda)
        for name in () if spec.streams else self.heads:
            needs = (images, threads) if name in READS_IMAGES else (tokens, 1)
            self._sessions[name] = _open(spec.weights / f"{name}.onnx", *needs, cuda)
        if cuda:
            _check_cuda(self._sessions)
        self.on_gpu = cuda
        place = "CUDA" if cuda else f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        self.description = f"ONNX Runtime {ort.__version__} on {place}, {precision}"
        if not (cuda or int8 or spec.streams):
            self.remedy = f"engine:=int8, {self.remedy}"

    def _encode(self, inputs: Sequence[NDArray]) -> NDArray[np.float32]:
        names = (*image_inputs(self.frames), SENSOR_INPUT)
        named = dict(zip(names, inputs, strict=False))
        return self._sessions["encoder"].run(None, named)[0]

    def _step(self, inputs: Mapping[str, NDArray[np.float32]]) -> Outputs:
        session = self._sessions["heads"]
        names = [node.name for node in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    def _run_head(self, head: str, inputs: Sequence[NDArray]) -> Outputs:
        session = self._sessions[head]
        feed = {node.name: x for node, x in zip(session.get_inputs(), inputs, strict=True)}
        names = [node.name for node in session.get_outputs()]
        return dict(zip(names, session.run(names, feed), strict=True))


def _check_cuda(sessions: Mapping[str, ort.InferenceSession]) -> None:
    """ONNX Runtime goes on with the CPU where the libraries of CUDA cannot be loaded; refuse that.

    Raises:
        MissingDependencyError: A session has no CUDA.
    """
    for name, session in sessions.items():
        found = session.get_providers()
        if _CUDA not in found:
            raise MissingDependencyError(
                f"device cuda: wanted ONNX Runtime to run {name} with {_CUDA}, found "
                f"{', '.join(found)}; install the CUDA and cuDNN that onnxruntime-gpu "
                f"{ort.__version__} was built for, or use device cpu"
            )


def open_session(path: Path, threads: int, cuda: bool = False) -> ort.InferenceSession:
    """Open an ONNX file of any model.

    Raises:
        WeightsError: The file is missing, truncated, or no ONNX graph.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: not found; `sparsh-ros weights list` shows which models have weights here"
        )
    if problem := missing_content(path):
        raise WeightsError(f"{path}: wanted an ONNX graph, found {problem}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they are raised as well
    # Waiting threads sleep: on few cores, spinning ones starve the sensors and the executor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [_CUDA] if cuda else []
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
