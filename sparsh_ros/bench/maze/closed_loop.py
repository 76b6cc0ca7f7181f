# SPDX-License-Identifier: Apache-2.0
"""A policy in a simulated maze, through the real model, until it is done or fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sparsh_ros.kinematics import HandDriver
from sparsh_ros.policies import reflexes
from sparsh_ros.policies.controller import Decision, MazeController
from sparsh_ros.policies.policy import Policy
from sparsh_ros.policies.reading import FIRST_NS, TouchReader, TruthReader
from sparsh_ros.policies.reflexes import ReflexSettings
from sparsh_ros.policies.safety import Safety
from sparsh_ros.policies.touch import Touch
from sparsh_ros.simulation.maze.expert import Expert, start_run
from sparsh_ros.simulation.maze.wire import draw_wire
from sparsh_ros.simulation.maze.world import MazeSample, MazeWorld

LONGEST_S = 60.0
LAG = 1
"""Periods by which touch is late when it is acted upon: 83 ms, more than over ROS."""
_GIVEN_UP_S = 1.0  # without reflexes nothing brings a lost bead back
_NO_PROGRESS_S, _PROGRESS_M = 10.0, 2e-3

Watcher = Callable[[MazeSample, Decision], None]


@dataclass(frozen=True)
class RunResult:
    """What became of one maze.

    Attributes:
        family, seed: of the maze.
        finished: the bead came to the end.
        failure: what ended the run otherwise, in words.
        distance_m: way of the bead along the wire.
        length_m: of the wire.
        time_s: simulated.
        grip_losses: how often the bead was lost though the gripper was closed.
        recoveries: how often it was held again after that.
        regrasps: how often the reflexes let go.
        peak_force_n: of the hand on the bead.
        highest_grip_n: of the gripper.
        control_ms: median time of a decision, on this machine.
    """

    family: str
    seed: int
    finished: bool
    failure: str
    distance_m: float
    length_m: float
    time_s: float
    grip_losses: int
    recoveries: int
    regrasps: int
    peak_force_n: float
    highest_grip_n: float
    control_ms: float


def run_maze(
    policy: Policy,
    family: str,
    seed: int,
    reader: TouchReader | None,
    reflex_settings: ReflexSettings | None,
    watch: Watcher = lambda _sample, _decision: None,
    lag: int = LAG,
) -> RunResult:
    """Let a policy do a maze.

    Args:
        policy: to try.
        family: of the wire.
        seed: of wire and hand.
        reader: what feels; None takes the truth in place of estimates.
        reflex_settings: of the reflexes; None for none.
        watch: called after each step.
        lag: periods by which touch is late.
    """
    wire = draw_wire(family, seed)
    world = MazeWorld(wire, seed, policy.card.rate_hz)
    backgrounds = world.backgrounds()
    if reader is not None:
        reader.begin(backgrounds)
    truth = TruthReader()
    controller = MazeController(policy, world.start, reflex_settings, seed)
    log = _Log(reflex_settings is not None)
    safety = Safety()
    sample = start_run(world)
    decision = None
    felt: deque[tuple[Touch, Touch]] = deque(maxlen=1 + lag)
    while not (sample.finished or log.failure(sample, decision)):
        if reader is None:
            felt.append(truth.read(sample.time_s, sample.touches))
        else:
            images = sample.touches[0].image, sample.touches[1].image
            felt.append(reader.read(sample.time_s, images))
        touches = felt[0]
        now_s = FIRST_NS * 1e-9 + sample.time_s
        # The first image has no partner yet: the hand waits, as it does after any invalid one.
        trouble = safety.check_touch(now_s, touches)
        began = time.perf_counter()
        if trouble:
            joints, grip_n = controller.hold(), controller.grip_n
        else:
            decision = controller.update(now_s, sample.joints, touches)
            joints, grip_n = decision.joints[0], decision.grip_n
        log.add(sample, time.perf_counter() - began)
        sample = world.step(joints, grip_n)
        if decision is not None:
            watch(sample, decision)
    regrasps = 0 if controller.reflexes is None else controller.reflexes.regrasps
    return log.result(family, seed, sample, decision, wire.length_m, regrasps)


def run_expert(family: str, seed: int) -> RunResult:
    """Let the demonstrator do a maze, who sees the wire; undisturbed."""
    wire = draw_wire(family, seed)
    world = MazeWorld(wire, seed)
    expert = Expert(wire, world.rate_hz, np.random.default_rng((seed, 23)))
    driver, log = HandDriver(world.start), _Log(True)
    sample = start_run(world)
    while not (sample.finished or log.failure(sample, None)):
        command = expert.command(sample)
        log.add(sample, 0.0)
        sample = world.step(driver.move(command.twist), command.grip_n)
    return log.result(family, seed, sample, None, wire.length_m, expert.regrasps)


class _Log:
    """What happened so far, and whether it has come to an end."""

    def __init__(self, recovers: bool) -> None:
        self._recovers = recovers
        self._held = self._was_held = False
        self._held_s = self._progress_s = self._best_m = 0.0
        self._losses = self._recoveries = 0
        self._is_lost = False
        self._peak_n = self._grip_n = 0.0
        self._times: list[float] = []

    def add(self, sample: MazeSample, seconds: float) -> None:
        self._times.append(seconds)
        if self._held and not sample.held and sample.grip_n > 1.0:
            self._losses += 1
            self._is_lost = True
        if sample.held:
            self._held_s, self._was_held = sample.time_s, True
            self._recoveries += self._is_lost
            self._is_lost = False
        self._held = sample.held
        if sample.bead_m > self._best_m + _PROGRESS_M:
            self._best_m, self._progress_s = sample.bead_m, sample.time_s
        self._peak_n = max(self._peak_n, float(np.linalg.norm(sample.force_n)))
        self._grip_n = max(self._grip_n, sample.grip_n)

    def failure(self, sample: MazeSample, decision: Decision | None) -> str:
        """What ended the run; empty while it goes on."""
        if decision is not None and decision.state == reflexes.LOST:
            return decision.reason
        lost_s = sample.time_s - self._held_s
        if self._was_held and not self._recovers and lost_s > _GIVEN_UP_S:
            return "the bead was lost"
        if sample.time_s - self._progress_s > _NO_PROGRESS_S:
            return "no progress"
        return "out of time" if sample.time_s > LONGEST_S else ""

    def result(
        self,
        family: str,
        seed: int,
        sample: MazeSample,
        decision: Decision | None,
        length_m: float,
        regrasps: int,
    ) -> RunResult:
        return RunResult(
            family,
            seed,
            sample.finished,
            "" if sample.finished else self.failure(sample, decision),
            sample.bead_m,
            length_m,
            sample.time_s,
            self._losses,
            self._recoveries,
            regrasps,
            self._peak_n,
            self._grip_n,
            1e3 * float(np.median(self._times)),
        )
