# SPDX-License-Identifier: Apache-2.0
"""A transformer encoder in 8-bit integers, made on this machine from its ONNX file.

The matrices of the linear layers become int8 with a scale per output channel; activations are
quantised to uint8 as they come, with a scale per tensor (Jacob et al., 2018, arXiv:1712.05877).
Attention between tokens, norms and additions stay in float32. It is made once, compared with the
float32 encoder on a simulated touch, and kept under the hash of all that it was made from.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sparsh_ros.engines.parity import Encode, Parity, compare
from sparsh_ros.errors import MissingDependencyError
from sparsh_ros.files import sha256_of
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.resources import user_data_path

_RECIPE = "dynamic, MatMul, int8 by channel; 1"


def int8_encoder(spec: ModelSpec) -> tuple[Path, Parity]:
    """The ONNX file of the int8 encoder of a model, made now unless it is there.

    Raises:
        ModelError: It differs too much from the float32 encoder.
        MissingDependencyError: It has to be made, and the package `onnx` is not installed.
        OSError: The user's data folder cannot be written.
    """
    source = spec.weights / "encoder.onnx"
    made_from = f"{_RECIPE}; {ort.__version__}; {sha256_of(source)}"
    path = user_data_path("engines", hashlib.sha256(made_from.encode()).hexdigest() + ".onnx")
    if parity := _read_facts(path):
        return path, parity
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder, "encoder.onnx")
        _quantise(source, made)
        parity = compare(spec, "int8", _encode(source), _encode(made))
        facts = {"model": spec.name, "sha256": sha256_of(made), **asdict(parity)}
        os.replace(made, path)
        made.write_text(json.dumps(facts, indent=2) + "\n")
        os.replace(made, path.with_suffix(".json"))
    return path, parity


def _read_facts(path: Path) -> Parity | None:
    """What was found when the file was made; None where it is missing or damaged since."""
    try:
        facts = json.loads(path.with_suffix(".json").read_text())
        whole = facts.pop("sha256") == sha256_of(path)
        del facts["model"]
        return Parity(**facts) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _quantise(source: Path, target: Path) -> None:
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"engine int8: wanted the Python package {error.name} to make the encoder, found none; "
            f"`pip install {error.name}`, or use engine float32"
        ) from error
    folded = target.with_name("folded.onnx")
    # Matrices lie in the file as float16; only constants of float32 are quantised.
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    options.log_severity_level = 3
    ort.InferenceSession(source, options, ["CPUExecutionProvider"])
    with _without_advice():
        quantize_dynamic(
            folded,
            target,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep back a warning that asks for what has been done."""

    def is_no_advice(record: logging.LogRecord) -> bool:
        return "pre-processing before quantization" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(is_no_advice)
    try:
        yield
    finally:
        root.removeFilter(is_no_advice)


def _encode(path: Path) -> Encode:
    """What an ONNX file does with clips."""

    def encode(*clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [node.name for node in session.get_inputs()]
        return session.run(None, dict(zip(names, clips, strict=True)))[0]

    return encode
