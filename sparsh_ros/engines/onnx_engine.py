# SPDX-License-Identifier: Apache-2.0
"""Run a model's ONNX files with ONNX Runtime. No torch.

On a GPU tokens stay on the device between encoder and heads (I/O binding).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sparsh_ros.engines.base import Engine, Outputs
from sparsh_ros.engines.int8 import int8_encoder
from sparsh_ros.errors import MissingDependencyError, WeightsError
from sparsh_ros.files import missing_content
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.layout import STEP_INPUTS
from sparsh_ros.resources import user_data_path

_CUDA, _TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


FASTER = "engine:=auto"
"""What to try first where float32 is too slow."""
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
        tensorrt: bool = False,
    ) -> None:
        """Open the sessions.

        Args:
            spec: The model; its weights folder holds `encoder.onnx` and `<head>.onnx`.
            heads: Names of the heads to load.
            encoder: Whether to load the encoder.
            threads: CPU threads of the encoder; None takes one per core, for a streaming one one.
            cuda: Run on the GPU through onnxruntime-gpu.
            int8: Run the encoder in 8-bit integers, see `int8_encoder`.
            tensorrt: With ``cuda``, let TensorRT take what it can of the encoder. The first start
                builds its plan, which takes minutes.

        Raises:
            WeightsError: A file is missing, broken or of another architecture.
            ModelError: In int8 the encoder's tokens are others.
            MissingDependencyError: ONNX Runtime would compute on the CPU in spite of ``cuda``, or
                without TensorRT.
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
            providers = _providers(cuda, tensorrt)
            session = _open(path, images | told, threads, providers)
            _check_outputs(session, spec, self._token_shape)
            self._sessions["encoder"] = session
        # What reads tokens takes a tenth of a millisecond: one thread is fastest.
        if spec.streams:
            needs = {name: ("tensor(float)", (size,)) for name, size in STEP_INPUTS.items()}
            path = spec.weights / "heads.onnx"
            self._sessions["heads"] = _open(path, needs, 1, ("CPUExecutionProvider",))
        for name in () if spec.streams else self.heads:
            needs = (images, threads) if name in READS_IMAGES else (tokens, 1)
            self._sessions[name] = _open(spec.weights / f"{name}.onnx", *needs, _providers(cuda))
        if cuda:
            _check_providers(self._sessions, _CUDA)
        if tensorrt and encoder:
            _check_providers({"encoder": self._sessions["encoder"]}, _TENSORRT)
        self.on_gpu = cuda
        self._device = "cuda" if cuda else None
        place = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        if cuda:
            place = "CUDA, TensorRT" if tensorrt else "CUDA"
        self.description = f"ONNX Runtime {ort.__version__} on {place}, {precision}"
        if not (cuda or int8 or spec.streams):
            self.remedy = f"{FASTER}, {self.remedy}"

    def _encode(self, inputs: Sequence[NDArray]) -> NDArray[np.float32] | DeviceTokens:
        names = (*image_inputs(self.frames), SENSOR_INPUT)
        named = dict(zip(names, inputs, strict=False))
        session = self._sessions["encoder"]
        if self._device is None:
            return session.run(None, named)[0]
        binding = session.io_binding()
        for name, array in named.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        binding.bind_output(session.get_outputs()[0].name, self._device)
        session.run_with_iobinding(binding)
        return DeviceTokens(binding.get_outputs()[0])

    def _step(self, inputs: Mapping[str, NDArray[np.float32]]) -> Outputs:
        session = self._sessions["heads"]
        names = [node.name for node in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    def _run_head(self, head: str, inputs: Sequence[NDArray | DeviceTokens]) -> Outputs:
        session = self._sessions[head]
        names = [node.name for node in session.get_outputs()]
        feed = zip(session.get_inputs(), inputs, strict=True)
        if not isinstance(inputs[0], DeviceTokens):
            found = session.run(names, {node.name: x for node, x in feed})
            return dict(zip(names, found, strict=True))
        binding = session.io_binding()
        for node, tokens in feed:
            binding.bind_ortvalue_input(node.name, tokens.value)
        for name in names:
            binding.bind_output(name)
        session.run_with_iobinding(binding)
        return dict(zip(names, binding.copy_outputs_to_cpu(), strict=True))


class DeviceTokens:
    """Tokens (B, N, D) that stay where ONNX Runtime made them, until they are read.

    Attributes:
        value: ONNX Runtime's own.
        shape, ndim, dtype: As of an array.
    """

    def __init__(self, value: ort.OrtValue) -> None:
        """Take what the encoder gave."""
        self.value = value
        self.shape = tuple(value.shape())
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.float32)

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> NDArray:
        return np.asarray(self.value.numpy(), dtype)

    def __abs__(self) -> NDArray[np.float32]:
        return abs(np.asarray(self))

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return iter(np.asarray(self))


def _providers(cuda: bool, tensorrt: bool = False) -> list[str | tuple[str, dict[str, Any]]]:
    """What ONNX Runtime may compute with, the first preferred."""
    chosen = [_CUDA] if cuda else []
    if tensorrt:
        plans = str(user_data_path("engines", "tensorrt"))
        settings = {"trt_engine_cache_enable": True, "trt_engine_cache_path": plans}
        chosen.insert(0, (_TENSORRT, settings))
    return [*chosen, "CPUExecutionProvider"]


def _check_providers(sessions: Mapping[str, ort.InferenceSession], wanted: str) -> None:
    """ONNX Runtime goes on with the CPU where the libraries of a provider cannot be loaded; refuse
    that.

    Raises:
        MissingDependencyError: A session goes without.
    """
    for name, session in sessions.items():
        found = session.get_providers()
        if wanted not in found:
            raise MissingDependencyError(
                f"device cuda: wanted ONNX Runtime to run {name} with {wanted}, found "
                f"{', '.join(found)}; install the CUDA and cuDNN that onnxruntime-gpu "
                f"{ort.__version__} was built for, or use device cpu"
            )


def open_session(
    path: Path, threads: int, providers: Sequence[Any] = ("CPUExecutionProvider",)
) -> ort.InferenceSession:
    """Open an ONNX file of any model.

    Args:
        path: The file.
        threads: CPU threads.
        providers: What ONNX Runtime may compute with, the first preferred.

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
    try:
        return ort.InferenceSession(path, options, list(providers))
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path}: wanted an ONNX graph, found a truncated or foreign file ({reason}); "
            "fetch or export it again"
        ) from error


def _open(
    path: Path,
    inputs: dict[str, tuple[str, tuple[int, ...]]],
    threads: int,
    providers: Sequence[Any],
) -> ort.InferenceSession:
    """Open an ONNX file and check that it takes ``inputs``: name -> type, shape after the batch."""
    session = open_session(path, threads, providers)
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
