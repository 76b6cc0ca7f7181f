# SPDX-License-Identifier: Apache-2.0
"""From a run folder to a weights folder: export the heads worth having, scores and model card."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.errors import WeightsError
from sparsh_ros.evaluation.metrics_file import read_metrics
from sparsh_ros.export.export import export_model
from sparsh_ros.models.loading.encoders import load_model_encoder
from sparsh_ros.models.loading.heads import load_model_heads
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import ENCODER_FILE, HEADS_FILE
from sparsh_ros.training.model_card import render_model_card
from sparsh_ros.training.steps import with_trained_values, write_json
from sparsh_ros.training.tasks import HEAD_NAMES

SCHEMA = 1
SCORES_FILE = "scores.json"
DECISIVE = {"force": ("published_rmse_mn", -1), "slip": ("f1", 1), "pose": ("accuracy", 1)}
"""The score a head must beat the trivial guess in, and its sign: is more better?"""
AXIS_ERRORS = {"tx": "mae_tx_mm", "ty": "mae_ty_mm", "yaw": "mae_yaw_deg"}
"""Axis of the pose head -> the error in which it must beat the guess that nothing moves."""


def collect_scores(run: Path, model: str) -> dict[str, Any]:
    """Join what the steps of a run wrote into one description with all test scores.

    Raises:
        WeightsError: A step has not been run.
    """
    steps = {name: _read_step(run, name) for name in ("mae", "heads", "end_to_end")}
    heads = {}
    for name in HEAD_NAMES:
        found = steps["heads"]["heads"][name]
        seeds = [seed["scores"] for seed in found["seeds"]]
        trivial = steps["heads"]["trivial"][name]
        shipped = seeds[found["pick"]]
        heads[name] = {
            "ships": beats(name, shipped, trivial),
            "shipped": shipped,
            "mean": {key: float(np.mean([s[key] for s in seeds])) for key in shipped},
            "std": {key: _spread([s[key] for s in seeds]) for key in shipped},
            "seeds": found["seeds"],
            "end_to_end": steps["end_to_end"]["scores"][name],
            "trivial": trivial,
        }
    shipped, trivial = (heads["pose"][part] for part in ("shipped", "trivial"))
    axes = [axis for axis, key in AXIS_ERRORS.items() if shipped[key] < trivial[key]]
    return {
        "schema": SCHEMA,
        "model": model,
        "data": steps["heads"]["data"],
        "software": steps["heads"]["software"],
        "commands": [
            *(split["command"] for split in steps["heads"]["data"].values()),
            *(step["command"] for step in steps.values()),
        ],
        "pretraining": _without(steps["mae"], "data", "command", "software"),
        "end_to_end": _without(steps["end_to_end"], "data", "command", "software", "scores"),
        "probes": steps["heads"]["settings"],
        "trained_values": {**steps["heads"]["trained_values"], "pose_axes": axes},
        "scores": heads,
    }


def _spread(values: Sequence[float]) -> float:
    """Standard deviation of a sample, NaN of a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def beats(name: str, scores: Mapping[str, float], trivial: Mapping[str, float]) -> bool:
    """Whether a head is better than the trivial guess where it matters."""
    key, sign = DECISIVE[name]
    return sign * scores[key] > sign * trivial[key]


def publish(run: Path, spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """Write a weights folder from a finished run: ONNX, safetensors, scores and model card.

    Heads that are no better than the trivial guess are left out, and axes of the pose head that are
    not are marked as unknown.

    Returns:
        What was written as `scores.json`.

    Raises:
        WeightsError: A step is missing, or the exported files differ from torch.
    """
    scores = collect_scores(run, spec.name)
    spec = with_trained_values(spec, scores["trained_values"])
    ships = [name for name, entry in scores["scores"].items() if entry["ships"]]
    heads = load_model_heads(ships, spec, run / HEADS_FILE)
    export_model(load_model_encoder(spec, run / ENCODER_FILE), heads, spec, folder)
    _write_scores(scores, spec, folder)
    return scores


def add_evaluation(metrics_path: Path, spec: ModelSpec, folder: Path) -> None:
    """Put what `sparsh-ros evaluate` found on the simulated test set into scores and model card.

    Raises:
        WeightsError: `folder` has no scores, or the metrics are those of another model or of
            other recordings.
        RecordingError: The metrics cannot be read.
    """
    metrics = read_metrics(metrics_path)
    if (found := metrics["model"]["name"]) != spec.name:
        raise WeightsError(f"{metrics_path}: wanted scores of {spec.name}, found those of {found}")
    scores = _read_json(folder / SCORES_FILE, "sparsh-ros train publish")
    simulate, wanted = (scores["data"]["test"][key] for key in ("command", "episodes"))
    if (count := len(metrics["recordings"])) != wanted:
        raise WeightsError(
            f"{metrics_path}: wanted scores of the {wanted} recordings of `{simulate} --bags`, "
            f"found those of {count}"
        )
    words = shlex.split(simulate)
    data = words[words.index("--out") + 1]
    scores["evaluation"] = {
        "commands": [
            f"{simulate} --bags",
            f"sparsh-ros evaluate {data}/test --model {spec.name}",
        ],
        "engine": metrics["runtime"]["engine"],
        "recordings": count,
        "scores": metrics["scores"],
    }
    _write_scores(scores, spec, folder)


def _write_scores(scores: Mapping[str, Any], spec: ModelSpec, folder: Path) -> None:
    write_json(folder / SCORES_FILE, scores)
    (folder / "MODEL_CARD.md").write_text(render_model_card(scores, spec))


def _read_step(run: Path, name: str) -> dict[str, Any]:
    return _read_json(run / f"{name}.json", f"sparsh-ros train {name.replace('_', '-')}")


def _read_json(path: Path, source: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); run `{source}` first") from error


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in names}
