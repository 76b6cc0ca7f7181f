# SPDX-License-Identifier: Apache-2.0
"""What metrics.json holds: scores over all recordings, with intervals and baselines.

An interval is the middle 95 % of what the score becomes when the recordings are drawn again, as
many and with replacement, from those that have labels for it (percentile bootstrap, seeded). The
frames of one recording depend on each other, so they are never drawn one by one. One recording
gives no interval.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation import events, metrics
from sparsh_ros.evaluation.baselines import BASELINES, apply_baseline
from sparsh_ros.evaluation.metrics import Floats, Sums, Values
from sparsh_ros.evaluation.result import Result, Runtime, SensorResult
from sparsh_ros.evaluation.scores import (
    COUNTS,
    TASKS,
    accumulate_tasks,
    add_up,
    compute_scores,
    slip_samples,
)

SCHEMA = 3
REPLICATES = 1000
SWEEP = np.arange(1, 100) / 100
"""Thresholds at which precision, recall and F1 of slip are listed."""

_DIGITS = 6

_Recording = list[tuple[SensorResult, Sums]]
"""The sensors of a recording that have labels for a task, and the sums of that task."""


def build_document(result: Result, seed: int) -> dict[str, Any]:
    """What metrics.json holds of an evaluation; all but "runtime" is the same in every run.

    Returns:
        schema; model; settings; recordings: for each sensor its scores, and the sums behind them;
        skipped; scores: task -> score -> value, low, high, baselines (name -> value);
        threshold_sweep; runtime.
    """
    sums = [accumulate_tasks(sensor) for sensor in result.sensors]
    pairs = list(zip(result.sensors, sums, strict=True))
    by_task = {task: _recordings_with(pairs, task) for task in TASKS}
    scores = {task: _scored(task, found, seed) for task, found in by_task.items() if found}
    if "slip" in scores:
        scores["slip"]["threshold"] = _constant(result.model["slip_threshold"])
        scores["slip"]["published_threshold"] = _constant(events.PUBLISHED_THRESHOLD)
    return {
        "schema": SCHEMA,
        "model": dict(result.model),
        "settings": {"seed": seed, "replicates": REPLICATES, "interval": 0.95},
        "recordings": [_entry(*pair) for pair in pairs],
        "skipped": dict(result.skipped),
        "scores": scores,
        "threshold_sweep": _sweep(by_task["slip"]),
        "runtime": _runtime(result.runtime),
    }


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics.json.

    Raises:
        RecordingError: it cannot be read, or is of another schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"metrics {path}: cannot be read ({error})") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise RecordingError(
            f"metrics {path}: wanted schema {SCHEMA}, found {schema}; evaluate again with this "
            "version of sparsh-ros"
        )
    return content


def draw_recordings(count: int, seed: int) -> NDArray[np.int64]:
    """How often each of `count` recordings is drawn, (REPLICATES, count)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=REPLICATES)


def replicate_scores(task: str, parts: Sequence[Sums], draws: NDArray[np.int64]) -> Values:
    """Scores of each replicate, from the sums of each recording.

    Args:
        task: Name of the task.
        parts: Sums of R recordings.
        draws: (B, R) how often each replicate draws each recording.
    """
    stacked = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    # Not by BLAS, whose order of adding may depend on the number of threads.
    drawn = {key: np.einsum("br,r...->b...", draws, value) for key, value in stacked.items()}
    return compute_scores(task, drawn)


def confidence_interval(values: Floats) -> tuple[float | None, float | None]:
    """The middle 95 % of replicates; None where most of them lack the score."""
    values = values[np.isfinite(values)]
    if 2 * len(values) <= REPLICATES:
        return None, None
    low, high = np.percentile(values, (2.5, 97.5))
    return rounded(low), rounded(high)


def rounded(value: float) -> float | int | None:
    """A number as it is written: six digits, None where it is not known."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{_DIGITS}g}")


def _recordings_with(
    pairs: Sequence[tuple[SensorResult, Mapping[str, Sums]]], task: str
) -> list[_Recording]:
    """The sensors with labels for a task, and their sums, by recording."""
    found = [(sensor, sums[task]) for sensor, sums in pairs if task in sums]
    return [list(group) for _, group in groupby(found, key=lambda pair: pair[0].recording)]


def _scored(task: str, recordings: Sequence[_Recording], seed: int) -> dict[str, Any]:
    """Scores over all recordings with a task's labels."""
    parts = [add_up([sums for _, sums in group]) for group in recordings]
    draws = draw_recordings(len(parts), seed)
    values, drawn = compute_scores(task, add_up(parts)), replicate_scores(task, parts, draws)
    if task == "slip":
        for key, score in _slip_rankings(recordings).items():
            values[key] = score(np.ones(len(parts), np.int64))
            drawn[key] = (
                np.array([score(draw) for draw in draws]) if len(parts) > 1 else values[key]
            )
    baselines = _baseline_values(task, recordings)
    scores = {}
    for key, value in values.items():
        has_interval = len(parts) > 1 and key not in COUNTS
        low, high = confidence_interval(drawn[key]) if has_interval else (None, None)
        beside = {name: rounded(found[key]) for name, found in baselines.items() if key in found}
        scores[key] = {"value": rounded(value), "low": low, "high": high, "baselines": beside}
    return scores


def _baseline_values(task: str, recordings: Sequence[_Recording]) -> dict[str, dict[str, float]]:
    """Baseline -> its scores, of those that it says something about."""
    sensors = [sensor for group in recordings for sensor, _ in group]
    found = {}
    for name, baseline in BASELINES[task].items():
        replaced = apply_baseline(baseline, sensors)
        if replaced is None:
            continue
        pairs = [(sensor, accumulate_tasks(sensor)) for sensor in replaced]
        groups = _recordings_with(pairs, task)
        values = dict(compute_scores(task, add_up([sums[task] for _, sums in pairs])))
        if task == "slip":
            once = np.ones(len(groups), np.int64)
            values |= {key: score(once) for key, score in _slip_rankings(groups).items()}
        found[name] = {
            key: float(value)
            for key, value in values.items()
            if key.startswith(baseline.scores) and math.isfinite(value)
        }
    return found


def _slip_rankings(
    recordings: Sequence[_Recording],
) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    """Scores that are no ratio of sums: by how often each recording counts."""
    delays = [
        (slip_samples(sensor)[2], index)
        for index, group in enumerate(recordings)
        for sensor, _ in group
    ]
    delay = np.concatenate([values for values, _ in delays])
    owner = np.concatenate([np.full(len(values), index) for values, index in delays])

    def median(draw: NDArray[np.int64]) -> float:
        drawn = np.repeat(delay, draw[owner])
        return float(np.median(drawn)) if len(drawn) else np.nan

    return {
        "average_precision": _precision(recordings, moving=False),
        "moving_average_precision": _precision(recordings, moving=True),
        "delay_median_ms": median,
    }


def _precision(
    recordings: Sequence[_Recording], moving: bool
) -> Callable[[NDArray[np.int64]], float]:
    """Average precision by how often each recording counts."""
    parts = [
        (*slip_samples(sensor, moving)[:2], index)
        for index, group in enumerate(recordings)
        for sensor, _ in group
    ]
    score, truth = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    owner = np.concatenate([np.full(len(values), index) for values, _, index in parts])
    order = np.argsort(-score, kind="stable")  # sorting what is sorted already is quick
    score, truth, owner = score[order], truth[order], owner[order]

    def precision(draw: NDArray[np.int64]) -> float:
        return metrics.average_precision(score, truth, draw[owner]) if len(score) else np.nan

    return precision


def _sweep(recordings: Sequence[_Recording]) -> dict[str, list[float | int | None]]:
    """Precision, recall and F1 of slip at each threshold of `SWEEP`."""
    columns = [slip_samples(sensor) for group in recordings for sensor, _ in group]
    columns = [column for column in columns if len(column[0])]
    if not columns:
        return {}
    score, truth = (np.concatenate(parts) for parts in list(zip(*columns, strict=True))[:2])
    found = [metrics.compute_slip(metrics.accumulate_slip(score >= at, truth)) for at in SWEEP]
    names = ("precision", "recall", "f1")
    lists = {name: [rounded(values[name]) for values in found] for name in names}
    return {"threshold": [rounded(at) for at in SWEEP], **lists}


def _entry(sensor: SensorResult, sums: Mapping[str, Sums]) -> dict[str, Any]:
    return {
        "name": sensor.recording,
        "sensor": sensor.sensor,
        "sensor_type": sensor.sensor_type,
        "sensor_type_source": sensor.sensor_type_source,
        "background": sensor.background,
        "label_topics": dict(sensor.label_topics),
        "frames": dict(sensor.frames),
        "unaligned": {task: dict(reasons) for task, reasons in sensor.unaligned.items()},
        "notes": list(sensor.notes),
        "scores": {
            task: {key: rounded(value) for key, value in compute_scores(task, found).items()}
            for task, found in sums.items()
        },
        "sums": {
            task: {key: value.tolist() for key, value in found.items()}
            for task, found in sums.items()
        },
    }


def _runtime(runtime: Runtime) -> dict[str, Any]:
    latency = runtime.latency_ms
    return {
        "frames": len(latency),
        "wall_s": rounded(runtime.wall_s),
        "frames_per_second": rounded(runtime.frames_per_second),
        "latency_ms": {f"p{at}": rounded(np.percentile(latency, at)) for at in (50, 90, 99)},
        "engine": runtime.engine,
    }


def _constant(value: float) -> dict[str, Any]:
    return {"value": rounded(value), "low": None, "high": None, "baselines": {}}
