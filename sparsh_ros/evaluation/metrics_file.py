# SPDX-License-Identifier: Apache-2.0
"""What metrics.json holds of an evaluation, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.errors import RecordingError
from sparsh_ros.evaluation import events, metrics
from sparsh_ros.evaluation.metrics import Sums
from sparsh_ros.evaluation.result import Result, Runtime, SensorResult
from sparsh_ros.evaluation.scores import (
    REPLICATES,
    RecordingSums,
    accumulate_tasks,
    compute_scores,
    rounded,
    score_recordings,
    slip_samples,
)

SCHEMA = 1
SWEEP = np.arange(1, 100) / 100
"""Thresholds at which precision, recall and F1 of slip are listed."""


def build_document(result: Result, seed: int) -> dict[str, Any]:
    """What metrics.json holds of an evaluation; all but "runtime" is the same in every run.

    Returns:
        schema; model; settings; recordings: for each sensor its scores, and the sums behind them;
        skipped; scores: task -> score -> value, low, high; threshold_sweep; runtime.
    """
    sums = [accumulate_tasks(sensor) for sensor in result.sensors]
    pairs = list(zip(result.sensors, sums, strict=True))
    by_task = {task: _recordings_with(pairs, task) for task in ("force", "slip", "pose")}
    scores = {task: score_recordings(task, found, seed) for task, found in by_task.items() if found}
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
    except (OSError, ValueError) as error:
        raise RecordingError(f"metrics {path}: cannot be read ({error})") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise RecordingError(
            f"metrics {path}: wanted schema {SCHEMA}, found {schema}; evaluate again with this "
            "version of sparsh-ros"
        )
    return content


def _recordings_with(
    pairs: Sequence[tuple[SensorResult, Mapping[str, Sums]]], task: str
) -> list[RecordingSums]:
    """The sensors with labels for a task, and their sums, by recording."""
    found = [(sensor, sums[task]) for sensor, sums in pairs if task in sums]
    return [list(group) for _, group in groupby(found, key=lambda pair: pair[0].recording)]


def _sweep(recordings: Sequence[RecordingSums]) -> dict[str, list[float | int | None]]:
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
        "kind": sensor.sensor_type,
        "kind_source": sensor.sensor_type_source,
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
    return {"value": rounded(value), "low": None, "high": None}
