# SPDX-License-Identifier: Apache-2.0
"""The page of `sparsh-ros bench graph`: its table, and what more sensors cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsh_ros.reports import html, plots
from sparsh_ros.reports.plots import Curve, Dot


@dataclass(frozen=True)
class Growth:
    """How a quantity grows with the number of sensors.

    Attributes:
        title: What it is.
        unit: Its unit.
        lines: Name of a line -> (numbers of sensors, medians).
    """

    title: str
    unit: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]


def write_report(
    path: Path,
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    growths: Sequence[Growth],
    facts: Mapping[str, str],
) -> None:
    """Write the page; what has no line of two points is not drawn."""
    grown = [g for g in growths if any(len(numbers) > 1 for numbers, _ in g.lines.values())]
    page = html.render(
        "bench.html",
        title=title,
        head=head,
        rows=rows,
        plots=[_plot(growth) for growth in grown],
        facts=list(facts.items()),
    )
    path.write_text(page, encoding="utf-8")


def _plot(growth: Growth):
    """Medians against the number of sensors."""
    curves, dots = [], []
    top = max(float(np.nanmax(medians)) for _, medians in growth.lines.values())
    highest = max(medians[-1] for _, medians in growth.lines.values())
    for name, (numbers, medians) in growth.lines.items():
        curves.append(Curve(np.asarray(numbers, float), np.asarray(medians, float), "estimate"))
        dots.append(Dot(numbers[-1], medians[-1], name, above=medians[-1] == highest))
    return plots.line_plot(
        growth.title,
        growth.unit,
        curves,
        y_range=(0.0, 1.2 * top or 1.0),
        x_unit="sensors",
        dots=dots,
    )
