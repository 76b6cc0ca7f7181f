# SPDX-License-Identifier: Apache-2.0
"""Scores of what a graph said live about a recording with labels, beside those of an evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.table import Table

from sparsh_ros.evaluation.metrics_file import rounded
from sparsh_ros.evaluation.result import UNKNOWN, Estimates, SensorResult
from sparsh_ros.evaluation.scores import accumulate_tasks, compute_scores
from sparsh_ros.evaluation.summary import TITLES, Number, number
from sparsh_ros.nodes.replay.difference import unique_rows
from sparsh_ros.nodes.replay.live_estimates import LiveEstimates

Scores = dict[str, dict[str, Number]]

SHOWN = {
    "force": ("coverage", "mae_x_mn", "mae_y_mn", "mae_z_mn"),
    "contact": ("coverage", "f1"),
    "slip": ("coverage", "f1", "event_f1", "false_alarms_per_minute"),
    "pose": ("coverage", "mae_tx_mm", "mae_ty_mm"),
}
"""Task -> the scores that a live graph can be given: `sparsh-ros evaluate` has all."""

_NUMBERS = {
    "force_n": "force",
    "slip_probability": "slip probability",
    "delta_force_n": "change of force",
    "pose_change": "motion",
    "pose": "pose",
}
_DECISIONS = {"in_contact": "in contact", "slipping": "slipping"}
"""Fields of `Estimates` -> the quantity that was published."""


def live_and_offline(offline: SensorResult, live: LiveEstimates) -> dict[str, Scores]:
    """ "live", "offline" -> task -> score; tasks without labels are left out.

    Args:
        offline: An evaluation of the recording.
        live: What was published of its frames with stamps of their own.
    """
    heard = replace(offline, estimates=_as_estimates(offline.estimates, live))
    return {"live": _scores(heard), "offline": _scores(offline)}


def score_table(sensor: str, scores: dict[str, Scores]) -> Table:
    """Both, for a terminal."""
    table = Table("score", "live", "offline", "unit", title=f"{sensor}: scores against the labels")
    for task, values in scores["live"].items():
        for key, value in values.items():
            title = TITLES[task][key]
            beside = scores["offline"][task][key]
            table.add_row(f"{task}: {title.text}", number(value), number(beside), title.unit)
    return table


def _scores(sensor: SensorResult) -> Scores:
    found = {task: compute_scores(task, sums) for task, sums in accumulate_tasks(sensor).items()}
    return {
        task: {key: rounded(values[key]) for key in SHOWN[task]} for task, values in found.items()
    }


def _as_estimates(offline: Estimates, live: LiveEstimates) -> Estimates:
    """The live values in the rows of their frames; unknown where none came, or of another pair."""
    rows = unique_rows(offline.stamp_ns)
    same_pair = (live.interval_ns < 0) | (live.interval_ns == offline.interval_ns[rows])
    rows = rows[same_pair]
    fields = {}
    for field, quantity in (_NUMBERS | _DECISIONS).items():
        old = getattr(offline, field)
        nothing = UNKNOWN if field in _DECISIONS else np.nan
        fields[field] = np.full_like(old, nothing)
        if quantity in live.values:
            new = live.values[quantity][same_pair]
            fields[field][rows] = np.where(np.isnan(new), nothing, new).reshape(old[rows].shape)
    return replace(offline, **fields)
