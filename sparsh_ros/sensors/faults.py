# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros faults`: how long a DIGIT is without a good frame after each fault.

The driver is the real one; only the camera below it, with its USB port, is simulated.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsh_ros.errors import ParameterError, SensorError
from sparsh_ros.frames import Frame
from sparsh_ros.sensors import Sensor, open_sensor
from sparsh_ros.sensors.faulty import FaultyCamera, FaultyHost
from sparsh_ros.sensors.watchdog import (
    EMPTY,
    FROZEN,
    GREEN,
    HANG,
    RATE,
    TORN,
    WRONG_SIZE,
)

_START_S = 0.3
_WARM_UP_FRAMES = 20
_TIMEOUT_S = 30.0
_AWAY_S = (0.2, 1.5)


@dataclass
class _Bench:
    """A sensor that runs, and the camera that will fail."""

    host: FaultyHost
    camera: FaultyCamera
    sensor: Sensor
    random: np.random.Generator
    replugs: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--tries", type=int, default=20, help="of each fault (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="fixes the times (default: 0)")
    parser.add_argument(
        "--soak",
        type=float,
        metavar="MINUTES",
        help="instead: a random fault every 5 s for that long; what was lost, and what leaked",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table, in Markdown, row by row.

    Raises:
        ParameterError: fewer than one try.
        SensorError: the driver did not recover.
    """
    if arguments.tries < 1:
        raise ParameterError(f"tries: wanted 1 or more, found {arguments.tries}")
    if arguments.soak is not None:
        return _soak(arguments.soak, arguments.seed)
    _say(
        f"Time without a good frame, s, in {arguments.tries} tries of each fault. The simulated\n"
        f"DIGIT, 60 frames/s, takes {_START_S} s from being opened to its first frame.\n\n"
        "| fault | what the driver does | median | longest |\n|---|---|---|---|"
    )
    for fault, response, trial in _TRIALS:
        gaps_s = list(_try(trial, arguments.tries, arguments.seed))
        median_s, longest_s = statistics.median(gaps_s), max(gaps_s)
        _say(f"| {fault} | {response} | {median_s:.2f} | {longest_s:.2f} |")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The faults are there on purpose, so the driver's log of them would only hide the table."""
    log = logging.getLogger("sparsh_ros.sensors")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _running(seed: int) -> Iterator[_Bench]:
    with tempfile.TemporaryDirectory() as folder, _without_warnings():
        host = FaultyHost(Path(folder))
        camera = FaultyCamera("digit", "D00001", seed, _START_S)
        host.plug(camera, "1-1")
        with open_sensor("digit", host=host, serial=camera.serial) as sensor:
            _fresh_frame(sensor)
            yield _Bench(host, camera, sensor, np.random.default_rng(seed))


def _try(trial: Callable[[_Bench], float], tries: int, seed: int) -> Iterator[float]:
    with _running(seed) as bench:
        for _ in range(tries):
            for _ in range(_WARM_UP_FRAMES):
                _fresh_frame(bench.sensor)
            yield trial(bench)


def _fresh_frame(sensor: Sensor) -> Frame:
    """Wait for a frame with another image than the newest one."""
    before = frame = sensor.latest()
    while frame is None or (before and np.array_equal(frame.image, before.image)):
        frame = sensor.wait(frame.sequence if frame else 0, _TIMEOUT_S)
        if frame is None:
            raise SensorError(f"{sensor.name}: no good frame for {_TIMEOUT_S:g} s")
    return frame


def _longest_gap_s(sensor: Sensor, is_over: Callable[[], bool]) -> float:
    """Watch the frames until `is_over` and some more came; the longest time between two."""
    gaps_s, last_s, more = [], time.monotonic(), 5
    while more:
        more -= is_over()
        _fresh_frame(sensor)
        gaps_s.append(time.monotonic() - last_s)
        last_s = time.monotonic()
    return max(gaps_s)


def _one_frame(fault: str) -> Callable[[_Bench], float]:
    def trial(bench: _Bench) -> float:
        refused = bench.sensor.status().refused
        bench.camera.misbehave(fault, frames=1)
        return _longest_gap_s(bench.sensor, lambda: bench.sensor.status().refused > refused)

    return trial


def _for_good(fault: str) -> Callable[[_Bench], float]:
    def trial(bench: _Bench) -> float:
        opened = bench.camera.opened
        bench.camera.misbehave(fault)
        return _longest_gap_s(bench.sensor, lambda: bench.camera.opened > opened)

    return trial


def _replug(bench: _Bench) -> float:
    bench.host.unplug(bench.camera)
    threading.Event().wait(bench.random.uniform(*_AWAY_S))
    while bench.sensor.status().connected:
        threading.Event().wait(0.01)
    bench.replugs += 1
    bench.host.plug(bench.camera, f"1-{1 + bench.replugs % 4}")
    since_s = time.monotonic()
    _fresh_frame(bench.sensor)
    return time.monotonic() - since_s


def _other_rate(bench: _Bench) -> float:
    reports = bench.sensor.status().faults.get(RATE, 0)
    bench.camera.true_rate_hz = 30.0
    opened = bench.camera.opened
    bench.camera.misbehave(HANG)  # so that it is opened, and asked for a rate, anew
    while bench.camera.opened == opened:
        threading.Event().wait(0.01)
    _fresh_frame(bench.sensor)
    return _longest_gap_s(bench.sensor, lambda: bench.sensor.status().faults.get(RATE, 0) > reports)


_ANEW = "refuses and counts each; after 0.5 s opens it anew"
_TRIALS = (
    ("one empty frame", "refuses and counts it", _one_frame(EMPTY)),
    ("one torn frame", "refuses and counts it", _one_frame(TORN)),
    ("one green frame", "refuses and counts it", _one_frame(GREEN)),
    ("one frame of a wrong size", "refuses and counts it", _one_frame(WRONG_SIZE)),
    ("hangs", "opens it anew after 0.5 s", _for_good(HANG)),
    ("only empty frames", _ANEW, _for_good(EMPTY)),
    ("only torn frames", _ANEW, _for_good(TORN)),
    ("only green frames", _ANEW, _for_good(GREEN)),
    ("only frames of a wrong size", _ANEW, _for_good(WRONG_SIZE)),
    ("frozen image", "opens it anew after 1 s", _for_good(FROZEN)),
    ("30 frames/s where 60 were agreed", "uses them and reports the true rate", _other_rate),
    (
        "unplugged; back on another port, under another index",
        "looks for its serial number twice a second; time from its return",
        _replug,
    ),
)


def _soak(minutes: float, seed: int) -> int:
    """One random fault after the other; 0 if every frame is accounted for and nothing leaked."""
    with _running(seed) as bench:
        _run_until(bench.sensor, time.monotonic() + _SOAK_PERIOD_S)
        before, count, busy_s = _held(), 0, time.process_time()
        start_s = time.monotonic()
        while (elapsed_s := time.monotonic() - start_s) < 60 * minutes:
            _, _, trial = _TRIALS[bench.random.choice(_SOAK_TRIALS)]
            trial(bench)
            count += 1
            _run_until(bench.sensor, start_s + count * _SOAK_PERIOD_S)
        busy = (time.process_time() - busy_s) / elapsed_s
        after = _held()
    status = bench.sensor.status()
    broken = sum(status.faults.get(kind, 0) for kind in _FRAME_FAULTS)
    missing = bench.camera.made - status.frames - status.skipped - broken
    _say(f"{count} faults in {elapsed_s:.0f} s; {status.reopened} times opened anew.")
    _say(
        f"Frames made {bench.camera.made}: good {status.frames}, broken {broken}, "
        f"lost on the way {status.skipped}, unaccounted for {missing}."
    )
    _say(f"Busy {busy:.1%} of one core, the simulated camera included.")
    _say("\n| | before | after |\n|---|---|---|")
    for what in before:
        _say(f"| {what} | {before[what]} | {after[what]} |")
    leaked = any(after[what] > before[what] for what in ("threads", "open files"))
    return int(missing != 0 or leaked or bench.camera.in_use != 0)


def _run_until(sensor: Sensor, moment_s: float) -> None:
    while time.monotonic() < moment_s:
        _fresh_frame(sensor)


def _held() -> dict[str, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "threads": threading.active_count(),
        "open files": len(os.listdir("/proc/self/fd")),
        "memory, MB": pages * os.sysconf("SC_PAGE_SIZE") // 10**6,
    }


_SOAK_PERIOD_S = 5.0
_FRAME_FAULTS = (EMPTY, TORN, GREEN, WRONG_SIZE, FROZEN)
# All but the wrong rate, which would stay.
_SOAK_TRIALS = [n for n, (_, _, trial) in enumerate(_TRIALS) if trial is not _other_rate]
