# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench bead-maze`: policies on mazes that none of them has seen.

sparsh-ros bench bead-maze felt.onnx chunks.onnx --mazes 50 --recorded held-out --out maze
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from sparsh_ros.bench.maze.closed_loop import RunResult, run_expert, run_maze
from sparsh_ros.bench.maze.offline import piece_errors_mm
from sparsh_ros.bench.maze.summary import PAPER, summarise
from sparsh_ros.commands.maze.films import film_policy
from sparsh_ros.errors import ParameterError
from sparsh_ros.policies.demonstrations import FIRST_TEST_SEED, load_all
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.policies.reflexes import reflexes_for
from sparsh_ros.progress import progress_bar
from sparsh_ros.reports.maze import write_report

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
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, failures, films = {}, [], {}
    if arguments.expert:
        rows["expert"] = summarise(_expert_results(arguments))
    for path in arguments.policies:
        name = path.stem + "-truth" * arguments.truth + "-no-reflexes" * arguments.no_reflexes
        results = _results(arguments, path, name)
        rows[name] = summarise(results)
        if arguments.recorded is not None:
            errors = piece_errors_mm(Policy(path), load_all(arguments.recorded))
            rows[name]["error_mm"] = float(np.mean(errors))
        failures += [(name, f"{r.family} {r.seed}", r.failure) for r in results if not r.finished]
        films[name] = f"{name}.webm"
    (arguments.out / SUMMARY_FILE).write_text(json.dumps(rows, indent=2) + "\n")
    facts = {
        "command": " ".join(["sparsh-ros", *sys.argv[1:]]),
        "mazes": f"{arguments.family}, seeds from {arguments.seed} on",
        "machine": platform.platform(),
    }
    write_report(arguments.out / REPORT_FILE, rows, PAPER, failures, films, facts)
    _show(rows)
    return 0


def _results(arguments: argparse.Namespace, path: Path, name: str) -> list[RunResult]:
    policy, reader = Policy(path), None if arguments.truth else TouchReader()
    film = arguments.out / f"{name}.webm"

    with_reflexes, lag = not arguments.no_reflexes, arguments.lag
    settings = reflexes_for(policy.card) if with_reflexes else None

    def run_one(seed: int) -> RunResult:
        family = arguments.family
        if seed == arguments.seed:
            return film_policy(policy, family, seed, reader, film, with_reflexes, lag)[0]
        return run_maze(policy, family, seed, reader, settings, lag=lag)

    return _run_all(arguments, name, run_one)


def _expert_results(arguments: argparse.Namespace) -> list[RunResult]:
    return _run_all(arguments, "expert", lambda seed: run_expert(arguments.family, seed))


def _run_all(
    arguments: argparse.Namespace, name: str, run_one: Callable[[int], RunResult]
) -> list[RunResult]:
    """A run of each maze; those that are in the folder already are not made again."""
    file = arguments.out / f"{name}.{RESULTS_FILE}"
    lines = file.read_text().splitlines() if file.exists() else []
    done = {result.seed: result for result in (RunResult(**json.loads(line)) for line in lines)}
    seeds = range(arguments.seed, arguments.seed + arguments.mazes)
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(name, len(seeds)))
        log = stack.enter_context(file.open("a"))
        for seed in seeds:
            if seed not in done:
                done[seed] = run_one(seed)
                log.write(json.dumps(asdict(done[seed])) + "\n")
                log.flush()
            bar.advance()
    return [done[seed] for seed in seeds]


def _show(rows: dict[str, dict[str, float]]) -> None:
    table = Table("", *rows)
    for key in next(iter(rows.values())):
        table.add_row(key, *(f"{values[key]:.3g}" for values in rows.values()))
    Console().print(table)
