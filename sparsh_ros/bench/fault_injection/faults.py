# SPDX-License-Identifier: Apache-2.0
"""The faults that cameras and their cables have, each with what the driver does about it."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sparsh_ros.bench.fault_injection.bench import FaultBench, Outage, until
from sparsh_ros.sensors.health.watchdog import (
    EMPTY,
    FROZEN,
    GREEN,
    HANG,
    RATE,
    TORN,
    USB,
    WRONG_SIZE,
)

AWAY_S = (0.2, 1.5)


@dataclass(frozen=True)
class Trial:
    """A fault to be tried.

    Attributes:
        fault: what goes wrong, in words.
        response: what the driver does, in words.
        run: lets it happen and waits until estimates are valid again.
        lasts: it goes on until the camera is opened again or plugged in.
        from_return: what counts is the time from its return, not that while it was away.
        repeats: it leaves the camera as it was.
    """

    fault: str
    response: str
    run: Callable[[FaultBench], Outage]
    lasts: bool = True
    from_return: bool = False
    repeats: bool = True


def _outage(bench: FaultBench, fault_s: float, well_s: float) -> Outage:
    bench.estimator.wait_valid(well_s)
    return Outage.of(bench.estimator.since(fault_s), fault_s, well_s)


def _one_frame(fault: str) -> Callable[[FaultBench], Outage]:
    def run(bench: FaultBench) -> Outage:
        refused = bench.sensor.status().refused
        fault_s = time.monotonic()
        bench.camera.inject(fault, frames=1)
        until(lambda: bench.sensor.status().refused > refused)
        return _outage(bench, fault_s, time.monotonic())

    return run


def _for_good(begin: Callable[[FaultBench], None]) -> Callable[[FaultBench], Outage]:
    def run(bench: FaultBench) -> Outage:
        opened = bench.camera.opened
        fault_s = time.monotonic()
        begin(bench)
        until(lambda: bench.camera.opened > opened)
        return _outage(bench, fault_s, bench.camera.opened_s)

    return run


def _only(fault: str) -> Callable[[FaultBench], Outage]:
    return _for_good(lambda bench: bench.camera.inject(fault))


def _fail_to_read(bench: FaultBench) -> None:
    bench.camera.read_error = errno.EIO


def _replug(bench: FaultBench) -> Outage:
    fault_s = time.monotonic()
    bench.host.unplug(bench.camera)
    threading.Event().wait(bench.random.uniform(*AWAY_S))
    until(lambda: not bench.sensor.status().connected)
    bench.replugs += 1
    bench.host.plug(bench.camera, f"1-{1 + bench.replugs % 4}")
    return _outage(bench, fault_s, time.monotonic())


def _other_rate(bench: FaultBench) -> Outage:
    reports, opened = bench.sensor.status().faults.get(RATE, 0), bench.camera.opened
    bench.camera.true_rate_hz = 30.0
    bench.camera.inject(HANG)  # so that it is opened, and asked for a rate, again
    until(lambda: bench.camera.opened > opened)
    bench.estimator.wait_valid(bench.camera.opened_s)
    fault_s = time.monotonic()
    until(lambda: bench.sensor.status().faults.get(RATE, 0) > reports)
    return _outage(bench, fault_s, time.monotonic())


_REFUSES = "refuses and counts it"
_AGAIN = "refuses and counts each; after 0.5 s opens it again"
TRIALS = (
    Trial("one empty frame", _REFUSES, _one_frame(EMPTY), lasts=False),
    Trial("one torn frame", _REFUSES, _one_frame(TORN), lasts=False),
    Trial("one green frame", _REFUSES, _one_frame(GREEN), lasts=False),
    Trial("one frame of a wrong size", _REFUSES, _one_frame(WRONG_SIZE), lasts=False),
    Trial("one frame damaged on USB", f"{_REFUSES}, as a USB error", _one_frame(USB), lasts=False),
    Trial("hangs", "opens it again after 0.5 s", _only(HANG)),
    Trial("only empty frames", _AGAIN, _only(EMPTY)),
    Trial("only torn frames", _AGAIN, _only(TORN)),
    Trial("only green frames", _AGAIN, _only(GREEN)),
    Trial("only frames of a wrong size", _AGAIN, _only(WRONG_SIZE)),
    Trial("only frames damaged on USB", _AGAIN, _only(USB)),
    Trial("frozen image", _AGAIN, _only(FROZEN)),
    Trial("reading fails (EIO)", "counts a USB error, opens it again", _for_good(_fail_to_read)),
    Trial(
        "unplugged for a while; back on another port, under another index",
        "looks for its serial number twice a second; times from its return",
        _replug,
        from_return=True,
    ),
    # The last, because the rate stays.
    Trial(
        "30 frames/s where 60 were agreed",
        "uses them and reports the true rate",
        _other_rate,
        lasts=False,
        repeats=False,
    ),
)
