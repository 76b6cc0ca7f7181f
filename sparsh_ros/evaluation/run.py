# SPDX-License-Identifier: Apache-2.0
"""Evaluation of a model on recordings, offline, by the same `Perception` as live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.errors import RecordingError, SparshError
from sparsh_ros.evaluation.evaluator import Evaluator, Source, StampClock
from sparsh_ros.evaluation.metrics_file import build_document
from sparsh_ros.evaluation.result import Result, Runtime, SensorResult
from sparsh_ros.jobs import Workers, run_jobs
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.recordings.bags import list_bags, open_bag
from sparsh_ros.recordings.formats.definitions import one_line

TASKS = ("force", "slip", "pose")

STOPPED = "left out, because of Ctrl-C"
"""Why a recording was skipped that was not done when somebody wanted to stop."""

Progress = Callable[[str, int, int], object]
"""Takes the name of a recording, and how many of its frames are done, of how many."""


def evaluate(
    paths: Iterable[Path],
    model: str | Path,
    source: Source | None = None,
    device: str = "auto",
    threads: int | None = None,
    weights_dir: Path | None = None,
    seed: int = 0,
    progress: Progress = lambda *_: None,
    engine: str = "float32",
    workers: Workers | None = None,
) -> Result:
    """Evaluate a model on recordings.

    A recording that gives nothing is skipped, with a sentence; one without labels has estimates
    and no scores. After Ctrl-C the result is of those recordings that were done by then, if any
    was. The same recordings, model, device and seed give the same scores.

    Args:
        paths: bags, or folders with bags.
        model: name of a model, or path of its description.
        source: which topics, files and type of sensor to take; None finds them.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads of the encoder; None takes one per core.
        weights_dir: folder of published weights, see `models.zoo.load_model_spec`.
        seed: of the bootstrap.
        progress: called after each frame.
        engine: One of `ENGINES`, see `engines.create_engine`.
        workers: who evaluates, None this process; the result is the same but for the times.

    Raises:
        RecordingError: no recording gives a valid estimate; the message says why.
        SparshError: the model cannot be used.
    """
    bags = named_bags(paths)
    if Path(model).is_file():
        model = Path(model).absolute()  # another process may have another folder to begin
    setup = _Setup(model, source or Source(), device, threads, weights_dir, engine)
    evaluator = _begin(setup)
    perception = evaluator.perception
    start_s = time.perf_counter()
    if workers in (None, Workers()):
        sensors, skipped = _run_all(evaluator, bags, progress)
        latency_ms = evaluator.latency_ms
    else:
        sensors, skipped, latency_ms = _run_elsewhere(setup, bags, progress, workers)
    wall_s = time.perf_counter() - start_s
    if reason := _why_nothing(sensors, skipped):
        raise RecordingError("; ".join([reason, *perception.heads.missing.values()]))
    runtime = Runtime(
        latency_ms=np.array(latency_ms, np.float32),
        wall_s=wall_s,
        engine=perception.engine.description,
    )
    model_facts = describe(perception.spec)
    result = Result(model_facts, tuple(sensors), runtime, skipped)
    return replace(result, metrics=build_document(result, seed))


@dataclass(frozen=True)
class _Setup:
    """What it takes to begin an evaluation; arguments as of `evaluate`."""

    model: str | Path
    source: Source
    device: str
    threads: int | None
    weights_dir: Path | None
    engine: str


def _begin(setup: _Setup) -> Evaluator:
    clock = StampClock()
    perception = Perception(
        *(setup.model, TASKS, setup.device, setup.threads),
        monotonic=clock,
        weights_dir=setup.weights_dir,
        engine=setup.engine,
    )
    return Evaluator(perception, clock, setup.source)


_begin_once = lru_cache(maxsize=1)(_begin)


def named_bags(paths: Iterable[Path]) -> dict[str, Path]:
    """Name -> bag, sorted: the last part of its path, or all of it where that is not unique.

    A path that holds no bag stands for itself, so that opening it says why.
    """
    found = sorted({bag for path in paths for bag in _bags_of(path)})
    names = [bag.name for bag in found]
    return {bag.name if names.count(bag.name) == 1 else str(bag): bag for bag in found}


def _bags_of(path: Path) -> list[Path]:
    try:
        return list_bags(path)
    except RecordingError:
        return [path]


def describe(spec: ModelSpec) -> dict[str, Any]:
    """What to know of a model to read its scores."""
    return {
        "name": spec.name,
        "licence": spec.licence,
        "heads": list(spec.heads),
        "interval_s": spec.interval_s,
        "slip_threshold": spec.slip_threshold,
        "pose_axes": list(spec.pose_axes),
        "pose_bin_edges_mm": list(spec.pose_bin_edges_mm),
        "pose_bin_edges_deg": list(spec.pose_bin_edges_deg),
    }


def _run_all(
    evaluator: Evaluator, bags: Mapping[str, Path], progress: Progress
) -> tuple[list[SensorResult], dict[str, str]]:
    sensors: list[SensorResult] = []
    skipped: dict[str, str] = {}
    for name, path in bags.items():
        try:
            with open_bag(path) as bag:
                sensors += evaluator.run(bag, name, partial(progress, name))
        except KeyboardInterrupt:
            if not sensors:
                raise
            return sensors, skipped | dict.fromkeys(list(bags)[list(bags).index(name) :], STOPPED)
        except SparshError as error:
            skipped[name] = str(error)
        except Exception as error:  # whatever it is, the other recordings are not to blame
            skipped[name] = f"{type(error).__name__}: {one_line(error)}"
    return sensors, skipped


def _run_elsewhere(
    setup: _Setup, bags: Mapping[str, Path], progress: Progress, workers: Workers
) -> tuple[list[SensorResult], dict[str, str], list[float]]:
    """The same in other processes, in the order of the bags whatever is done first."""
    names, done = list(bags), {}
    jobs = [(setup, name, path.absolute()) for name, path in bags.items()]
    try:
        for number, found in run_jobs(_evaluate_one, jobs, workers):
            done[names[number]] = found
            progress(names[number], len(done), len(names))
    except KeyboardInterrupt:
        if not done:
            raise
    sensors: list[SensorResult] = []
    skipped: dict[str, str] = {}
    latency_ms: list[float] = []
    for name in names:
        own, why, took = done.get(name, ([], STOPPED, []))
        sensors += own
        skipped |= {name: why} if why else {}
        latency_ms += took
    return sensors, skipped, latency_ms


def _evaluate_one(
    setup: _Setup, name: str, path: Path
) -> tuple[list[SensorResult], str, list[float]]:
    """What one recording gave, or why nothing; the process keeps its model for the next one."""
    evaluator = _begin_once(setup)
    before = len(evaluator.latency_ms)
    sensors, skipped = _run_all(evaluator, {name: path}, lambda *_: None)
    return sensors, skipped.get(name, ""), list(evaluator.latency_ms[before:])


def _why_nothing(sensors: list[SensorResult], skipped: Mapping[str, str]) -> str:
    """Why there is no estimate, in one sentence; empty if there is one."""
    if any(sensor.estimates.valid.any() for sensor in sensors):
        return ""
    reasons = [f"{name}: {reason}" for name, reason in skipped.items()]
    for sensor in sensors:
        reasons.append(f"{sensor.recording}, {sensor.sensor}: {_why_invalid(sensor)}")
    return f"no frame has an estimate; {'; '.join(reasons)}"


def _why_invalid(sensor: SensorResult) -> str:
    estimates = sensor.estimates
    numbers = np.bincount(estimates.reason[estimates.reason >= 0], minlength=1)
    reasons = [
        f"{reason} ({number} frames)"
        for reason, number in zip(estimates.reasons, numbers, strict=False)
    ]
    return "; ".join([*reasons, *sensor.notes])
