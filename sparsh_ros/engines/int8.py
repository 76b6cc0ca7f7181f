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
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sparsh_ros.errors import MissingDependencyError, ModelError
from sparsh_ros.files import sha256_of
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.resources import user_data_path

MEAN_COSINE, LOWEST_COSINE = 0.999, 0.99
"""Between tokens of both encoders, on average and at worst: below, int8 is refused."""

_RECIPE = "dynamic, MatMul, int8 by channel; 1"
_PAIRS = 6
_EVERY = 10  # frames from one pair to the next
_SENSOR, _SEED, _TOUCH, _RATE_HZ = "digit", 3, "random", 60.0


@dataclass(frozen=True)
class Parity:
    """How the tokens of the int8 encoder differ from those of the float32 encoder.

    Attributes:
        mean_cosine: Of the angle between both, mean over the tokens.
        lowest_cosine: The worst token.
        largest_error: Largest difference of a channel; tokens have unit variance.
    """

    mean_cosine: float
    lowest_cosine: float
    largest_error: float

    @property
    def passes(self) -> bool:
        """Whether int8 may stand in for float32."""
        return self.mean_cosine >= MEAN_COSINE and self.lowest_cosine >= LOWEST_COSINE

    @classmethod
    def between(cls, exact: NDArray[np.float32], found: NDArray[np.float32]) -> Parity:
        """Compare tokens (B, N, D)."""
        lengths = np.linalg.norm(exact, axis=-1) * np.linalg.norm(found, axis=-1)
        cosines = (exact * found).sum(axis=-1) / np.maximum(lengths, 1e-12)
        return cls(float(cosines.mean()), float(cosines.min()), float(abs(exact - found).max()))


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
        parity = _compare(source, made, spec)
        if not parity.passes:
            raise ModelError(
                f"model {spec.name}: wanted tokens of int8 at a cosine of {MEAN_COSINE} to those "
                f"of float32, {LOWEST_COSINE} at worst, found {parity.mean_cosine:.4f} and "
                f"{parity.lowest_cosine:.4f}; use engine float32"
            )
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


def _compare(exact: Path, found: Path, spec: ModelSpec) -> Parity:
    clips = _touch(spec)
    tokens = []
    for path in (exact, found):
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [node.name for node in session.get_inputs()]
        tokens.append(session.run(None, dict(zip(names, clips, strict=True)))[0])
    return Parity.between(*tokens)


def _touch(spec: ModelSpec) -> NDArray[np.uint8]:
    """Clips of a simulated touch as the encoder takes them, (images, clips, 320, 240, 3)."""
    from sparsh_ros.simulation.simulation import TouchSimulation

    simulation = TouchSimulation(_SENSOR, _SEED, _TOUCH, rate_hz=_RATE_HZ)
    ages = [round(offset * _RATE_HZ) for offset in spec.frame_offsets_s]
    newest = range(max(ages), max(ages) + _PAIRS * _EVERY, _EVERY)
    background = simulation.background()
    frames = [simulation.step().image for _ in range(newest[-1] + 1)]
    clips = [[frames[index - age] for index in newest] for age in ages]
    return np.array([*clips, [background] * _PAIRS])
