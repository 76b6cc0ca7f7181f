# SPDX-License-Identifier: Apache-2.0
"""Whether a faster encoder may stand in for the float32 encoder, found out once and kept.

Both encode a simulated touch, and their tokens are compared: whatever computes with fewer digits,
or in another library, is refused where it gives others. What was found is kept under the hash of
all that it depends on.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import ModelError
from sparsh_ros.files import sha256_of
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.images import shrink
from sparsh_ros.names import ENCODER_FILE
from sparsh_ros.resources import user_data_path

MEAN_COSINE, LOWEST_COSINE = 0.999, 0.99
"""Between tokens of both encoders, on average and at worst: below, the faster one is refused."""

_PAIRS = 6
_EVERY = 10  # frames from one pair to the next
_ZERO = 1e-9  # below this a length is none
_TOUCH, _RATE_HZ = "random", 60.0

Encode = Callable[..., Any]
"""Clips (B, H, W, 3) uint8, newest first, then backgrounds -> tokens (B, N, D)."""


@dataclass(frozen=True)
class Parity:
    """How the tokens of an encoder differ from those of the float32 encoder.

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
        """Whether it may stand in for float32; never with NaN."""
        return self.mean_cosine >= MEAN_COSINE and self.lowest_cosine >= LOWEST_COSINE

    def __str__(self) -> str:
        return f"cosine to float32 {self.mean_cosine:.5f}"

    @classmethod
    def between(cls, exact: NDArray[np.float32], found: NDArray[np.float32]) -> Parity:
        """Compare tokens (B, N, D); those that are zero in both are alike."""
        lengths = np.stack([np.linalg.norm(tokens, axis=-1) for tokens in (exact, found)])
        cosines = (exact * found).sum(axis=-1) / np.maximum(lengths.prod(axis=0), _ZERO)
        cosines = np.where((lengths < _ZERO).all(axis=0), 1.0, cosines)
        return cls(float(cosines.mean()), float(cosines.min()), float(abs(exact - found).max()))


def compare(spec: ModelSpec, engine: str, exact: Encode, found: Encode) -> Parity:
    """Compare two encoders of a model on a simulated touch.

    Args:
        spec: The model.
        engine: What to call the faster one.
        exact: Encodes in float32.
        found: Encodes faster.

    Raises:
        ModelError: They differ too much.
    """
    clips = touch(spec)
    parity = Parity.between(*(_on_host(encode(*clips)) for encode in (exact, found)))
    if not parity.passes:
        raise ModelError(
            f"model {spec.name}: wanted tokens of {engine} at a cosine of {MEAN_COSINE} to those "
            f"of float32, {LOWEST_COSINE} at worst, found {parity.mean_cosine:.4f} and "
            f"{parity.lowest_cosine:.4f}; use engine float32"
        )
    return parity


def admit(spec: ModelSpec, engine: str, made_of: str, exact: Encode, found: Encode) -> Parity:
    """The same, once: later calls read what was found for these weights on this processor.

    Args:
        spec: The model.
        engine: What to call the faster one.
        made_of: All else that its numbers depend on: options, versions, device.
        exact: Encodes in float32.
        found: Encodes faster.

    Raises:
        ModelError: They differ too much; found out again at the next call.
    """
    decisive = f"{made_of}; {processor()}; {weights_hash(spec)}"
    name = hashlib.sha256(decisive.encode()).hexdigest()
    path = user_data_path("engines", f"{name}.parity.json")
    with suppress(OSError, ValueError, TypeError):
        if (known := Parity(**json.loads(path.read_text()))).passes:
            return known
    parity = compare(spec, engine, exact, found)
    with suppress(OSError):  # compared again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(parity), indent=2) + "\n")
    return parity


def weights_hash(spec: ModelSpec) -> str:
    """SHA-256 of the encoder's weights, of whichever files the model has."""
    if spec.files:
        return sha256_of(spec.files.encoder.path)
    found = (spec.weights / name for name in ("encoder.onnx", ENCODER_FILE))
    return sha256_of(next(path for path in found if path.is_file()))


def processor() -> str:
    """Model of the processor, as the kernel names it."""
    names = (line for line in _cpuinfo().splitlines() if line.startswith("model name"))
    return next(names, platform.processor())


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16, with AVX-512, AMX or on ARM."""
    return "bf16" in _cpuinfo()


def _cpuinfo() -> str:
    with suppress(OSError):
        return Path("/proc/cpuinfo").read_text()
    return ""


def touch(spec: ModelSpec, sensor: str = "digit", seed: int = 3) -> NDArray[np.uint8]:
    """Clips of a simulated touch as the encoder takes them: (images, clips, H, W, 3), for each
    clip its frames, newest first, then the background.

    Args:
        spec: The model.
        sensor: Type of the sensor.
        seed: Of the sensor's make and of the touch.
    """
    from sparsh_ros.simulation.simulation import TouchSimulation

    simulation = TouchSimulation(sensor, seed, _TOUCH, rate_hz=_RATE_HZ)
    ages = [round(offset * _RATE_HZ) for offset in spec.frame_offsets_s]
    newest = range(max(ages), max(ages) + _PAIRS * _EVERY, _EVERY)
    see = shrink if spec.streams else np.asarray
    background = see(simulation.background())
    frames = [see(simulation.step().image) for _ in range(newest[-1] + 1)]
    clips = [[frames[index - age] for index in newest] for age in ages]
    return np.array([*clips, [background] * _PAIRS])


def _on_host(tokens: Any) -> NDArray[np.float32]:
    return np.asarray(tokens.cpu() if hasattr(tokens, "cpu") else tokens)
