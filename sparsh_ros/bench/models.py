# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench`: how long encoder, heads and simulated frames take on this machine.

Every case does the same work: uint8 images in, the numbers of all heads out, waited for. The cases
take turns, so that a disturbance of the machine meets them all alike. A turn gives a median; the
table shows the median over the turns and their range. The baseline, in the same run, is plain
torch: eager, float32, its default threads, one pair at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import numpy as np
from rich.console import Console
from rich.table import Table

from sparsh_ros.bench import simulation as gel_bench
from sparsh_ros.engines import Engine, create_engine
from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.frames import IMAGE_SHAPE, PAIR_OFFSETS_S
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.streaming.runner import StreamRunner
from sparsh_ros.progress import stoppable, track
from sparsh_ros.sensors.profiles import load_profile

TURNS = 5
WARM_UP_RUNS = 3
LARGE_BATCH = 4  # a hand with four sensors


@dataclass(frozen=True)
class Case:
    """One engine at one batch size; of a streaming model also what observes and remembers."""

    engine: Engine
    batch: int = 1
    runner: StreamRunner | None = None


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one case.

    Attributes:
        engine: The engine in words.
        batch: Image pairs per run.
        encode_ms: Median for preprocessing and encoder; on a GPU, until the work is queued.
        total_ms: Median until the numbers of all heads are there.
        total_ms_range: Lowest and highest turn.
    """

    engine: str
    batch: int
    encode_ms: float
    total_ms: float
    total_ms_range: tuple[float, float]

    @property
    def pair_ms(self) -> float:
        """Milliseconds per image pair."""
        return self.total_ms / self.batch


def run(arguments: argparse.Namespace) -> int:
    """Time the cases, print a table, write the numbers if asked.

    Raises:
        ModelError: There is no such model.
        WeightsError: Its weights are missing or broken.
    """
    spec = load_model_spec(arguments.model, arguments.weights_dir)
    baseline = baseline_case(spec)
    cases = ([baseline] if baseline else []) + candidate_cases(spec)
    timings = measure(cases, arguments.runs)
    reference = timings[0] if baseline else None
    gel_timings = gel_bench.measure()
    Console().print(timings_table(spec, timings, reference), "")
    Console().print(gel_bench.timings_table(gel_timings))
    if arguments.out:
        report = {
            "model": spec.name,
            "machine": _machine(),
            "turns": TURNS,
            "runs_per_turn": arguments.runs,
            "baseline": asdict(reference) if reference else None,
            "cases": [asdict(timing) for timing in timings],
            "gel": [asdict(timing) for timing in gel_timings],
        }
        arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def baseline_case(spec: ModelSpec) -> Case | None:
    """Plain torch on the CPU; None where torch is not installed, or cannot run the model."""
    if find_spec("torch") is None or spec.streams:
        return None
    from sparsh_ros.engines.torch_engine import TorchEngine

    return Case(TorchEngine(spec, spec.heads, device="cpu"))


def candidate_cases(spec: ModelSpec) -> list[Case]:
    """ONNX Runtime on one, two and all cores, on several sensors, and the GPU if there is one.

    Published files run on torch alone: of them, only the engine that suits the machine.
    """
    if spec.files is not None:
        best = create_engine(spec, "auto")
        return [Case(best), Case(best, LARGE_BATCH)]
    if spec.streams:
        engine = OnnxEngine(spec, spec.heads, threads=1)
        return [Case(engine, batch, StreamRunner(spec, engine)) for batch in (1, LARGE_BATCH)]
    cores = len(os.sched_getaffinity(0))
    threads = sorted({1, min(2, cores), cores})
    cases = [Case(OnnxEngine(spec, spec.heads, threads=count)) for count in threads]
    cases.append(Case(cases[-1].engine, LARGE_BATCH))
    best = create_engine(spec, "auto")
    if best.description != cases[-1].engine.description:
        cases += [Case(best), Case(best, LARGE_BATCH)]
    return cases


def measure(cases: Sequence[Case], runs: int) -> list[Timing]:
    """Time ``cases`` in turns, ``runs`` runs each; the timings come in the same order."""
    jobs = [(turn, case) for turn in range(TURNS) for case in cases]
    measured = []
    with stoppable(lambda: f"stopped, {len(measured)} of {len(jobs)} measurements made"):
        for _, case in track(jobs, "Timing"):
            measured.append(_time_turn(case, runs))
    turns = [measured[first : first + len(cases)] for first in range(0, len(jobs), len(cases))]
    timings = []
    for case, medians in zip(cases, zip(*turns, strict=True), strict=True):
        encode_ms, total_ms = zip(*medians, strict=True)
        timings.append(
            Timing(
                engine=case.engine.description,
                batch=case.batch,
                encode_ms=statistics.median(encode_ms),
                total_ms=statistics.median(total_ms),
                total_ms_range=(min(total_ms), max(total_ms)),
            )
        )
    return timings


def _time_turn(case: Case, runs: int) -> tuple[float, float]:
    """Median milliseconds until the tokens, and until all heads' numbers, are there."""
    rng = np.random.default_rng(0)
    shape = (case.engine.frames + 1, case.batch, *IMAGE_SHAPE)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    count = WARM_UP_RUNS + runs
    if case.runner is None:
        samples = [_time_run(case.engine, images) for _ in range(count)]
    else:
        samples = [_time_step(case, images, index) for index in range(count)]
    encode_ms, total_ms = zip(*samples[WARM_UP_RUNS:], strict=True)
    return statistics.median(encode_ms), statistics.median(total_ms)


def _time_run(engine: Engine, images: np.ndarray) -> tuple[float, float]:
    started = time.perf_counter()
    tokens = engine.encode(*images)
    encoded = time.perf_counter()
    for head in engine.heads:
        engine.run_head(head, *(images if head in READS_IMAGES else [tokens]))
    return 1e3 * (encoded - started), 1e3 * (time.perf_counter() - started)


def _time_step(case: Case, images: np.ndarray, index: int) -> tuple[float, float]:
    """The same for a streaming model: encoder, friction observer and heads, in one long contact."""
    interval_s = PAIR_OFFSETS_S[-1]
    names = [f"sensor {row}" for row in range(case.batch)]
    for name in names if index == 0 else ():
        case.runner.add_sensor(name, load_profile("digit"))
    stamp_ns = round((1 + index) * interval_s * 1e9)
    started = time.perf_counter()
    tokens = case.engine.encode(*images)
    encoded = time.perf_counter()
    steps = case.runner.step([(name, stamp_ns, interval_s) for name in names], tokens)
    for name, step in zip(names, steps, strict=True):
        case.runner.remember(name, step)
    return 1e3 * (encoded - started), 1e3 * (time.perf_counter() - started)


def timings_table(spec: ModelSpec, timings: Sequence[Timing], reference: Timing | None) -> Table:
    """One row per case, with the speed-up per pair over ``reference`` where there is one."""
    title = f"{spec.name}: images to {', '.join(spec.heads) or 'tokens'}; {_machine()}"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("engine")
    for name in ("pairs", "encoder ms", "total ms", "range ms", "ms per pair", "speed-up"):
        table.add_column(name, justify="right", no_wrap=True)
    for timing in timings:
        low, high = timing.total_ms_range
        table.add_row(
            timing.engine,
            str(timing.batch),
            f"{timing.encode_ms:.2f}",
            f"{timing.total_ms:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{timing.pair_ms:.2f}",
            f"{reference.pair_ms / timing.pair_ms:.2f}" if reference else "-",
        )
    return table


def _machine() -> str:
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
