# SPDX-License-Identifier: Apache-2.0
"""The numbers on /diagnostics."""

from __future__ import annotations

import math

import pytest

from sparsh_ros.nodes.runtime import diagnostics
from sparsh_ros.nodes.runtime.diagnostics import ERROR, OK, WARN, LatencyMeter, RateMeter, Report


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return round(self.now_s * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(diagnostics, "time", made)
    return made


def test_the_rate_is_that_of_the_last_two_seconds(clock: Clock) -> None:
    meter = RateMeter()
    assert meter.rate_hz == 0.0
    for _ in range(120):
        clock.now_s += 1 / 60
        meter.count()
    assert meter.rate_hz == pytest.approx(60.0)
    for _ in range(90):
        clock.now_s += 1 / 30
        meter.count()
    assert meter.rate_hz == pytest.approx(30.0)
    clock.now_s += 5.0
    assert meter.rate_hz == 0.0


def test_latency_percentiles(clock: Clock) -> None:
    meter = LatencyMeter()
    assert math.isnan(meter.percentile_ms(50))
    for milliseconds in range(101):
        meter.add(clock.time_ns() - milliseconds * 1_000_000)
    assert meter.percentile_ms(50) == pytest.approx(50.0)
    assert meter.percentile_ms(99) == pytest.approx(99.0)


@pytest.mark.parametrize(
    ("first", "second", "level", "message"),
    [
        ((OK, "running"), (OK, "stored"), OK, "running"),
        ((OK, "running"), (WARN, "touched at start"), WARN, "touched at start"),
        ((WARN, "too slow"), (OK, "running"), WARN, "too slow"),
        ((ERROR, "unplugged"), (WARN, "drifts"), ERROR, "unplugged; drifts"),
    ],
)
def test_two_reports_as_one(first, second, level: bytes, message: str) -> None:
    both = Report(*first, {"rate": 1}).with_more(Report(*second, {"origin": "file"}))
    assert both == Report(level, message, {"rate": 1, "origin": "file"})


def test_a_trouble_that_lasts_is_said_once_in_the_terminal(outsider, capfd) -> None:
    reports = {"thumb": Report()}
    told = diagnostics.Diagnostics(outsider.node, lambda: reports)

    def said(report: Report, times: int) -> int:
        reports["thumb"] = report
        for _ in range(times):
            outsider.between_callbacks(told.publish)
        return capfd.readouterr().err.count("thumb: ")

    outsider.between_callbacks(lambda: outsider.node.destroy_timer(told.timer))
    assert said(Report(WARN, "no frame for 1.0 s"), 2) == 0
    assert said(Report(WARN, "no frame for 2.0 s"), 1) == 1
    assert said(Report(WARN, "no frame for 3.0 s"), 5) == 0
    assert said(Report(WARN, "two publishers"), 3) == 1
    assert said(Report(WARN, "no frame for 9.0 s"), 3) == 0
    assert said(Report(OK), 1) == 0
    assert said(Report(WARN, "no frame for 1.0 s"), 3) == 1
