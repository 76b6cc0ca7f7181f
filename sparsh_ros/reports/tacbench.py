# SPDX-License-Identifier: Apache-2.0
"""The page of `sparsh-ros bench tacbench`: tables, score against labels, the paper beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsh_ros.reports import html, plots
from sparsh_ros.reports.plots import Curve, Dot

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """One measure.

    Attributes:
        title: What is measured, and on what.
        unit: Of the plot.
        head: Of the table: encoder, then a budget per column.
        rows: Of the table.
        lines: Encoder -> (budgets, means), to plot; none for a table alone.
    """

    title: str
    unit: str
    head: Sequence[str]
    rows: Rows
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]


def write_report(
    path: Path,
    ours: Sequence[Section],
    published: Sequence[Section],
    gains: Section,
    facts: Mapping[str, str],
) -> None:
    """Write the page; `facts` says how it was made."""
    page = html.render(
        "tacbench.html",
        title="TacBench on simulated touch",
        ours=[(section, _plot(section)) for section in ours],
        published=published,
        gains=gains,
        facts=list(facts.items()),
    )
    path.write_text(page, encoding="utf-8")


def _plot(section: Section):
    """Score against the share of labels, on a logarithmic axis; None where there is one budget."""
    curves, dots = [], []
    for number, (name, (budgets, means)) in enumerate(section.lines.items()):
        x, y = np.log10(100.0 * np.asarray(budgets)), np.asarray(means)
        if len(x) < 2:
            continue
        curves.append(Curve(x, y, "truth" if name == "end to end" else "estimate"))
        dots.append(Dot(float(x[-1]), float(y[-1]), name, above=number % 2 == 0))
    if not curves:
        return None
    unit = "log10 of % of labels"
    return plots.line_plot(section.title, section.unit, curves, x_unit=unit, dots=dots)
