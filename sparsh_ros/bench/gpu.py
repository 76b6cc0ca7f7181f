# SPDX-License-Identifier: Apache-2.0
"""What one device does with a transformer: time of a batch, share of its peak, sensors at 60 Hz.

Needs torch. `tools/bench_on_gpu.py` runs it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from sparsh_ros.engines.torch_engine import TorchEngine
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.models.heads import build_head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import load_model_spec, write_trained_values
from sparsh_ros.names import ENCODER_FILE, HEADS_FILE

HEADS = ("force", "slip", "pose")
RATE_HZ = 60.0
MOST_SENSORS = 512

_PEAK_RUNS = 20
_WARM_UP_RUNS = 3


@dataclass(frozen=True)
class Way:
    """One way to compute the same.

    Attributes:
        name: In words.
        settings: What `TorchEngine` takes for it.
    """

    name: str
    settings: dict[str, bool]


WAYS = (
    Way("eager, float32", {"bfloat16": False, "graphs": False}),
    Way("eager, bfloat16", {"bfloat16": True, "graphs": False}),
    Way("one graph, float32", {"bfloat16": False, "graphs": True}),
    Way("one graph, bfloat16", {"bfloat16": True, "graphs": True}),
)


def measure_peak(rows: int) -> dict[str, str | float]:
    """Floating point operations per second of a product of two (rows, rows) bfloat16 matrices, the
    best of several."""
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    a, b = (torch.randn(rows, rows, device=device, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(_PEAK_RUNS):
        begin = time.perf_counter()
        a @ b
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    name = torch.cuda.get_device_name() if on_gpu else "CPU"
    return {"device": name, "flop_per_s": 2.0 * rows**3 / min(times)}


def random_model(size: str, folder: Path) -> ModelSpec:
    """A model of that size with random weights and the heads of `HEADS`, written to a folder."""
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    path = folder / f"{size}.yaml"
    path.write_text(f"name: random-{size}\nsize: {size}\nlicence: none\nweights: weights\n")
    torch.manual_seed(0)
    spec = load_model_spec(path)
    save_file(VisionTransformer.from_spec(spec).state_dict(), weights / ENCODER_FILE)
    tensors = {
        f"{name}.{key}": value
        for name in HEADS
        for key, value in build_head(name, spec).state_dict().items()
    }
    save_file(tensors, weights / HEADS_FILE)
    write_trained_values(replace(spec, heads=HEADS), weights)
    return load_model_spec(path)


def flop_per_image(spec: ModelSpec) -> float:
    """Floating point operations of the encoder's products, per pair of images."""
    config = spec.encoder_config
    width, tokens = config.embed_dim, config.tokens + config.registers
    pixels = config.in_channels * config.patch_size**2
    linear = 4 * width**2 + 2 * width * (config.mlp_dim or 4 * width)
    attention = 2 * tokens * width
    blocks = config.depth * tokens * (linear + attention)
    return 2.0 * (blocks + config.tokens * pixels * width)


def difference(spec: ModelSpec, device: str, batch: int = 3) -> float:
    """Largest difference of the heads' numbers between one graph and eager, both in float32."""
    images = _images(spec, batch)
    found = []
    for graphs in (False, True):
        engine = TorchEngine(spec, HEADS, device=device, graphs=graphs)
        tokens = engine.encode(*images)
        found.append([x for head in HEADS for x in engine.run_head(head, tokens).values()])
    return max(float(abs(one - other).max()) for one, other in zip(*found, strict=True))


def measure(
    spec: ModelSpec, device: str, batches: list[int], runs: int, end_s: float
) -> Iterator[dict[str, Any]]:
    """Time all of `WAYS`, as long as there is time.

    Args:
        spec: The model.
        device: "cuda" or "cpu".
        batches: Pairs of images at once.
        runs: Passes per batch size, of which the 99th percentile is taken.
        end_s: `time.monotonic` by which nothing new begins.

    Yields:
        For each way name, engine, milliseconds per batch size (median and 99th percentile, from
        uint8 images on the host to the numbers of all heads there), and the most sensors whose
        passes stay below one frame's time at `RATE_HZ`.
    """
    for way in WAYS:
        if time.monotonic() > end_s:
            return
        engine = TorchEngine(spec, HEADS, device=device, **way.settings)
        engine.warm_up()
        times = {}
        for batch in batches:
            if time.monotonic() <= end_s:
                times[batch] = time_passes(engine, _images(spec, batch), runs)
        sensors = _most_sensors(engine, spec, runs, end_s)
        yield {
            "way": way.name,
            "engine": engine.description,
            "ms": {batch: statistics.median(taken) for batch, taken in times.items()},
            "p99_ms": {batch: p99(taken) for batch, taken in times.items()},
            "sensors_at_60_hz": sensors,
        }


def time_passes(engine: TorchEngine, images: np.ndarray, runs: int) -> list[float]:
    """Milliseconds of each of some passes, from images to the numbers of all heads."""
    taken = []
    for _ in range(_WARM_UP_RUNS + runs):
        begin = time.perf_counter()
        tokens = engine.encode(*images)
        for head in engine.heads:
            engine.run_head(head, tokens)
        taken.append(1e3 * (time.perf_counter() - begin))
    return taken[_WARM_UP_RUNS:]


def p99(taken: list[float]) -> float:
    """99 of 100 are not above it."""
    return float(np.quantile(taken, 0.99, method="higher"))


def _most_sensors(engine: TorchEngine, spec: ModelSpec, runs: int, end_s: float) -> int:
    """Most sensors whose pass takes less than a frame's time, 99 of 100 times; 0 for none.

    Twice as many each time until it is too slow, then halfway between.
    """

    def served(count: int) -> bool:
        return p99(time_passes(engine, _images(spec, count), runs)) < 1e3 / RATE_HZ

    good, bad = 0, 1
    while bad <= MOST_SENSORS and time.monotonic() <= end_s and served(bad):
        good, bad = bad, 2 * bad
    while bad - good > max(1, good // 16) and time.monotonic() <= end_s:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if served(middle) else (good, middle)
    return good


def _images(spec: ModelSpec, batch: int) -> np.ndarray:
    shape = (spec.frames + 1, batch, *IMAGE_SHAPE)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
