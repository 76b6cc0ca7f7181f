# SPDX-License-Identifier: Apache-2.0
"""The table of all recordings, the worst first, which the page's script sorts by any column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from sparsh_ros.evaluation.result import Result
from sparsh_ros.evaluation.summary import TITLES, number
from sparsh_ros.reports.evaluation.links import link
from sparsh_ros.reports.html import render


class _Column(NamedTuple):
    title: str
    task: str
    key: str
    form: str = ""

    def value(self, entry: Mapping[str, Any]) -> float:
        """Its score of a recording; NaN where there is none, or nothing to be found."""
        scores = entry["scores"].get(self.task, {})
        if self.key == "f1" and not _slips(entry):
            return math.nan
        value = scores.get(self.key)
        return math.nan if value is None else float(value)

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return TITLES[self.task][self.key].sign

    @property
    def worst(self) -> str:
        """The order in which the worst comes first, as `aria-sort` names it."""
        return "descending" if self.sign < 0 else "ascending"


_COLUMNS = (
    _Column("force, MAE, mN", "force", "published_rmse_mn"),
    _Column("force z, MAE, mN", "force", "mae_z_mn"),
    _Column("slip F1", "slip", "f1", ".2f"),
    _Column("event F1", "slip", "event_f1", ".2f"),
    _Column("onsets missed", "slip", "missed_onsets", ".0f"),
    _Column("delay, mean, ms", "slip", "delay_mean_ms", ".0f"),
    _Column("false alarms per min", "slip", "false_alarms_per_minute"),
    _Column("motion, 11-bin accuracy", "pose", "accuracy", ".2f"),
    _Column("drift, mm/s", "pose", "drift_mm_per_s"),
)
_ORDER = (_COLUMNS[0], _COLUMNS[2], _COLUMNS[7])  # the first that is known decides


def worst_first(result: Result) -> list[int]:
    """Numbers of the result's sensors that have frames, by the first score there is: of force,
    else of slip, else of motion; those without it last."""
    entries = result.metrics["recordings"]
    indices = [index for index, sensor in enumerate(result.sensors) if len(sensor.estimates)]
    column = next((c for c in _ORDER if c.task in result.metrics["scores"]), _ORDER[0])
    values = {index: column.value(entries[index]) for index in indices}
    return sorted(
        indices,
        key=lambda index: (math.isnan(values[index]), column.sign * _known(values[index])),
    )


def recordings_section(result: Result, order: Sequence[int]) -> Markup:
    """The table as HTML; `order` from `worst_first`."""
    entries = [result.metrics["recordings"][index] for index in order]
    columns = [column for column in _COLUMNS if column.task in result.metrics["scores"]]
    return render(
        "evaluation/recordings.html",
        columns=columns,
        first=next((column for column in _ORDER if column in columns), None),
        rows=[_row(index, entry, columns) for index, entry in enumerate(entries)],
    )


def _row(index: int, entry: Mapping[str, Any], columns: Sequence[_Column]) -> dict[str, object]:
    return {
        "link": link(index),
        "name": entry["name"],
        "sensor": entry["sensor"],
        "sensor_type": entry["sensor_type"],
        "frames": f"{entry['frames']['received']:,}",
        "cells": [_cell(column, column.value(entry)) for column in columns],
    }


def _cell(column: _Column, value: float) -> dict[str, str | None]:
    if math.isnan(value):
        return {"value": None, "text": "-"}
    text = format(value, column.form) if column.form else number(value)
    return {"value": f"{value:.6g}", "text": text}


def _slips(entry: Mapping[str, Any]) -> bool:
    """Whether anything slips there, in truth or by the estimate; else F1 is 0 for no fault."""
    sums = entry["sums"].get("slip", {})
    return any(sums.get(key) for key in ("hits", "misses", "false_alarms"))


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value
