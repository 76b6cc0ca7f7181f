# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros bench graph`: the whole graph at several rates, with one sensor and with several.

Simulated sensors, perception and an observer run as they do on a robot, in processes of their own.
Each case is measured in repeats that take turns. After the rates asked for, the highest one is
looked for at which fewer than 5 % of the frames are lost, as ros2_benchmark does.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from sparsh_ros.bench.conditions import (
    Conditions,
    CpuTimes,
    describe_machine,
    refuse_loaded,
    watching,
)
from sparsh_ros.bench.results import Measures, Row, show, write
from sparsh_ros.bench.threads import thread_seconds
from sparsh_ros.errors import SensorError, SparshError
from sparsh_ros.nodes.bench import plain
from sparsh_ros.nodes.demo.observer import listening
from sparsh_ros.nodes.graph import graph
from sparsh_ros.nodes.graph.run import RunningGraph
from sparsh_ros.nodes.runtime.isolation import isolated_environment
from sparsh_ros.progress import progress_bar
from sparsh_ros.reports.bench import Growth, write_report
from sparsh_ros.reports.graph_log import Record
from sparsh_ros.scheduling import go_first
from sparsh_ros.sensors.drivers import SENSOR_TYPES

COLUMNS = {
    "MEAN_FRAME_RATE": "slip, 1/s",
    "NUM_MISSED_FRAMES": "frames missed",
    "LATENCY_P50": "stamp to slip p50, ms",
    "LATENCY_P99": "p99, ms",
    "MAX_LATENCY": "worst, ms",
    "CPU_UTILIZATION": "cores busy",
}
GROWING = (
    ("CPU_UTILIZATION", "cores busy", ""),
    ("LATENCY_P50", "stamp to slip, half are faster", "ms"),
    ("LATENCY_P99", "stamp to slip, 99 of 100 are faster", "ms"),
    ("MEAN_FRAME_RATE", "slip messages a second and sensor", "1/s"),
)
"""What the page draws against the number of sensors: quantity, title, unit."""
LOST = 0.05
"""Share of the frames that may be missing at the highest rate."""

THREAD = "THREAD_MS "
"""With the name of a thread behind it: milliseconds that it computes for a frame."""

_LEAST_MS = 0.005
_HIGHER_HZ = (90, 120, 160, 200, 240)
_STARTUP_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Case:
    """So many simulated sensors at so many frames a second.

    Attributes:
        sensors: How many.
        fps: Frames a second of each.
        baseline: Model of the baseline, which then takes the place of perception.
    """

    sensors: int
    fps: float
    baseline: str = ""

    @property
    def name(self) -> str:
        """In words."""
        plain = f"{self.baseline}, plain torch: " * bool(self.baseline)
        return f"{plain}{self.sensors} sensor{'s' * (self.sensors > 1)} at {self.fps:g} frames/s"

    @property
    def names(self) -> list[str]:
        """Of the sensors; a single one has none."""
        return [f"s{number}" for number in range(1, self.sensors + 1)] if self.sensors > 1 else [""]

    def values(self, options: argparse.Namespace) -> graph.Arguments:
        """Of all arguments of the graph."""
        typed = {
            "source": "simulated",
            "fps": str(self.fps),
            # The encoder and the observer: none of them shall miss the beginning.
            "listeners": "2",
            "log_level": "warn",
            "use_respawn": "false",
            "model": options.model,
            "engine": options.engine,
            "realtime_priority": str(options.realtime_priority),
        }
        if self.sensors > 1:
            typed["names"] = ",".join(self.names)
        return graph.parse(typed, SENSOR_TYPES)


def run(options: argparse.Namespace) -> int:
    """Measure all cases, print a table, write the numbers if asked.

    Raises:
        SensorError: A graph gave no estimates.
        SparshError: The machine is busy with something else, or a file cannot be written.
    """
    for path in filter(None, (options.out, options.report)):
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise SparshError(
                f"{path}: wanted a file in a folder that exists and can be written to"
            )
    if not options.anyway:
        refuse_loaded()
    os.environ.update(isolated_environment())
    models = ("", options.baseline) if options.baseline else ("",)
    cases = [Case(*one) for one in product(options.sensors, options.fps, models)]
    steps = options.runs * (len(cases) + 1)
    with watching() as conditions, progress_bar("Measuring", steps) as bar:

        def measured(case: Case) -> Measures:
            found = measure(case, options)
            conditions.time_unit()
            bar.advance(1)
            return found

        repeats = [[measured(case) for case in cases] for _ in range(options.runs)]
        rows = [
            Row.of(case.name, found)
            for case, found in zip(cases, zip(*repeats, strict=True), strict=True)
        ]
        if options.highest:
            highest = find_highest([Case(options.sensors[0], fps) for fps in _HIGHER_HZ], measured)
            rows += [Row.of(f"highest: {case.name}", [found]) for case, found in highest]
    show(f"{options.model}, {options.seconds:g} s each", rows, COLUMNS, conditions)
    if options.threads:
        for row in rows:
            show(f"{row.name}: threads", thread_rows(row), {THREAD: "computing, ms a frame"})
    if options.report:
        _write_report(options, cases, rows, conditions)
    if options.out:
        names = ("model", "engine", "seconds", "realtime_priority", "baseline")
        settings = {name: getattr(options, name) for name in names}
        write(options.out, "graph", rows, conditions, **settings)
    return 0


def thread_rows(row: Row) -> list[Row]:
    """A row for each thread that computed, the longest first."""
    of = {name: q for name, q in row.quantities.items() if name.startswith(THREAD)}
    ranked = sorted(of, key=lambda name: of[name].median, reverse=True)
    return [
        Row(name.removeprefix(THREAD), {THREAD: of[name]})
        for name in ranked
        if of[name].median >= _LEAST_MS
    ]


def _write_report(
    options: argparse.Namespace, cases: Sequence[Case], rows: Sequence[Row], conditions: Conditions
) -> None:
    """Write the page; `rows` begin with those of `cases`."""
    growths = [Growth(title, unit, growing(cases, rows, name)) for name, title, unit in GROWING]
    machine = describe_machine()
    write_report(
        options.report,
        f"{options.model}: the ROS graph, {options.seconds:g} s each",
        ["", *COLUMNS.values()],
        [[row.name, *(str(row.quantities[name]) for name in COLUMNS)] for row in rows],
        growths,
        {
            "machine": f"{machine['processor']}, {machine['cores']} cores",
            "conditions": conditions.sentence(),
            "engine": options.engine,
            "repeats": str(options.runs),
        },
    )


def growing(
    cases: Sequence[Case], rows: Sequence[Row], name: str
) -> dict[str, tuple[list[int], list[float]]]:
    """For each rate in words, the numbers of sensors and the medians of a quantity."""
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for case, row in sorted(zip(cases, rows, strict=False), key=lambda pair: pair[0].sensors):
        numbers, medians = lines.setdefault(
            f"{case.fps:g} frames/s{', baseline' * bool(case.baseline)}", ([], [])
        )
        numbers.append(case.sensors)
        medians.append(row.quantities[name].median)
    return lines


def find_highest(
    cases: Sequence[Case], measured: Callable[[Case], Measures]
) -> list[tuple[Case, Measures]]:
    """The last of these cases, each faster than the one before, that loses little; or none."""
    best: list[tuple[Case, Measures]] = []
    for case in cases:
        found = measured(case)
        if found["NUM_MISSED_FRAMES"] > LOST * found["NUM_FRAMES_SENT"]:
            break
        best = [(case, found)]
    return best


def measure(case: Case, options: argparse.Namespace) -> Measures:
    """Run the graph once, and say how it fared.

    Raises:
        SensorError: No estimate came, or a process ended.
    """
    values = case.values(options)
    processes = plain.processes(values, case.baseline) if case.baseline else ()
    listeners = listening(values["namespace"], True, case.names)
    with open(os.devnull, "w") as log, listeners as records:
        running = RunningGraph(values, log, processes)
        cores, spent = _run_graph(running, values, records, options.seconds)
    frames = options.seconds * case.fps * case.sensors
    threads = {f"{THREAD}{name}": 1e3 * seconds / frames for name, seconds in spent.items()}
    return summarise(records, case, cores) | threads


def _run_graph(
    running: RunningGraph, values: graph.Arguments, records: Sequence[Record], seconds: float
) -> tuple[float, Counter[str]]:
    """Let the graph run for so long after its first estimates.

    Returns:
        The cores that it kept busy, and the seconds that each of its threads computed.
    """
    try:
        give_up = time.monotonic() + _STARTUP_S
        while not all(len(record.slip) for record in records):
            if running.wait(_POLL_S) or time.monotonic() > give_up:
                raise SensorError(
                    "bench: wanted slip messages of every sensor, found none in "
                    f"{_STARTUP_S:.0f} s; `sparsh-ros demo` shows why"
                )
        if values["realtime_priority"]:  # who listens is part of what is measured
            go_first(values["realtime_priority"])
        before, numbers = CpuTimes.now(), running.numbers | {"observer": os.getpid()}
        earlier = thread_seconds(numbers)
        running.wait(seconds)
        spent = thread_seconds(numbers)
        spent.subtract(earlier)
        return (CpuTimes.now() - before).own / seconds, spent
    finally:
        running.stop()


def summarise(records: Sequence[Record], case: Case, cores: float) -> Measures:
    """The measures of one run over all its sensors; latencies in ms, from stamp to slip message."""
    latencies = np.concatenate([record.latencies_ms for record in records])
    jitter = np.concatenate(
        [abs(np.diff(record.slip.received_ns) * 1e-6 - 1e3 / case.fps) for record in records]
    )
    sent = sum(record.count("sensor", "frames grabbed") for record in records)
    sent += sum(record.count("sensor", "frames skipped") for record in records)
    return {
        "MEAN_FRAME_RATE": float(np.mean([record.slip.rate_hz for record in records])),
        "NUM_FRAMES_SENT": sent,
        "NUM_MISSED_FRAMES": sent - len(latencies),
        "FIRST_SENT_RECEIVED_LATENCY": float(records[0].latencies_ms[0]),
        "LAST_SENT_RECEIVED_LATENCY": float(records[0].latencies_ms[-1]),
        "LATENCY_P50": float(np.percentile(latencies, 50)),
        "LATENCY_P99": float(np.percentile(latencies, 99)),
        "MAX_LATENCY": float(latencies.max()),
        "MEAN_JITTER": float(jitter.mean()),
        "MAX_JITTER": float(jitter.max()),
        "STD_DEV_JITTER": float(jitter.std()),
        "CPU_UTILIZATION": cores,
    }
