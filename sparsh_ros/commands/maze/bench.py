# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench bead-maze`: policies on mazes that none of them has seen.

sparsh-ros bench bead-maze felt.onnx chunks.onnx --mazes 50 --recorded held-out --out maze
sparsh-ros bench bead-maze policies/felt policies/chunks --mazes 50 --out maze  # seeds in a folder
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from sparsh_ros.bench.maze.closed_loop import RunResult, run_expert, run_maze
from sparsh_ros.bench.maze.offline import piece_errors_mm
from sparsh_ros.bench.maze.summary import PAPER, Difference, Runs, compare, summarise
from sparsh_ros.commands.maze.films import film_policy
from sparsh_ros.errors import ParameterError
from sparsh_ros.policies.demonstrations import FIRST_TEST_SEED, load_all
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.policies.reflexes import reflexes_for
from sparsh_ros.progress import progress_bar
from sparsh_ros.reports.maze import DIFFERENCE_HEAD, write_report

RESULTS_FILE, SUMMARY_FILE, REPORT_FILE = "results.jsonl", "summary.json", "report.html"


def run(arguments: argparse.Namespace) -> int:
    """Run all policies; those runs that are in the folder already are kept."""
    cv2.setNumThreads(1)
    if arguments.seed < FIRST_TEST_SEED:
        raise ParameterError(
            f"bead maze: wanted a seed from {FIRST_TEST_SEED} on, found {arguments.seed}; those "
            "below are for demonstrations"
        )
    if not arguments.policies and not arguments.expert:
        raise ParameterError("bead maze: wanted policies, or --expert, found none")
    ending = "-truth" * arguments.truth + "-no-reflexes" * arguments.no_reflexes
    entries = _entries(arguments.policies, ending)
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs, errors, films = {}, {}, {}
    if arguments.expert:
        runs["expert"] = [_expert_results(arguments)]
    for entry in entries:
        runs[entry.name] = [_results(arguments, entry, name) for name in entry.files]
        if arguments.recorded is not None:
            recorded = load_all(arguments.recorded)
            parts = [piece_errors_mm(Policy(path), recorded) for path in entry.files.values()]
            errors[entry.name] = {"error_mm": float(np.mean(parts))}
        films[entry.name] = f"{next(iter(entry.files))}.webm"
    rows = {name: summarise(own) | errors.get(name, {}) for name, own in runs.items()}
    first, *others = runs
    differences = {name: compare(runs[first], runs[name]) for name in others}
    _write(arguments, rows, first, differences, runs, films)
    _show(rows, first, differences)
    return 0


class Entry(NamedTuple):
    """One row: its name, and the policies in it by the names of their results."""

    name: str
    files: dict[str, Path]


def _entries(paths: Sequence[Path], ending: str) -> list[Entry]:
    """A row for each file, and one for each folder, whose policies differ by a seed."""
    entries = []
    for path in paths:
        files = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
        if not files:
            raise ParameterError(f"{path}: wanted a policy or a folder of some, found none in it")
        first = f"{path.name}-" if path.is_dir() else ""
        named = {f"{first}{file.stem}{ending}": file for file in files}
        entries.append(Entry((path.name if first else path.stem) + ending, named))
    names = [name for entry in entries for name in {entry.name, *entry.files}]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ParameterError(
            f"bead maze: wanted policies of different names, found {', '.join(sorted(twice))} twice"
        )
    return entries


def _results(arguments: argparse.Namespace, entry: Entry, name: str) -> list[RunResult]:
    path = entry.files[name]
    policy, reader = Policy(path), None if arguments.truth else TouchReader()
    film = arguments.out / f"{name}.webm"
    is_filmed = name == next(iter(entry.files))
    with_reflexes, lag = not arguments.no_reflexes, arguments.lag
    settings = reflexes_for(policy.card) if with_reflexes else None

    def run_one(seed: int) -> RunResult:
        family = arguments.family
        if is_filmed and seed == arguments.seed:
            return film_policy(policy, family, seed, reader, film, with_reflexes, lag)[0]
        return run_maze(policy, family, seed, reader, settings, lag=lag)

    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return _run_all(arguments, name, run_one, {"policy": digest, "lag": lag})


def _expert_results(arguments: argparse.Namespace) -> list[RunResult]:
    return _run_all(arguments, "expert", lambda seed: run_expert(arguments.family, seed), {})


def _run_all(
    arguments: argparse.Namespace,
    name: str,
    run_one: Callable[[int], RunResult],
    made_with: Mapping[str, str | int],
) -> list[RunResult]:
    """A run of each maze; those that are in the folder already, of the same family and made with
    the same, are not made again."""
    file = arguments.out / f"{name}.{RESULTS_FILE}"
    wanted = {"family": arguments.family, **made_with}
    lines = file.read_text().splitlines() if file.exists() else []
    done = {}
    for values in map(json.loads, lines):
        if all(values.get(key) == value for key, value in wanted.items()):
            own = {key: value for key, value in values.items() if key not in made_with}
            done[values["seed"]] = RunResult(**own)
    seeds = range(arguments.seed, arguments.seed + arguments.mazes)
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(name, len(seeds)))
        log = stack.enter_context(file.open("a"))
        for seed in seeds:
            if seed not in done:
                done[seed] = run_one(seed)
                log.write(json.dumps(asdict(done[seed]) | dict(made_with)) + "\n")
                log.flush()
            bar.advance()
    return [done[seed] for seed in seeds]


def _write(
    arguments: argparse.Namespace,
    rows: dict[str, dict[str, float]],
    first: str,
    differences: dict[str, list[Difference]],
    runs: dict[str, Runs],
    films: dict[str, str],
) -> None:
    plain = {name: [one._asdict() for one in own] for name, own in differences.items()}
    summary = {"rows": rows, "first": first, "less": plain}
    (arguments.out / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n")
    failures = [
        (name, f"{result.family} {result.seed}", result.failure)
        for name, own in runs.items()
        for result in (result for one in own for result in one)
        if not result.finished
    ]
    facts = {
        "command": " ".join(["sparsh-ros", *sys.argv[1:]]),
        "mazes": f"{arguments.family}, seeds from {arguments.seed} on",
        "machine": platform.platform(),
    }
    page = arguments.out / REPORT_FILE
    write_report(page, rows, _cells(differences), PAPER, failures, films, facts)


def _show(
    rows: dict[str, dict[str, float]], first: str, differences: dict[str, list[Difference]]
) -> None:
    console = Console()
    table = Table("", *rows)
    for key in next(iter(rows.values())):
        table.add_row(key, *(f"{values[key]:.3g}" for values in rows.values()))
    console.print(table)
    if not differences:
        return
    table = Table(*DIFFERENCE_HEAD, title=f"{first} less the others, on the same mazes")
    for cells in _cells(differences):
        table.add_row(*cells)
    console.print(table)


def _cells(differences: dict[str, list[Difference]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            one.figure,
            str(one.mazes),
            f"{one.mean:+.2f}",
            f"{one.low:+.2f} to {one.high:+.2f}",
            str(one.more),
            str(one.less),
            f"{one.p:.2g}",
        )
        for name, own in differences.items()
        for one in own
    ]
