# SPDX-License-Identifier: Apache-2.0
"""Run a model's encoder with OpenVINO: in bfloat16 where the processor has it, or in int8.

In bfloat16 the whole transformer computes with 8 bits of mantissa. In int8 its linear layers
compute in integers, with the scales of what they read measured once on simulated touches (static
post-training quantisation, Jacob et al., 2018, arXiv:1712.05877), the rest as without. Heads run on
ONNX Runtime in float32. A streaming encoder stays in float32, which is faster here than there.

OpenVINO is optional. It reads the same ONNX files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from sparsh_ros.engines import openvino_graph as graph
from sparsh_ros.engines.onnx_engine import FASTER, SENSOR_INPUT, OnnxEngine, image_inputs
from sparsh_ros.engines.parity import admit, touch, weights_hash
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.resources import user_data_path

_RECIPE = "1"  # of the graph's changes
_CALIBRATION = (("digit", 11), ("digit", 12), ("gelsight_mini", 13))
"""Sensors and seeds of the touches that scales are measured on."""
_MARGIN = 1.1
"""Values this much beyond what was measured are not cut off yet."""


class OpenVinoEngine(OnnxEngine):
    """Encoder on OpenVINO, heads on ONNX Runtime."""

    def __init__(
        self,
        spec: ModelSpec,
        heads: Sequence[str],
        encoder: bool = True,
        threads: int | None = None,
        int8: bool = False,
    ) -> None:
        """Compile the encoder, and compare it with float32 unless that was done before.

        Args:
            spec, heads, encoder, threads: As `OnnxEngine` takes them.
            int8: Compute the encoder's linear layers in int8.

        Raises:
            WeightsError: A file is missing, broken or of another architecture.
            ModelError: The encoder's tokens differ too much from those of float32.
        """
        super().__init__(spec, heads, encoder, threads)
        self.remedy = self.remedy.removeprefix(f"{FASTER}, ")
        if not encoder:
            return
        exact = self._sessions.pop("encoder")
        inputs = [node.name for node in exact.get_inputs()]
        threads = threads or (1 if spec.streams else len(os.sched_getaffinity(0)))
        precision = "f32" if spec.streams else best_precision()
        self._request = _compile(spec, precision, threads, int8).create_infer_request()
        recipe = f"openvino; {_RECIPE}; {ov.__version__}; {precision}; int8={int8}"
        parity = admit(
            spec,
            "openvino_int8" if int8 else "openvino",
            recipe,
            lambda *clips: exact.run(None, dict(zip(inputs, clips, strict=True)))[0],
            lambda *clips: self._encode(clips),
        )
        words = {"bf16": "bfloat16", "f32": "float32"}[precision]
        words = f"int8 and {words}" if int8 else words
        version = ov.__version__.partition("-")[0]
        place = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        self.description = f"OpenVINO {version} on {place}, {words} ({parity})"

    def _encode(self, inputs: Sequence[NDArray]) -> NDArray[np.float32]:
        """One image after the other: on a CPU larger batches are hardly faster, and of one graph
        for each number there would be many."""
        names = (*image_inputs(self.frames), SENSOR_INPUT)
        tokens = np.empty((len(inputs[0]), *self._token_shape), np.float32)
        for row, out in enumerate(tokens):
            for name, values in zip(names, inputs, strict=False):
                self._request.get_tensor(name).data[0] = values[row]
            self._request.infer()
            out[:] = self._request.get_output_tensor(0).data[0]
        return tokens


def best_precision() -> str:
    """What OpenVINO computes fastest with here: "bf16" where the processor has it, else "f32"."""
    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in able else "f32"


def _compile(spec: ModelSpec, precision: str, threads: int, int8: bool) -> ov.CompiledModel:
    """The encoder for batches of one."""
    model = _read(spec)
    if int8:
        graph.quantise_layers(model, _largest_inputs(spec))
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Threads that may run on any core get out of the way of sensors and the executor.
        "ENABLE_CPU_PINNING": False,
    }
    return ov.Core().compile_model(model, "CPU", settings)


def _read(spec: ModelSpec) -> ov.Model:
    model = ov.Core().read_model(spec.weights / "encoder.onnx")
    graph.fix_batch(model)
    graph.embed_whole_levels(model)
    return model


def _largest_inputs(spec: ModelSpec) -> list[float]:
    """Absolute values up to which the inputs of the linear layers go, measured once."""
    made_of = f"{_RECIPE}; {_CALIBRATION}; {_MARGIN}; {weights_hash(spec)}"
    name = hashlib.sha256(made_of.encode()).hexdigest()
    path = user_data_path("engines", f"{name}.ranges.json")
    with suppress(OSError, ValueError, TypeError):
        return [float(value) for value in json.loads(path.read_text())]
    largest = _measure_inputs(spec)
    with suppress(OSError):  # measured again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, json.dumps(largest))
    return largest


def _write_whole(path: Path, text: str) -> None:
    """Write a file that is never there in part."""
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(text)
    scratch.replace(path)


def _measure_inputs(spec: ModelSpec) -> list[float]:
    model = _read(spec)
    graph.watch_layers(model)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    names = image_inputs(spec.frames)
    seen = []
    for sensor, seed in _CALIBRATION:
        for clip in touch(spec, sensor, seed).swapaxes(0, 1):
            request.infer({name: image[None] for name, image in zip(names, clip, strict=True)})
            found = [abs(request.get_output_tensor(i).data) for i in range(1, len(model.outputs))]
            seen.append(np.reshape(found, (-1, 2)).max(axis=1))
    return [float(value) * _MARGIN for value in np.max(seen, axis=0)]
