# SPDX-License-Identifier: Apache-2.0
"""Slips that begin: how the probability rises around them, and those that were detected last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from sparsh_ros.evaluation.events import Onset, find_intervals, find_onsets, find_segments
from sparsh_ros.evaluation.result import UNKNOWN, SensorResult
from sparsh_ros.reports.evaluation.links import elapsed_s, link
from sparsh_ros.reports.html import render
from sparsh_ros.reports.plots import Curve, Dot, histogram, line_plot

SHOWN = 12
"""Onsets that are shown one by one."""

_BEFORE_MS, _AFTER_MS = -500.0, 1000.0

Floats = NDArray[np.float64]


class _Timeline(NamedTuple):
    """An onset, its place on the page, and the frames around it by ms from it."""

    index: int
    sensor: SensorResult
    onset: Onset
    at_s: float
    time_ms: Floats
    probability: Floats
    slipping: NDArray[np.bool_]


def onsets_of(sensor: SensorResult) -> list[Onset]:
    """The onsets that count in the scores of a sensor."""
    estimates, labels = sensor.estimates, sensor.labels
    known = (labels.slipping != UNKNOWN) & (estimates.slipping != UNKNOWN)
    runs = find_segments(estimates.stamp_ns, known, sensor.period_ns)
    return find_onsets(estimates.stamp_ns, estimates.slipping == 1, labels.slipping == 1, runs)


def onset_section(sensors: Sequence[SensorResult], threshold: float) -> Markup:
    """Plots of all onsets, as HTML; `sensors` in the order of the page."""
    found = [
        timeline
        for index, sensor in enumerate(sensors)
        if len(sensor.estimates)
        for timeline in _timelines(index, sensor)
    ]
    if not found:
        return render("evaluation/onsets.html", count=0)
    delays_ms = np.array([timeline.onset.delay_ms for timeline in found])
    found.sort(key=lambda timeline: -np.nan_to_num(timeline.onset.delay_ms, nan=np.inf))
    return render(
        "evaluation/onsets.html",
        count=len(found),
        missed=int(np.isnan(delays_ms).sum()),
        around=_all_together(found, threshold),
        delays=_delays(delays_ms[np.isfinite(delays_ms)]),
        figures=_figures(found[:SHOWN], threshold),
    )


def _timelines(index: int, sensor: SensorResult) -> Iterator[_Timeline]:
    time_s, answer = elapsed_s(sensor), sensor.estimates.slip_score
    slipping = sensor.labels.slipping == 1
    for onset in onsets_of(sensor):
        at_s = time_s[onset.row]
        first, last = np.searchsorted(time_s, (at_s + _BEFORE_MS / 1e3, at_s + _AFTER_MS / 1e3))
        time_ms = 1e3 * (time_s[first:last] - at_s)
        around = (column[first:last] for column in (answer, slipping))
        yield _Timeline(index, sensor, onset, float(at_s), time_ms, *around)


def _all_together(found: Sequence[_Timeline], threshold: float) -> Markup:
    """Median and middle 80 % of the probability around all onsets."""
    grid = np.arange(_BEFORE_MS, _AFTER_MS + 1, 20.0)
    lines = np.stack([np.interp(grid, t.time_ms, t.probability, np.nan, np.nan) for t in found])
    known = np.isfinite(lines).any(axis=0)
    low, middle, high = np.nanpercentile(lines[:, known], (10, 50, 90), axis=0)
    around = np.concatenate([grid[known], grid[known][::-1], grid[known][:1]])
    area = Curve(around, np.concatenate([high, low[::-1], high[:1]]), "spread")
    return line_plot(
        "Probability around an onset: median and middle 80 %",
        "",
        [area, _threshold_line(threshold), _onset_line(), Curve(grid[known], middle, "estimate")],
        y_range=(0.0, 1.0),
        x_range=(_BEFORE_MS, _AFTER_MS),
        x_unit="ms",
    )


def _delays(delays_ms: Floats) -> Markup | None:
    if not len(delays_ms):
        return None
    within_ms = float(np.percentile(delays_ms, 90))
    marks = {"median": float(np.median(delays_ms)), "9 of 10 within": within_ms}
    return histogram("Delay of the onsets that were detected", "ms", delays_ms, marks, "onsets")


def _figures(timelines: Sequence[_Timeline], threshold: float) -> Iterator[dict[str, object]]:
    for timeline in timelines:
        onset, sensor = timeline.onset, timeline.sensor
        detected = np.isfinite(onset.delay_ms)
        dots = [Dot(onset.delay_ms, threshold, f"{onset.delay_ms:.0f} ms")] if detected else []
        plot = line_plot(
            sensor.recording,
            "" if detected else "never detected",
            [_threshold_line(threshold), Curve(timeline.time_ms, timeline.probability, "estimate")],
            _slip_bands(timeline),
            y_range=(0.0, 1.0),
            x_range=(_BEFORE_MS, _AFTER_MS),
            x_unit="ms",
            dots=[dot for dot in dots if dot.x <= _AFTER_MS],
        )
        yield {
            "plot": plot,
            "link": link(timeline.index, timeline.at_s),
            "text": f"{sensor.sensor} at {timeline.at_s:.2f} s",
        }


def _slip_bands(timeline: _Timeline) -> list[tuple[float, float]]:
    """The true slips around an onset, intervals in ms."""
    edges = np.append(timeline.time_ms, timeline.time_ms[-1])
    return [(edges[first], edges[last]) for first, last in find_intervals(timeline.slipping)]


def _threshold_line(threshold: float) -> Curve:
    return Curve(np.array([_BEFORE_MS, _AFTER_MS]), np.full(2, threshold), "mark")


def _onset_line() -> Curve:
    return Curve(np.zeros(2), np.array([0.0, 1.0]), "truth")
