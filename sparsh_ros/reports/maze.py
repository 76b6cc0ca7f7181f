# SPDX-License-Identifier: Apache-2.0
"""The bead maze as a page: a row for each policy, a line for each run that failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparsh_ros.reports import html

_COLUMNS = (
    ("policies", "policies", "{:.0f}"),
    ("mazes", "mazes", "{:.0f}"),
    ("finished", "finished", "{:.0%}"),
    ("finished_lowest", "lowest of a policy", "{:.0%}"),
    ("finished_highest", "highest", "{:.0%}"),
    ("finished_least", "at least, 95 %", "{:.0%}"),
    ("finished_most", "at most", "{:.0%}"),
    ("distance_cm", "distance, cm", "{:.1f}"),
    ("distance_sd_cm", "its spread, cm", "{:.1f}"),
    ("grip_losses", "grip losses a run", "{:.2f}"),
    ("recoveries", "recoveries a run", "{:.2f}"),
    ("lost_for_good", "lost for good", "{:.0%}"),
    ("regrasps", "regrasps a run", "{:.2f}"),
    ("peak_force_n", "peak force, N", "{:.1f}"),
    ("time_s", "time, s", "{:.1f}"),
    ("error_mm", "error over 3 cm, mm", "{:.2f}"),
)

DIFFERENCE_HEAD = ("less", "figure", "mazes", "difference", "95 %", "more on", "less on", "p")


def write_report(
    path: Path,
    rows: Mapping[str, Mapping[str, float]],
    differences: Sequence[Sequence[str]],
    paper: Sequence[tuple[str, float, float]],
    failures: Sequence[tuple[str, str, str]],
    films: Mapping[str, str],
    facts: Mapping[str, str],
) -> None:
    """Write the page.

    Args:
        path: HTML file to write.
        rows: of each policy its summary, see `bench.maze.summary`.
        differences: of the first row from the others, by figure, under `DIFFERENCE_HEAD`.
        paper: encoder, error (mm), distance (cm) that were published.
        failures: policy, maze, what ended the run.
        films: of each policy a film, relative to the page.
        facts: how this was made.
    """
    page = html.render(
        "maze.html",
        title="Bead maze",
        head=("policy", *(title for _, title, _ in _COLUMNS)),
        rows=[(name, *_cells(values)) for name, values in rows.items()],
        first=next(iter(rows)),
        difference_head=DIFFERENCE_HEAD,
        differences=list(differences),
        paper=[(name, _text(error, "{:.2f}"), _text(way, "{:.1f}")) for name, error, way in paper],
        failures=list(failures),
        films=list(films.items()),
        facts=list(facts.items()),
    )
    path.write_text(page, encoding="utf-8")


def _cells(values: Mapping[str, float]) -> list[str]:
    return [_text(values.get(key, math.nan), form) for key, _, form in _COLUMNS]


def _text(value: float, form: str) -> str:
    return "" if math.isnan(value) else form.format(value)
