# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros evaluate`: how good is a model on recordings, and is another one better?

    sparsh-ros evaluate BAG... --model NAME --out FOLDER
    sparsh-ros evaluate --compare A/metrics.json B/metrics.json

The first writes `metrics.json`, scores apart from runtime, `report.html`, and the estimates
themselves as CSV and MCAP files, also of recordings without labels.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sparsh_ros.errors import ParameterError, RecordingError, printable
from sparsh_ros.evaluation.compare import compare, difference_table
from sparsh_ros.evaluation.evaluator import Source
from sparsh_ros.evaluation.metrics_file import read_metrics
from sparsh_ros.evaluation.result import Result
from sparsh_ros.evaluation.run import STOPPED, evaluate, named_bags
from sparsh_ros.evaluation.summary import remarks, score_table
from sparsh_ros.jobs import Workers
from sparsh_ros.progress import progress_bar
from sparsh_ros.reports.estimates import write_estimates
from sparsh_ros.reports.evaluation.report import write_report
from sparsh_ros.reports.evaluation.worst_frames import with_worst_frames

METRICS_FILE, REPORT_FILE, ESTIMATES_FOLDER = "metrics.json", "report.html", "estimates"


def run(arguments: argparse.Namespace) -> int:
    """Run `sparsh-ros evaluate`; the exit code is 1 if a recording gave nothing, which is named.

    Raises:
        RecordingError: No recording gave anything.
    """
    console = Console(highlight=False)
    if arguments.compare:
        _compare(arguments.compare, console)
        return 0
    if not arguments.bags:
        raise ParameterError("evaluate: wanted bags, found none; name them before the options")
    if arguments.seed < 0:
        raise ParameterError(f"--seed: wanted 0 or more, found {arguments.seed}")
    _refuse_unwritable(arguments.out)
    bags = named_bags(arguments.bags)
    result = _evaluate(arguments, len(bags))
    console.print(score_table(result.metrics))
    for line in remarks(result):
        console.print(escape(printable(line)), soft_wrap=True)
    _write(with_worst_frames(result, bags), arguments.out)
    console.print(f"Written to {escape(str(arguments.out))}", soft_wrap=True)
    left = sum(reason == STOPPED for reason in result.skipped.values())
    if left:
        raise KeyboardInterrupt(
            f"stopped, {len(bags) - left} of {len(bags)} evaluated; the report is of these"
        )
    return int(bool(result.skipped))


def _compare(paths: list[Path], console: Console) -> None:
    found = [read_metrics(path) for path in paths]
    console.print(difference_table(compare(*found)))
    for letter, path, metrics in zip("AB", paths, found, strict=True):
        console.print(f"{letter}: {metrics['model']['name']}, {escape(str(path))}", soft_wrap=True)


def _evaluate(arguments: argparse.Namespace, count: int) -> Result:
    topics = (
        tuple(getattr(arguments, f"{name}_topics")) for name in ("image", "force", "slip", "pose")
    )
    source = Source(*topics, tuple(arguments.background), arguments.sensor, arguments.calibration)
    begun = set()
    with progress_bar("Loading the model") as bar:

        def progress(name: str, done: int, total: int) -> None:
            begun.add(name)
            title = f"{name} ({len(begun)} of {count})"
            bar.update(done, title=title, total=max(total, done))

        return evaluate(
            arguments.bags,
            arguments.model,
            source,
            arguments.device,
            arguments.threads,
            arguments.weights_dir,
            arguments.seed,
            progress,
            arguments.engine,
            Workers(arguments.workers, arguments.scheduler),
        )


def _refuse_unwritable(folder: Path) -> None:
    """Before the work, not after it."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ParameterError(f"--out {folder}: wanted a folder that can be written to, found none")


def _write(result: Result, folder: Path) -> None:
    text = json.dumps(result.metrics, indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / METRICS_FILE).write_text(text + "\n", encoding="utf-8")
        write_report(result, folder / REPORT_FILE)
        for sensor in result.sensors:
            write_estimates(sensor, folder / ESTIMATES_FOLDER)
    except OSError as error:
        raise RecordingError(f"{folder}: cannot be written to ({error.strerror})") from error
