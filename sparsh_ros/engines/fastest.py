# SPDX-License-Identifier: Apache-2.0
"""Which engine is the fastest on this machine, found out once: `engine:=auto`.

Only engines whose tokens were compared with float32 take part. What was chosen is kept under the
hash of all that decides it: weights, processor, threads, versions of the libraries.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from sparsh_ros.engines.base import Engine
from sparsh_ros.engines.parity import processor, weights_hash
from sparsh_ros.errors import SparshError
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import ENGINES
from sparsh_ros.resources import user_data_path

EXACT = "float32"

_RUNS = 5
_GAIN = 0.9
"""Another engine is taken where it needs at most this share of the time of float32."""
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnx", "openvino", "torch")


@dataclass(frozen=True)
class Choice:
    """What was chosen for a model.

    Attributes:
        model: its name.
        engine: one of `ENGINES`, never "auto".
        reason: in words.
    """

    model: str
    engine: str
    reason: str


def fastest(
    spec: ModelSpec,
    candidates: Sequence[str],
    make: Callable[[str], Engine],
    device: str = "cpu",
    threads: int | None = None,
) -> Choice:
    """The fastest engine for a model, measured at the first call.

    Args:
        spec: The model.
        candidates: Engines that may be taken instead of float32.
        make: Makes the engine of that name, with an encoder; one that raises an error of ours, or
            that no folder can be written, does not take part.
        device: What computes.
        threads: CPU threads; None takes one per core.

    Raises:
        WeightsError: A file of the weights is missing or broken.
    """
    path = _path(spec, candidates, device, threads or len(os.sched_getaffinity(0)))
    if known := _read(path):
        return known
    engines, refused, mendable = {EXACT: make(EXACT)}, [], False
    for name in candidates:
        try:
            engines[name] = make(name)
        except (SparshError, OSError) as error:
            mendable = mendable or isinstance(error, OSError)
            refused.append(f"{name} cannot be had: {error}")
    choice = _choose(spec, engines, refused)
    if not mendable:
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
        return choice if choice.engine in set(ENGINES) - {"auto"} else None
    return None


def _choose(spec: ModelSpec, engines: dict[str, Engine], refused: list[str]) -> Choice:
    if len(engines) == 1:
        return Choice(spec.name, EXACT, "; ".join(refused))
    spent = _measure(spec, engines)
    best = min(spent, key=spent.__getitem__)
    chosen = best if spent[best] <= _GAIN * spent[EXACT] else EXACT
    in_order = sorted(spent.items(), key=lambda item: item[1])
    times = ", ".join(f"{ms:.3g} ms in {name}" for name, ms in in_order)
    return Choice(spec.name, chosen, "; ".join([f"a pass takes {times}", *refused]))


def _measure(spec: ModelSpec, engines: dict[str, Engine]) -> dict[str, float]:
    """Milliseconds of a pass of each engine: median of some, in turns, since the machine may become
    slower meanwhile. The first of each does not count."""
    shape = (spec.frames + 1, 1, *spec.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(1 + _RUNS):
        for name, engine in engines.items():
            begin_s = time.perf_counter()
            engine.encode(*images)
            spent[name].append(1e3 * (time.perf_counter() - begin_s))
    return {name: statistics.median(taken[1:]) for name, taken in spent.items()}


def _path(spec: ModelSpec, candidates: Sequence[str], device: str, threads: int) -> Path:
    decisive = [weights_hash(spec), processor(), device, str(threads), *candidates]
    decisive += [f"{name} {_version(name)}" for name in _PACKAGES]
    name = hashlib.sha256("; ".join(decisive).encode()).hexdigest()
    return user_data_path("engines", f"{name}.choice.json")


def _version(package: str) -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return "not here"
