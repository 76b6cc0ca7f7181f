# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros maze`: the simulated bead maze.

sparsh-ros maze draw --seed 3 --out maze.mp4
sparsh-ros maze demonstrate --out demonstrations --count 50
sparsh-ros train policy --kind felt --data demonstrations --out felt.onnx
sparsh-ros maze bench felt.onnx --mazes 50 --out maze
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from sparsh_ros.bench.maze.closed_loop import LONGEST_S, RunResult, run_maze
from sparsh_ros.bench.maze.offline import piece_errors_mm
from sparsh_ros.bench.maze.summary import PAPER, summarise
from sparsh_ros.errors import ParameterError
from sparsh_ros.kinematics import HandDriver
from sparsh_ros.policies.demonstrations import FIRST_TEST_SEED, load_all, record_all
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.policies.reflexes import ReflexSettings
from sparsh_ros.progress import progress_bar
from sparsh_ros.reports.maze import write_report
from sparsh_ros.simulation.maze.drawing import FilmWriter, describe, draw_frame
from sparsh_ros.simulation.maze.expert import Expert, start_run
from sparsh_ros.simulation.maze.wire import draw_wire
from sparsh_ros.simulation.maze.world import MazeWorld

RESULTS_FILE, REPORT_FILE = "results.jsonl", "report.html"


def run(arguments: argparse.Namespace) -> int:
    """Run one of the steps."""
    cv2.setNumThreads(1)
    {"draw": _draw, "demonstrate": _demonstrate, "bench": _bench}[arguments.step](arguments)
    return 0


def reflexes_of(policy: Policy) -> ReflexSettings | None:
    """Reflexes belong to policies by what is felt, as far as they feel anything."""
    card = policy.card
    if card.kind != "felt" or card.without == "touch":
        return None
    return ReflexSettings(uses_slip=card.without != "slip")


def _draw(arguments: argparse.Namespace) -> None:
    if arguments.policy is None:
        picture = _film_expert(arguments.family, arguments.seed, arguments.out)
    else:
        policy = Policy(arguments.policy)
        _, picture = _film(policy, arguments.family, arguments.seed, TouchReader(), arguments.out)
    still = arguments.out.with_suffix(".png")
    cv2.imwrite(str(still), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    sys.stdout.write(f"{arguments.out} and {still}\n")


def _film_expert(family: str, seed: int, path: Path) -> np.ndarray:
    wire = draw_wire(family, seed)
    world = MazeWorld(wire, seed)
    expert = Expert(wire, world.rate_hz, np.random.default_rng((seed, 23)))
    driver, sample = HandDriver(world.start), start_run(world)
    with FilmWriter(path, world.rate_hz) as film:
        while not sample.finished and sample.time_s < LONGEST_S:
            command = expert.command(sample)
            sample = world.step(driver.move(command.twist), command.grip_n)
            picture = draw_frame(wire, sample, describe(wire, sample))
            film.add(picture)
    return picture


def _film(
    policy: Policy, family: str, seed: int, reader: TouchReader | None, path: Path
) -> tuple[RunResult, np.ndarray]:
    wire, pictures = draw_wire(family, seed), []
    with FilmWriter(path, policy.card.rate_hz) as film:

        def watch(sample, decision) -> None:
            words = [*describe(wire, sample), f"{decision.state}  {decision.reason}"]
            pictures[:] = [draw_frame(wire, sample, words)]
            film.add(pictures[0])

        result = run_maze(policy, family, seed, reader, reflexes_of(policy), watch)
    return result, pictures[0]


def _demonstrate(arguments: argparse.Namespace) -> None:
    with progress_bar("Demonstrations", arguments.count) as bar:
        for _ in record_all(
            arguments.out, arguments.count, arguments.family, arguments.disturbance
        ):
            bar.advance()


def _bench(arguments: argparse.Namespace) -> None:
    if arguments.seed < FIRST_TEST_SEED:
        raise ParameterError(
            f"maze bench: wanted a seed from {FIRST_TEST_SEED} on, found {arguments.seed}; those "
            "below are for demonstrations"
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, failures, films = {}, [], {}
    for path in arguments.policies:
        results = _results(arguments, path)
        name = path.stem + (" with truth" if arguments.truth else "")
        rows[name] = summarise(results)
        if arguments.recorded is not None:
            errors = piece_errors_mm(Policy(path), load_all(arguments.recorded))
            rows[name]["error_mm"] = float(np.mean(errors))
        failures += [(name, f"{r.family} {r.seed}", r.failure) for r in results if not r.finished]
        films[name] = f"{path.stem}.mp4"
    (arguments.out / "summary.json").write_text(json.dumps(rows, indent=2) + "\n")
    facts = {
        "command": " ".join(["sparsh-ros", *sys.argv[1:]]),
        "mazes": f"{arguments.family}, seeds from {arguments.seed} on",
        "machine": platform.platform(),
    }
    write_report(arguments.out / REPORT_FILE, rows, PAPER, failures, films, facts)
    _show(rows)


def _results(arguments: argparse.Namespace, path: Path) -> list[RunResult]:
    """Runs of one policy; those that are in the folder already are not made again."""
    policy, file = Policy(path), arguments.out / f"{path.stem}.{RESULTS_FILE}"
    lines = file.read_text().splitlines() if file.exists() else []
    done = {result.seed: result for result in (RunResult(**json.loads(line)) for line in lines)}
    seeds = range(arguments.seed, arguments.seed + arguments.mazes)
    reader = None if arguments.truth else TouchReader()
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(path.stem, len(seeds)))
        log = stack.enter_context(file.open("a"))
        for seed in seeds:
            if seed not in done:
                film = arguments.out / f"{path.stem}.mp4" if seed == seeds[0] else None
                done[seed] = _one(policy, arguments.family, seed, reader, film)
                log.write(json.dumps(asdict(done[seed])) + "\n")
                log.flush()
            bar.advance()
    return [done[seed] for seed in seeds]


def _one(
    policy: Policy, family: str, seed: int, reader: TouchReader | None, film: Path | None
) -> RunResult:
    if film is not None:
        return _film(policy, family, seed, reader, film)[0]
    return run_maze(policy, family, seed, reader, reflexes_of(policy))


def _show(rows: dict[str, dict[str, float]]) -> None:
    columns: Sequence[str] = list(next(iter(rows.values())))
    table = Table("policy", *columns)
    for name, values in rows.items():
        table.add_row(name, *(f"{values[column]:.3g}" for column in columns))
    Console().print(table)
