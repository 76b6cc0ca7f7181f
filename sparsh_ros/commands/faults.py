# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros faults`: what becomes of the estimates when a DIGIT's camera fails.

Driver, perception and model are the real ones; see bench/fault_injection for what is simulated.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Sequence
from itertools import product

from sparsh_ros.bench.fault_injection import driver_load
from sparsh_ros.bench.fault_injection.bench import START_S, Outage, running_bench
from sparsh_ros.bench.fault_injection.faults import TRIALS, Trial
from sparsh_ros.bench.fault_injection.soak import soak
from sparsh_ros.progress import progress_bar, stoppable, track

MOST_BACK_S = 2.0  # from a camera's return to valid estimates

_LOAD_S = 10.0


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print the result in Markdown; 0 if the driver kept its promises.

    Raises:
        SensorError: The driver did not recover.
    """
    if arguments.soak is not None:
        return _run_soak(arguments.soak, arguments.seed)
    load = driver_load.measure(_LOAD_S)
    outages = _try_all(arguments.runs, arguments.seed)
    rows = [_row(trial, outages[trial.fault]) for trial in TRIALS]
    kept, sentences = _judged(outages)
    sys.stdout.write(
        f"Estimates of a simulated DIGIT, 60 frames/s, that takes {START_S} s from being opened to "
        f"its first frame;\n{arguments.runs} tries of each fault; times in seconds. Its frames "
        "are noise: what counts is whether\nestimates are valid, not what they say.\n\n"
        "| fault | what the driver does | estimates said invalid after | no valid estimate for, "
        "median | longest |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\n{sentences}\n"
        + f"Driver process at {load.rate_hz:.0f} frames/s: {load.process:.1%} of one core, of "
        f"which the simulated camera {load.camera:.1%}.\n"
    )
    return int(not kept)


def _run_soak(minutes: float, seed: int) -> int:
    with progress_bar("Soak", 60 * minutes, counted=False) as bar:
        result = soak(minutes, seed, bar.update)
    sys.stdout.write(result.report())
    return int(not result.passed)


def _try_all(tries: int, seed: int) -> dict[str, list[Outage]]:
    outages: dict[str, list[Outage]] = {trial.fault: [] for trial in TRIALS}
    jobs = list(product(TRIALS, range(tries)))

    def stopped() -> str:
        done = sum(map(len, outages.values()))
        return f"stopped, {done} of {len(jobs)} tries made; a table is of all of them"

    with stoppable(stopped), running_bench(seed) as bench:
        for trial, _ in track(jobs, "Faults"):
            outages[trial.fault].append(trial.run(bench))
    return outages


def _row(trial: Trial, outages: Sequence[Outage]) -> str:
    times_s = [outage.back_s if trial.from_return else outage.longest_s for outage in outages]
    said_s = [outage.said_s for outage in outages if not math.isnan(outage.said_s)]
    said = "never"
    if said_s:
        said = f"{statistics.median(said_s):.2f}"
        said += "" if len(said_s) == len(outages) else f", in {len(said_s)} of {len(outages)} tries"
    return (
        f"| {trial.fault} | {trial.response} | {said} | {statistics.median(times_s):.2f} | "
        f"{max(times_s):.2f} |"
    )


def _judged(outages: dict[str, list[Outage]]) -> tuple[bool, str]:
    """Whether the promises were kept, and the sentences that say so."""
    lasting = [o for trial in TRIALS if trial.lasts for o in outages[trial.fault]]
    said = sum(not math.isnan(outage.said_s) for outage in lasting)
    wrong = sum(outage.wrong for tries in outages.values() for outage in tries)
    back_s = [o.back_s for trial in TRIALS if trial.from_return for o in outages[trial.fault]]
    in_time = sum(moment_s < MOST_BACK_S for moment_s in back_s)
    sentences = (
        f"Estimates said invalid while a fault lasted: {said} of {len(lasting)} tries; valid again "
        f"before the camera was well: {wrong} estimates.\n"
        f"Valid less than {MOST_BACK_S:g} s after a replug: {in_time} of {len(back_s)} tries."
    )
    return in_time == len(back_s) and said == len(lasting) and wrong == 0, sentences
