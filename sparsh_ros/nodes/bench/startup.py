# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench startup`: from the start of the graph to its first estimates."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from sparsh_ros.bench.conditions import refuse_loaded, watching
from sparsh_ros.bench.results import Measures, Row, show, write
from sparsh_ros.errors import SensorError
from sparsh_ros.nodes.bench.graph import Case
from sparsh_ros.nodes.demo.observer import listening
from sparsh_ros.nodes.graph.run import RunningGraph
from sparsh_ros.nodes.runtime.isolation import isolated_environment

COLUMNS = {"FIRST_ESTIMATE_MS": "first estimate, ms", "FIRST_VALID_MS": "first valid one, ms"}

_GIVE_UP_S = 120.0
_POLL_S = 0.005


def run(options: argparse.Namespace) -> int:
    """Start the graph some times, print a table, write the numbers if asked.

    Raises:
        SensorError: No valid estimate came.
        SparshError: The machine is busy with something else.
    """
    if not options.anyway:
        refuse_loaded()
    os.environ.update(isolated_environment())
    case, repeats = Case(1, 60.0), []
    with watching() as conditions:
        for _ in range(options.runs):
            repeats.append(measure(case, options))
            conditions.time_unit()
    rows = [Row.of(case.name, repeats)]
    show(f"{options.model}: from the start of the graph", rows, COLUMNS, conditions)
    if options.out:
        write(options.out, "startup", rows, conditions, model=options.model, engine=options.engine)
    return 0


def measure(case: Case, options: argparse.Namespace) -> Measures:
    """Start the graph once: milliseconds to the first slip message, and to the first valid one.

    Raises:
        SensorError: None came.
    """
    values = case.values(options)
    with open(os.devnull, "w") as log, listening(values["namespace"], True) as [record]:
        started = time.perf_counter()
        running = RunningGraph(values, log)
        try:
            first_ms = _until(lambda: len(record.slip) > 0, running, started)
            valid_ms = _until(lambda: record.slip.last[0] == 1.0, running, started)
        finally:
            running.stop()
    return {"FIRST_ESTIMATE_MS": first_ms, "FIRST_VALID_MS": valid_ms}


def _until(happens: Callable[[], bool], running: RunningGraph, started: float) -> float:
    while not happens():
        if running.wait(_POLL_S) or time.perf_counter() - started > _GIVE_UP_S:
            raise SensorError(
                f"bench: wanted a valid slip message, found none in {_GIVE_UP_S:.0f} s; "
                "`sparsh-ros demo` shows why"
            )
    return 1e3 * (time.perf_counter() - started)
