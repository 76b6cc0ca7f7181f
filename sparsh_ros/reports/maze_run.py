# SPDX-License-Identifier: Apache-2.0
"""One run of the bead maze over ROS: what was heard of it, its figures, and a page of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from markupsafe import Markup

from sparsh_ros.reports import html, plots
from sparsh_ros.reports.plots import Curve

_FINISH_M = 0.006


@dataclass(frozen=True)
class Decided:
    """One control period of the controller, as it told of it.

    Attributes:
        time_s: when it was heard.
        state: of the run; "running" while the arm is driven.
        reflex: what the reflexes do; empty where nothing was decided.
        reason: in words.
        age_ms: of the touch that it was decided by.
        late, missed: decisions that came too late, and periods without any, so far.
    """

    time_s: float
    state: str
    reflex: str
    reason: str
    age_ms: float
    late: int
    missed: int


@dataclass
class RunRecord:
    """What was heard of a run; times in seconds of one clock.

    Attributes:
        length_m: of the wire; NaN until it is known.
        bead: times, and places of the bead along the wire, m.
        loads: of the left and the right fingertip times and felt normal forces, N.
        grips: times, and forces that were asked of the gripper, N.
        decided: while it ran.
        world_late: steps of the simulation that took too long.
    """

    length_m: float = math.nan
    bead: list[tuple[float, float]] = field(default_factory=list)
    loads: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: {"left": [], "right": []}
    )
    grips: list[tuple[float, float]] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    world_late: int = 0

    @property
    def bead_m(self) -> float:
        """Where the bead is; NaN until that is known."""
        return self.bead[-1][1] if self.bead else math.nan

    @property
    def is_finished(self) -> bool:
        """Whether the bead has come to the end of the wire."""
        return self.length_m - self.bead_m < _FINISH_M

    @property
    def end(self) -> str:
        """How the run ended, in words."""
        if self.is_finished:
            return "finished"
        last = self.decided[-1] if self.decided else None
        return f"not finished: {last.reason or last.state}" if last else "it never began"

    def figures(self) -> dict[str, float]:
        """Numbers of the run; what is unknown is NaN.

        Rate of control (Hz), deadlines missed, decisions late, periods in which the arm waited for
        touch, age of touch at its decisions (median and 99 of 100 below, ms), regrasps, way of the
        bead and length of the wire (cm), time (s).
        """
        ran = [one for one in self.decided if one.state == "running"]
        times = np.array([one.time_s for one in ran])
        ages = np.array([one.age_ms for one in ran])
        ages = ages[np.isfinite(ages)]
        seconds = float(np.ptp(times)) if len(ran) > 1 else math.nan
        last = self.decided[-1] if self.decided else None
        return {
            "rate_hz": (len(ran) - 1) / seconds if len(ran) > 1 else math.nan,
            "missed": last.missed if last else 0,
            "late": last.late if last else 0,
            "waited": sum(not one.reflex for one in ran),
            "age_p50_ms": float(np.percentile(ages, 50)) if len(ages) else math.nan,
            "age_p99_ms": float(np.percentile(ages, 99)) if len(ages) else math.nan,
            "regrasps": sum(
                after.reflex == "open" != before.reflex for before, after in pairwise(ran)
            ),
            "world_late": self.world_late,
            "distance_cm": 100.0 * self.bead_m,
            "length_cm": 100.0 * self.length_m,
            "time_s": seconds,
        }


def write_report(path: Path, record: RunRecord, film: str, facts: Mapping[str, str]) -> None:
    """Write the page.

    Args:
        path: HTML file to write.
        record: of the run.
        film: file beside the page; empty for none.
        facts: how this was made.
    """
    figures = record.figures()
    page = html.render(
        "maze_run.html",
        title="Bead maze, one run over ROS",
        end=record.end,
        tiles=_tiles(record, figures),
        plots=_plots(record),
        film=film,
        reasons=_reasons(record),
        facts=list(facts.items()),
    )
    path.write_text(page, encoding="utf-8")


def _tiles(record: RunRecord, figures: Mapping[str, float]) -> list[tuple[str, str]]:
    return [
        (f"{figures['distance_cm']:.1f} cm", f"of {figures['length_cm']:.1f} cm: {record.end}"),
        (f"{figures['time_s']:.1f} s", "time"),
        (f"{figures['rate_hz']:.2f} Hz", "control"),
        (f"{figures['missed']:.0f}", "control periods missed"),
        (f"{figures['late']:.0f}", "decisions that came too late"),
        (f"{figures['waited']:.0f}", "periods in which the arm waited for touch"),
        (f"{figures['age_p50_ms']:.0f} ms", "image to command, median"),
        (f"{figures['age_p99_ms']:.0f} ms", "image to command, 99 of 100 below"),
        (f"{figures['regrasps']:.0f}", "regrasps"),
    ]


def _plots(record: RunRecord) -> list[Markup]:
    began_s = record.decided[0].time_s if record.decided else 0.0
    loads = [
        _curve(record.loads["left"], began_s, 1.0, "estimate"),
        _curve(record.loads["right"], began_s, 1.0, "other"),
        _curve(record.grips, began_s, 1.0, "mark"),
    ]
    ages = [(one.time_s, one.age_ms) for one in record.decided]
    return [
        plots.line_plot(
            "Bead along the wire", "cm", [_curve(record.bead, began_s, 100.0, "truth")]
        ),
        plots.line_plot(
            "Felt normal force, left, right (dotted); asked of the gripper (dashed)", "N", loads
        ),
        plots.line_plot("Image to command", "ms", [_curve(ages, began_s, 1.0, "estimate")]),
    ]


def _curve(pairs: list[tuple[float, float]], began_s: float, scale: float, style: str) -> Curve:
    table = np.array(pairs, float).reshape(-1, 2)
    table = table[table[:, 0] >= began_s]
    return Curve(table[:, 0] - began_s, scale * table[:, 1], style)


def _reasons(record: RunRecord) -> list[tuple[str, str, str]]:
    """When something began that is not plain following: time, what, why."""
    rows, before = [], ("follow", "")
    for one in record.decided:
        now = one.reflex or "waits", one.reason
        if now != before and one.reason:
            rows.append((f"{one.time_s - record.decided[0].time_s:.1f} s", *now))
        before = now
    return rows
