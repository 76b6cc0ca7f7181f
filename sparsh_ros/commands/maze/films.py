# SPDX-License-Identifier: Apache-2.0
"""Films of runs in the bead maze."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparsh_ros.bench.maze.closed_loop import LAG, LONGEST_S, RunResult, run_maze
from sparsh_ros.kinematics import HandDriver
from sparsh_ros.policies.controller import Decision
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import TouchReader
from sparsh_ros.policies.reflexes import reflexes_for
from sparsh_ros.simulation.maze.drawing import FilmWriter, describe, draw_frame
from sparsh_ros.simulation.maze.expert import Expert, start_run
from sparsh_ros.simulation.maze.wire import draw_wire
from sparsh_ros.simulation.maze.world import MazeSample, MazeWorld


def film_expert(family: str, seed: int, path: Path) -> np.ndarray:
    """Film the demonstrator; the last picture, (H, W, 3) uint8 RGB."""
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


def film_policy(
    policy: Policy,
    family: str,
    seed: int,
    reader: TouchReader | None,
    path: Path,
    with_reflexes: bool = True,
    lag: int = LAG,
) -> tuple[RunResult, np.ndarray]:
    """Film a policy; what became of the run, and the last picture."""
    settings = reflexes_for(policy.card) if with_reflexes else None
    wire, pictures = draw_wire(family, seed), []
    with FilmWriter(path, policy.card.rate_hz) as film:

        def watch(sample: MazeSample, decision: Decision) -> None:
            words = [*describe(wire, sample), f"{decision.state}  {decision.reason}"]
            pictures[:] = [draw_frame(wire, sample, words)]
            film.add(pictures[0])

        result = run_maze(policy, family, seed, reader, settings, watch, lag)
    return result, pictures[0]
