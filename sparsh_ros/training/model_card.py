# SPDX-License-Identifier: Apache-2.0
"""MODEL_CARD.md from the scores of a run: every number in it comes from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsh_ros.evaluation.summary import TITLES, number, span
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import POSE_AXES

ROWS = {
    "force": (
        ("mae_x_mn", "MAE x (mN)"),
        ("mae_y_mn", "MAE y (mN)"),
        ("mae_z_mn", "MAE z (mN)"),
        ("mae_norm_mn", "MAE of the norm (mN)"),
        ("rmse_x_mn", "RMSE x (mN)"),
        ("rmse_y_mn", "RMSE y (mN)"),
        ("rmse_z_mn", "RMSE z (mN)"),
        ("rmse_norm_mn", "RMSE of the norm (mN)"),
        ("published_rmse_mn", "mean absolute error, published as RMSE (mN)"),
    ),
    "slip": (
        ("f1", "F1"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("average_precision", "average precision"),
        ("delta_mae_x_mn", "force change, MAE x (mN)"),
        ("delta_mae_y_mn", "force change, MAE y (mN)"),
        ("delta_mae_z_mn", "force change, MAE z (mN)"),
    ),
    "pose": (
        ("accuracy_tx", "11-bin accuracy x"),
        ("accuracy_ty", "11-bin accuracy y"),
        ("accuracy_yaw", "11-bin accuracy yaw"),
        ("accuracy", "11-bin accuracy, mean"),
        ("balanced_accuracy", "11-bin accuracy, bins counted alike"),
        ("mae_tx_mm", "MAE x (mm)"),
        ("mae_ty_mm", "MAE y (mm)"),
        ("mae_yaw_deg", "MAE yaw (degrees)"),
    ),
}
TRIVIAL = {
    "force": "mean force",
    "slip": "always slipping",
    "pose": "commonest bin, no motion",
}


def render_model_card(scores: Mapping[str, Any], spec: ModelSpec) -> str:
    """Render the model card of a weights folder as Markdown.

    Args:
        scores: What `publish.collect_scores` returned, with what `publish.add_evaluation` added.
        spec: The model.
    """
    parts = [
        _introduction(spec),
        _tables(scores),
        *([_evaluation(scores["evaluation"])] if "evaluation" in scores else []),
        _data(scores["data"]),
        _training(scores),
        _limits(scores["data"]),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(spec: ModelSpec) -> str:
    return f"""# {spec.name}

A small touch encoder in the Sparsh architecture (embed_dim {spec.embed_dim}, {spec.depth} blocks, \
{spec.num_heads} attention heads, patch {spec.patch_size}, {spec.image_height} x \
{spec.image_width}, two frames {spec.interval_s * 1e3:.0f} ms apart), pre-trained without labels \
on simulated touch, and attentive heads for force, slip and planar motion trained on the frozen \
encoder with simulated labels.

Licence: {spec.licence}. Trained from scratch on the simulated gel of this package alone; no \
weights, images or labels of anyone else went in.

Files: `encoder.onnx` and one `<head>.onnx` per head (preprocessing inside, weights stored as \
float16, computed in float32), the same weights as `.safetensors`, `heads.json` (slip threshold, \
motion bins), `scores.json` (every number below and more)."""


def _tables(scores: Mapping[str, Any]) -> str:
    test, validation = scores["data"]["test"], scores["data"]["validation"]
    seeds = len(scores["probes"]["seeds"])
    text = [
        "## Held-out scores",
        f"Test set: {test['episodes']} sensor instances that training never saw, touched by shapes "
        f"that training never saw ({', '.join(test['kinds'])}); {test['pairs']:,} frame pairs. "
        f"Chosen on {validation['episodes']} further instances: epoch, learning rate and slip "
        "threshold. *Shipped* is the head in this folder (the seed with the lowest validation "
        f"loss); *mean ± std* is over {seeds} seeds of the head; *end to end* is the same network "
        "trained from scratch on the same labels; *trivial* needs no sensor.",
    ]
    for name, entry in scores["scores"].items():
        text.append(_table(name, entry))
    axes = scores["trained_values"]["pose_axes"]
    if unknown := [axis for axis in POSE_AXES if axis not in axes]:
        text.append(
            f"The error of {', '.join(unknown)} is no smaller than that of guessing no motion, so "
            "the model says NaN there."
        )
    return "\n\n".join(text)


def _table(name: str, entry: Mapping[str, Any]) -> str:
    ships = "" if entry["ships"] else " (not shipped: no better than the trivial guess)"
    lines = [
        f"### {name.capitalize()}{ships}",
        "",
        f"| | shipped | mean ± std | end to end | trivial ({TRIVIAL[name]}) |",
        "|---|---:|---:|---:|---:|",
    ]
    for key, title in ROWS[name]:
        shipped, mean, std = (_number(key, entry[part][key]) for part in ("shipped", "mean", "std"))
        others = [_number(key, entry[part][key]) for part in ("end_to_end", "trivial")]
        lines.append(f"| {title} | {shipped} | {mean} ± {std} | {others[0]} | {others[1]} |")
    return "\n".join(lines)


def _evaluation(evaluation: Mapping[str, Any]) -> str:
    lines = [
        "## Scores of the live path",
        "",
        "The same sensors and shapes as recordings, every frame of them through what the live "
        "nodes run: pairing, contact and thresholds included, no frame thinned out. These commands "
        f"print it again, to the digit, on {evaluation['engine']}:",
        "",
        "```",
        *evaluation["commands"],
        "```",
        "",
        f"| {evaluation['recordings']} recordings | score | 95 % interval | unit |",
        "|---|---:|---:|---|",
    ]
    for task, titles in TITLES.items():
        for key, title in titles.items():
            score = evaluation["scores"].get(task, {}).get(key, {"value": None})
            if score["value"] is not None:
                between = span(score["low"], score["high"])
                value = number(score["value"])
                lines.append(f"| {task}: {title.text} | {value} | {between} | {title.unit} |")
    return "\n".join(lines)


def _number(key: str, value: float) -> str:
    return f"{value:.0f}" if key.endswith("_mn") else f"{value:.3f}"


def _data(data: Mapping[str, Any]) -> str:
    lines = [
        "## Data",
        "",
        "| split | instances | instance seeds | sensors | shapes | pairs | in contact | slipping |",
        "|---|---:|---|---|---|---:|---:|---:|",
    ]
    for split, d in data.items():
        first, last = d["instance_seeds"]
        lines.append(
            f"| {split} | {d['episodes']} | {first} to {last} | {', '.join(d['sensors'])} | "
            f"{', '.join(d['kinds'])} | {d['pairs']:,} | {d['in_contact']:,} | {d['slipping']:,} |"
        )
    lines += ["", "Pairs without contact are thinned to at most a fifth in every split."]
    return "\n".join(lines)


def _training(scores: Mapping[str, Any]) -> str:
    mae, end, probes = scores["pretraining"], scores["end_to_end"], scores["probes"]
    commands = "\n".join(scores["commands"])
    return f"""## Training

```
{commands}
```

- Pre-training: masked autoencoder, 75 % of the patches hidden, seed {mae["settings"]["seed"]}, \
{mae["steps"]:,} steps of {mae["settings"]["batch"]} pairs in {mae["seconds"] / 60:.0f} minutes, \
peak learning rate {mae["settings"]["rate"]:g}.
- Heads: Adam, learning rates {", ".join(f"{r:g}" for r in probes["rates"])} tried, batch \
{probes["batch"]}, at most {probes["epochs"]} epochs, seeds \
{", ".join(map(str, probes["seeds"]))}.
- End to end: seed {end["settings"]["seed"]}, {end["steps"]:,} steps of \
{end["settings"]["batch"]} pairs in {end["seconds"] / 60:.0f} minutes, peak learning rate \
{end["settings"]["rate"]:g}. It saw {end["pairs"]:,} pairs, pre-training {mae["pairs"]:,}: read \
the comparison as one at these budgets, not as what either can reach.
- torch {scores["software"]["torch"]} on a CPU, bfloat16 where torch's autocast allows. Schedules \
run over wall-clock time, so another machine takes another number of steps and its scores differ \
a little."""


def _limits(data: Mapping[str, Any]) -> str:
    return f"""## Limits

- Scores are for simulated sensors. Images of real sensors run through the same graph, but forces \
on them are not calibrated; expect the sign and the trend, not the newton.
- Trained on {" and ".join(data["train"]["sensors"])}; other sensors need their own data.
- Motion is the change of the pose over the interval while the object stays in contact; integrated \
pose drifts."""
