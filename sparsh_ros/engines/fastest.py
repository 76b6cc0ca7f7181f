# SPDX-License-Identifier: Apache-2.0
"""Which engine is the fastest on this machine, found out once: `engine:=auto`.

Only engines whose tokens were compared with float32 take part. What was chosen is kept under the
hash of all that decides it: weights, processor, threads, version of ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.errors import MissingDependencyError, ModelError
from sparsh_ros.files import sha256_of
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.resources import user_data_path

_RUNS = 5
_GAIN = 0.9
"""int8 is taken where it needs at most this share of the time of float32."""


@dataclass(frozen=True)
class Choice:
    """What was chosen for a model.

    Attributes:
        model: its name.
        engine: "float32" or "int8".
        reason: in words.
    """

    model: str
    engine: str
    reason: str


def fastest(spec: ModelSpec, threads: int | None = None) -> Choice:
    """The fastest engine for a transformer in ONNX files on the CPU, measured at the first call.

    Args:
        spec: The model.
        threads: CPU threads; None takes one per core.

    Raises:
        WeightsError: A file of the weights is missing or broken.
    """
    threads = threads or len(os.sched_getaffinity(0))
    path = _path(spec, threads)
    if known := _read(path):
        return known
    try:
        choice = _choose(spec, threads)
    except (MissingDependencyError, OSError) as error:  # which may be mended by the next start
        return Choice(spec.name, "float32", f"int8 cannot be had: {error}")
    with suppress(OSError):  # measured again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(choice), indent=2) + "\n")
    return choice


def choices() -> Iterator[Choice]:
    """What was chosen on this machine so far."""
    yield from filter(None, map(_read, sorted(user_data_path("engines").glob("*.choice.json"))))


def _read(path: Path) -> Choice | None:
    """What was chosen before; None where the note is missing or damaged."""
    with suppress(OSError, ValueError, TypeError):
        choice = Choice(**json.loads(path.read_text()))
        return choice if choice.engine in ("float32", "int8") else None
    return None


def _choose(spec: ModelSpec, threads: int) -> Choice:
    exact = OnnxEngine(spec, (), threads=threads)
    try:
        small = OnnxEngine(spec, (), threads=threads, int8=True)
    except ModelError as error:  # of these weights, for good
        return Choice(spec.name, "float32", f"int8 cannot be had: {error}")
    images = np.random.default_rng(0).integers(
        0, 256, (spec.frames + 1, 1, *spec.image_shape), dtype=np.uint8
    )
    spent: dict[OnnxEngine, list[float]] = {exact: [], small: []}
    for engine in (exact, small) * (1 + _RUNS):  # in turns: the machine may become slower meanwhile
        begin_s = time.perf_counter()
        engine.encode(*images)
        spent[engine].append(1e3 * (time.perf_counter() - begin_s))
    plain_ms, int8_ms = (statistics.median(taken[1:]) for taken in spent.values())
    reason = f"a pass takes {int8_ms:.0f} ms in int8, {plain_ms:.0f} ms in float32"
    return Choice(spec.name, "int8" if int8_ms <= _GAIN * plain_ms else "float32", reason)


def _path(spec: ModelSpec, threads: int) -> Path:
    weights = sha256_of(spec.weights / "encoder.onnx")
    decisive = (weights, _processor(), str(threads), ort.__version__)
    name = hashlib.sha256("; ".join(decisive).encode()).hexdigest()
    return user_data_path("engines", f"{name}.choice.json")


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor()
