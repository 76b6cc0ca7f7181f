# SPDX-License-Identifier: Apache-2.0
"""Run a streaming model's ONNX files with ONNX Runtime on the CPU. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sparsh_ros.engines.base import Engine, Outputs
from sparsh_ros.engines.onnx_engine import image_inputs, open_session
from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.stream_layout import CHANNELS, HIDDEN, OUTPUTS, WHOLE

_STATES = {"whole": WHOLE * CHANNELS, "readings": None, "hidden": HIDDEN}


class StreamEngine(Engine):
    """Encoder, and heads that remember: `step` instead of `run_head`."""

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        threads: int | None = None,
    ) -> None:
        """Open the sessions.

        Args:
            spec: The model; its weights folder holds `encoder.onnx` and `heads.onnx`.
            heads: Names of the heads that are wanted; one graph gives all.
            encoder: Whether to load the encoder.
            threads: CPU threads of the encoder; None takes one per core.

        Raises:
            WeightsError: A file is missing, broken or of another architecture.
        """
        super().__init__(spec, heads, encoder)
        threads = threads or len(os.sched_getaffinity(0))
        self._encoder = open_session(spec.weights / "encoder.onnx", threads) if encoder else None
        self._stream = open_session(spec.weights / "heads.onnx", 1)
        self._names = [node.name for node in self._stream.get_outputs()]
        self._check(spec)
        self.on_gpu = False
        place = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        self.description = f"ONNX Runtime {ort.__version__} on {place}, float32"

    def step(
        self,
        whole: NDArray[np.float32],
        readings: NDArray[np.float32],
        hidden: NDArray[np.float32],
    ) -> Outputs:
        """Run the heads for one frame of each of B sensors.

        Args:
            whole: (B, WHOLE * CHANNELS) tokens of the whole image in a row.
            readings: (B, F) of the friction observer.
            hidden: (B, HIDDEN) what the heads remember, zeros where contact begins.

        Returns:
            `sparsh_ros.models.stream_layout.OUTPUTS` by name, (B, ...) float32 each.
        """
        inputs = {"whole": whole, "readings": readings, "hidden": hidden}
        return dict(zip(self._names, self._stream.run(self._names, inputs), strict=True))

    def warm_up(self) -> None:
        """Run everything once: the first run allocates."""
        if self._encoder is not None:
            self.encode(*[np.zeros((1, *IMAGE_SHAPE), np.uint8)] * (self.frames + 1))
        shapes = {node.name: (1, node.shape[1]) for node in self._stream.get_inputs()}
        self.step(**{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})

    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        named = dict(zip(image_inputs(self.frames), images, strict=True))
        return self._encoder.run(None, named)[0]

    def _run_head(self, head: str, inputs: Sequence[NDArray]) -> Outputs:
        raise ModelError(f"head {head!r}: the heads of a streaming model remember; use step")

    def _check(self, spec: ModelSpec) -> None:
        """Raise WeightsError where the files are not those of a streaming model."""
        found = {node.name: node.shape[1] for node in self._stream.get_inputs()}
        fits = all(size in (None, found.get(name)) for name, size in _STATES.items())
        if not fits or set(found) != set(_STATES) or self._names != list(OUTPUTS):
            raise WeightsError(
                f"{spec.weights / 'heads.onnx'}: wanted inputs {_STATES} and outputs "
                f"{list(OUTPUTS)}, found {found} and {self._names}; export it again"
            )
        if self._encoder is None:
            return
        shapes = [tuple(node.shape[1:]) for node in self._encoder.get_outputs()]
        if shapes != [self._token_shape]:
            raise WeightsError(
                f"{spec.weights / 'encoder.onnx'}: wanted tokens {self._token_shape} of model "
                f"{spec.name}, found {shapes}; it was exported from another model"
            )
