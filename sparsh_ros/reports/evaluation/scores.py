# SPDX-License-Identifier: Apache-2.0
"""The scores of the whole evaluation: a few to be seen first, then all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from sparsh_ros.evaluation.result import Result
from sparsh_ros.evaluation.summary import TITLES, Title, baselines, number, span
from sparsh_ros.reports.html import render

HEADINGS = {"force": "Force", "contact": "Contact", "slip": "Slip", "pose": "Motion"}


def first_figures(result: Result) -> list[tuple[str, str]]:
    """The few scores that say most, each with a few words."""
    scores = result.metrics["scores"]
    cells = []
    if "force" in scores:
        axes = " / ".join(_short(scores["force"][f"mae_{axis}_mn"], ".0f") for axis in "xyz")
        cells.append((f"{axes} mN", "force x / y / z, mean absolute error"))
    if "slip" in scores:
        slip = scores["slip"]
        cells.append((_short(slip["f1"], ".2f"), f"slip, F1{_between(slip['f1'])}"))
        missed, onsets = (_short(slip[key], ".0f") for key in ("missed_onsets", "onsets"))
        if slip["onsets"]["value"]:
            cells.append((_short(slip["event_f1"], ".2f"), "slip events, F1"))
            text = f"from onset to alarm, median; {missed} of {onsets} missed"
            cells.append((f"{_short(slip['delay_median_ms'], '.0f')} ms", text))
        cells.append(
            (f"{_short(slip['false_alarms_per_minute'], '.1f')} / min", "false alarms of slip")
        )
    if "pose" in scores:
        cells.append(_motion(scores["pose"]))
    speed = f"{result.runtime.frames_per_second:.0f} frames/s"
    return [*cells, (speed, "evaluated on this machine")]


def scores_section(result: Result) -> Markup:
    """All scores by task, as HTML."""
    scores = result.metrics["scores"]
    tables = [
        (
            HEADINGS[task],
            [
                {
                    "name": _name(title),
                    "meaning": title.meaning,
                    "value": number(score["value"]),
                    "interval": span(score["low"], score["high"]),
                    "baselines": baselines(score),
                }
                for key, title in TITLES[task].items()
                if (score := scores[task].get(key)) and score["value"] is not None
            ],
        )
        for task in scores
    ]
    return render("evaluation/scores.html", tables=tables)


def _motion(pose: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Accuracy where the model has bins of motion, else the error."""
    accuracy = pose["accuracy"]
    if accuracy["value"] is not None:
        return _short(accuracy, ".2f"), f"motion, 11-bin accuracy{_between(accuracy)}"
    errors = " / ".join(_short(pose[f"mae_{axis}_mm"], ".3f") for axis in ("tx", "ty"))
    return f"{errors} mm", "motion x / y, mean absolute error"


def _name(title: Title) -> str:
    return f"{title.text}, {title.unit}" if title.unit else title.text


def _short(score: Mapping[str, Any], form: str) -> str:
    return "-" if score["value"] is None else format(score["value"], form)


def _between(score: Mapping[str, Any]) -> str:
    return "" if score["low"] is None else f" (95 %: {score['low']:.2f} to {score['high']:.2f})"
