# SPDX-License-Identifier: Apache-2.0
"""Runs side by side on episodes that none of them saw: what each part of the model is worth.

Runs that differ by their seed alone are one group, with the mean over its seeds and their standard
deviation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.errors import WeightsError
from sparsh_ros.training.schedule import BEST, load_checkpoint
from sparsh_ros.training.stream.episodes import StreamEpisode
from sparsh_ros.training.stream.every_frame import whole_touches
from sparsh_ros.training.stream.network import StreamNetwork
from sparsh_ros.training.stream.settings import SHAPE
from sparsh_ros.training.stream.validation import evaluate_network, score_heads, whole_batches

COMPARED = (
    "slipping_f1",
    "slipping_ap",
    "slipping_moving_ap",
    "force_x_mn",
    "force_y_mn",
    "force_z_light_mn",
    "x_mm",
    "y_mm",
    "turn_deg",
    "slide_log_correlation",
    "event_f1",
    "false_per_min",
)
_NO_DIFFERENCE = ("seed", "start")


def compare_runs(
    runs: Sequence[Path],
    load: Callable[[int], list[StreamEpisode]],
    exact: Sequence[str] = (),
) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Score finished runs.

    Args:
        runs: folders of `sparsh-ros train stream`.
        load: gives episodes of equal length, from a split that no run learned from, with images
            so many times finer than 80 x 60.
        exact: what observer and heads are told as it truly is, see `StreamNetwork.see`.

    Returns:
        By group, named by the settings that set it apart, and by score: mean, standard deviation
        over the seeds (NaN for one), number of seeds.

    Raises:
        WeightsError: A run is not finished.
    """
    settings = [_settings(run) for run in runs]
    apart = [key for key in settings[0] if len({str(each[key]) for each in settings}) > 1]
    groups: dict[str, list[dict[str, float]]] = {}
    episodes = {}
    for run, own in zip(runs, settings, strict=True):
        network = StreamNetwork(**{key: own[key] for key in SHAPE if key in own})
        network.load_state_dict(load_checkpoint(run / BEST)["network"])
        detail = own.get("detail", 1)
        seen = episodes[detail] = episodes.get(detail) or load(detail)
        if own.get("second_stage"):
            scores = score_heads(network, whole_touches(network, seen, exact=exact))
        else:
            _, scores = evaluate_network(network, whole_batches(seen), exact)
        name = ", ".join(f"{key} {own[key]}" for key in apart) or "all"
        groups.setdefault(name, []).append(scores)
    return {name: _spread(scores) for name, scores in groups.items()}


def _settings(run: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads((run / "run.json").read_text())["settings"]
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{run}: wanted the run.json of a finished `sparsh-ros train stream` ({error})"
        ) from error
    return {key: value for key, value in settings.items() if key not in _NO_DIFFERENCE}


def _spread(scores: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float, int]]:
    found = {}
    for name in COMPARED:
        values = np.array([each.get(name, np.nan) for each in scores])
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        found[name] = float(values.mean()), spread, len(values)
    return found
