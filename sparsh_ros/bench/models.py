# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench model`: how long encoder, heads and simulated frames take on this machine.

Every case does the same work: uint8 images in, the numbers of all heads out, waited for. The cases
take turns, so that a disturbance of the machine meets them all alike. A turn gives a median; the
table shows the median over the turns and their range. The baselines, in the same run, are plain
torch, eager, float32, its default threads, one pair at a time: as a library would run it, and as
nodes of today do, where the callback of each head encodes the images once more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from sparsh_ros.bench import simulation as gel_bench
from sparsh_ros.bench.conditions import refuse_loaded, watching
from sparsh_ros.bench.results import Row, Spread, show, write
from sparsh_ros.engines import Engine, create_engine
from sparsh_ros.engines.onnx_engine import OnnxEngine
from sparsh_ros.engines.parity import has_bfloat16
from sparsh_ros.errors import MissingDependencyError, ModelError, WeightsError
from sparsh_ros.frames import IMAGE_SHAPE, PAIR_OFFSETS_S
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.streaming.images import shrink
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.streaming.runner import StreamRunner
from sparsh_ros.progress import stoppable
from sparsh_ros.sensors.profiles import load_profile

TURNS = 5
COLUMNS = {"ENCODE_MS": "encoder ms", "TOTAL_MS": "total ms", "PAIR_MS": "ms per pair"}
SPEED_UP = {"SPEED_UP": "speed-up"}
WARM_UP_RUNS = 3
LARGE_BATCH = 4  # a hand with four sensors


@dataclass(frozen=True)
class Case:
    """One engine at one batch size.

    Attributes:
        engine: What computes.
        batch: Image pairs per run.
        runner: Of a streaming model, what observes and remembers.
        encodes_per_head: The images are encoded anew for each head.
        model: Its name, where several are compared.
    """

    engine: Engine
    batch: int = 1
    runner: StreamRunner | None = None
    encodes_per_head: bool = False
    model: str = ""

    @property
    def name(self) -> str:
        """In words."""
        pairs = f", {self.batch} pairs at once" if self.batch > 1 else ""
        again = ", encoder once per head" if self.encodes_per_head else ""
        model = f"{self.model}: " if self.model else ""
        return f"{model}{self.engine.description}{pairs}{again}"


def run(arguments: argparse.Namespace) -> int:
    """Time the cases, print a table, write the numbers if asked.

    Raises:
        ModelError: There is no such model.
        WeightsError: Its weights are missing or broken.
        SparshError: The machine is busy with something else.
    """
    spec = load_model_spec(arguments.model, arguments.weights_dir)
    if not arguments.anyway:
        refuse_loaded()
    baselines = baseline_cases(spec) if arguments.baseline else []
    candidates = candidate_cases(spec)
    if arguments.beside:
        other = load_model_spec(arguments.beside)
        candidates = [replace(case, model=spec.name) for case in candidates]
        candidates += [replace(case, model=other.name) for case in candidate_cases(other)]
    with watching() as conditions:
        rows = measure([*baselines, *candidates], arguments.runs, conditions.time_unit)
        gel_rows = gel_bench.measure()
    if baselines:
        rows = [with_speed_up(row, rows[0]) for row in rows]
    title = f"{spec.name}: images to {', '.join(spec.heads) or 'tokens'}"
    show(title, rows, COLUMNS | (SPEED_UP if baselines else {}), conditions)
    show("Simulated frames, one core", gel_rows, gel_bench.COLUMNS, conditions)
    if arguments.out:
        settings = {"model": spec.name, "turns": TURNS, "runs_per_turn": arguments.runs}
        write(arguments.out, "model", [*rows, *gel_rows], conditions, **settings)
    return 0


def baseline_cases(spec: ModelSpec) -> list[Case]:
    """Plain torch on the CPU; none where torch is not installed, or cannot run the model."""
    if find_spec("torch") is None or spec.streams:
        return []
    from sparsh_ros.engines.torch_engine import TorchEngine

    engine = TorchEngine(spec, spec.heads, device="cpu")
    return [Case(engine), Case(engine, encodes_per_head=True)]


def candidate_cases(spec: ModelSpec) -> list[Case]:
    """ONNX Runtime on one, two and all cores, on several sensors, other engines of a CPU as far as
    they can be had, and the GPU if there is one.

    Published files run on torch alone: of them, only the engine that suits the machine.
    """
    if spec.files is not None:
        best = create_engine(spec, "auto")
        return [Case(best), Case(best, LARGE_BATCH)]
    if spec.streams:
        engines = [OnnxEngine(spec, spec.heads, threads=1), *_others(spec, 1, ["openvino"])]
        return [
            Case(engine, batch, StreamRunner(spec, engine))
            for engine in engines
            for batch in (1, LARGE_BATCH)
        ]
    cores = len(os.sched_getaffinity(0))
    threads = sorted({1, min(2, cores), cores})
    cases = [Case(OnnxEngine(spec, spec.heads, threads=count)) for count in threads]
    cases.append(Case(cases[-1].engine, LARGE_BATCH))
    names = ["int8", "openvino", "openvino_int8", *(["bfloat16"] if has_bfloat16() else [])]
    cases += map(Case, _others(spec, threads[-1], names))
    best = create_engine(spec, "auto")
    if best.on_gpu:
        on_gpu = [best, *_others(spec, threads[-1], ["bfloat16"], "cuda")]
        cases += [Case(engine, batch) for engine in on_gpu for batch in (1, LARGE_BATCH)]
    return cases


def _others(
    spec: ModelSpec, threads: int, names: Sequence[str], device: str = "cpu"
) -> list[Engine]:
    """Those of some engines that this machine and model can have."""
    engines = []
    for name in names:
        with suppress(MissingDependencyError, ModelError, WeightsError):
            engines.append(create_engine(spec, device, threads=threads, engine=name))
    return engines


def measure(
    cases: Sequence[Case], runs: int, between: Callable[[], object] = lambda: None
) -> list[Row]:
    """Time ``cases`` in turns, ``runs`` runs each, with ``between`` after each turn.

    Returns:
        In the same order: ENCODE_MS until the tokens are there (on a GPU, until the work is
        queued), TOTAL_MS until the numbers of all heads are, and PAIR_MS of that per image pair.
    """
    turns = []
    with stoppable(lambda: f"stopped, {len(turns)} of {TURNS} turns measured; nothing is written"):
        for _ in range(TURNS):
            turns.append([_time_turn(case, runs) for case in cases])
            between()
    rows = []
    for case, medians in zip(cases, zip(*turns, strict=True), strict=True):
        repeats = [
            {"ENCODE_MS": encode_ms, "TOTAL_MS": total_ms, "PAIR_MS": total_ms / case.batch}
            for encode_ms, total_ms in medians
        ]
        rows.append(Row.of(case.name, repeats))
    return rows


def with_speed_up(row: Row, baseline: Row) -> Row:
    """The same with SPEED_UP, how many times as fast as the baseline a pair is."""
    mine, theirs = row.quantities["PAIR_MS"], baseline.quantities["PAIR_MS"]
    times = Spread(theirs.median / mine.median, theirs.low / mine.high, theirs.high / mine.low)
    return Row(row.name, {**row.quantities, "SPEED_UP": times})


def _time_turn(case: Case, runs: int) -> tuple[float, float]:
    """Median milliseconds until the tokens, and until all heads' numbers, are there."""
    rng = np.random.default_rng(0)
    shape = (case.engine.frames + 1, case.batch, *case.engine.image_shape)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    count = WARM_UP_RUNS + runs
    if case.runner is None:
        samples = [_time_run(case, images) for _ in range(count)]
    else:
        samples = [_time_step(case, images, index) for index in range(count)]
    encode_ms, total_ms = zip(*samples[WARM_UP_RUNS:], strict=True)
    return statistics.median(encode_ms), statistics.median(total_ms)


def _time_run(case: Case, images: np.ndarray) -> tuple[float, float]:
    engine = case.engine
    started = time.perf_counter()
    tokens = engine.encode(*images)
    encoded = time.perf_counter()
    for index, head in enumerate(engine.heads):
        if index and case.encodes_per_head:
            tokens = engine.encode(*images)
        engine.run_head(head, *(images if head in READS_IMAGES else [tokens]))
    return 1e3 * (encoded - started), 1e3 * (time.perf_counter() - started)


def _time_step(case: Case, images: np.ndarray, index: int) -> tuple[float, float]:
    """The same for a streaming model: encoder, friction observer and heads, in one long contact."""
    interval_s = PAIR_OFFSETS_S[-1]
    names = [f"sensor {row}" for row in range(case.batch)]
    for name in names if index == 0 else ():
        case.runner.add_sensor(name, load_profile("digit"))
    stamp_ns = round((1 + index) * interval_s * 1e9)
    taken = np.zeros((case.batch, *IMAGE_SHAPE), np.uint8)
    started = time.perf_counter()
    # The older frame and the background were made small before.
    newest = np.stack([shrink(image) for image in taken])
    tokens = case.engine.encode(newest, *images[1:])
    encoded = time.perf_counter()
    steps = case.runner.step([(name, stamp_ns, interval_s) for name in names], tokens)
    for name, step in zip(names, steps, strict=True):
        case.runner.remember(name, step)
    return 1e3 * (encoded - started), 1e3 * (time.perf_counter() - started)
