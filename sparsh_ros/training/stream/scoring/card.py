# SPDX-License-Identifier: Apache-2.0
"""MODEL_CARD.md of the streaming model: every number in it comes from its scores and from what was
chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsh_ros.names import STREAM_MODEL

SIMULATED = {
    "slip_f1": "slip, frames: F1 of the probability",
    "slip_alarm_f1": "slip, frames: F1 of the alarm",
    "slip_ap": "slip, frames: average precision",
    "slip_moving_ap": "slip, moving frames: average precision",
    "gross_slip_ap": "gross slip (the old label): average precision",
    "event_f1": "slip, events: F1",
    "events_found": "slip, events: found",
    "false_per_min": "slip, events: false alarms per quiet minute",
    "unfounded_per_min": "slip, events: of these without slip within 83 ms",
    "delay_ms": "slip, events: median delay (ms)",
    "contact_f1": "contact: F1",
    "force_x_mn": "force x: MAE (mN)",
    "force_y_mn": "force y: MAE (mN)",
    "force_z_mn": "force z: MAE (mN)",
    "force_z_light_mn": "force z up to 5 N: MAE (mN)",
    "force_within_sd": "force: share within one standard deviation (.76 is right)",
    "delta_x_mn": "change of force x: MAE (mN)",
    "delta_y_mn": "change of force y: MAE (mN)",
    "delta_z_mn": "change of force z: MAE (mN)",
    "x_mm": "motion x over 83 ms: MAE (mm)",
    "y_mm": "motion y over 83 ms: MAE (mm)",
    "drift_mm_s": "drift of the pose since contact began (mm/s)",
    "turn_deg": "rotation over 83 ms where told: MAE (degrees)",
    "turn_deg_coverage": "rotation: told on this share of the frames that show it",
    "slide_mm_s": "sliding speed: MAE (mm/s)",
    "share": "share that slides: MAE",
    "margin": "friction margin: MAE",
}
_COLUMNS = (STREAM_MODEL, "sparsh-sim-micro", "speedometer")


def render_card(scores: Mapping[str, Any], chosen: Mapping[str, Any], notes: str) -> str:
    """The card as Markdown.

    Args:
        scores: What `sparsh-ros train stream-scores --out` wrote.
        chosen: `chosen.json` beside the weights.
        notes: Commands, budgets, what did not work: Markdown.
    """
    parts = [_INTRODUCTION, _simulated(scores), _real(scores), _chosen(chosen), notes.strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


_INTRODUCTION = f"""# {STREAM_MODEL}

A small network with memory: a convolutional encoder of two frames 83 ms apart, shrunk to 80 x 60,
gives maps of pressure and skin stretch on 20 x 15 cells and the motion of the object; a friction
observer (elastic foundation with Coulomb's limit, five hypotheses of friction weighted by the
evidence, drawn to the seen stretch by a learned gain) follows the contact; heads with a gated
recurrent unit join both and give every quantity with a variance. Trained end to end from scratch on
the simulated gel of this package alone. Licence: Apache-2.0.

Files: `encoder.onnx` (takes images of 80 x 60), `heads.onnx`, the same weights as `.safetensors`,
`heads.json` (thresholds, prior of friction), `chosen.json` (what was chosen on validation),
`scores.json` (every number below and more). The observer between the two graphs is
`sparsh_ros/perception/streaming/friction_observer.py`, on NumPy live and on torch in training."""


def _simulated(scores: Mapping[str, Any]) -> str:
    found = scores["simulated"]
    columns = [name for name in _COLUMNS if name in found]
    lines = [
        "## Test split",
        "",
        f"{scores['episodes']} sensor instances and shapes that training never saw, every frame "
        "through the live path. *Speedometer* knows the object's true speed and nothing else "
        "(slip from 1.0 mm/s until below 0.5); *trivial* is the median, no change, no motion, or "
        "always slipping. Loads reach 15 N (DIGIT) and 10 N (Mini), so errors in millinewtons do "
        "not compare with those of scores up to 5 N.",
        "",
        f"| | {' | '.join(columns)} | trivial |",
        f"|---|{'---:|' * (len(columns) + 1)}",
    ]
    for key, title in SIMULATED.items():
        values = [found[name].get(key) for name in columns]
        own = found[STREAM_MODEL]
        trivial = own.get(f"{key}_trivial", found["trivial"].get(key))
        lines.append(f"| {title} | {' | '.join(map(_number, [*values, trivial]))} |")
    return "\n".join(lines)


def _real(scores: Mapping[str, Any]) -> str:
    if "real" not in scores:
        return ""
    found = scores["real"]
    lines = [
        "## Real gels, zero-shot",
        "",
        "Nothing was tuned on these. One recording with forces, so take its correlations as "
        "+-0.1; the grasps have one label each and count by the mean slip probability in contact.",
        "",
        f"| | {' | '.join(found)} |",
        f"|---|{'---:|' * len(found)}",
    ]
    for key in found[STREAM_MODEL]:
        lines.append(f"| {key} | {' | '.join(_number(each.get(key)) for each in found.values())} |")
    return "\n".join(lines)


def _chosen(chosen: Mapping[str, Any]) -> str:
    events = chosen["validation_events"]
    turns = chosen["turn_anisotropy"]
    rotation = (
        "no anisotropy at which rotation was worth telling, so it is always NaN"
        if turns > 1
        else f"rotation from an anisotropy of {turns} on"
    )
    unshipped = ", ".join(chosen["unshipped"]) or "none"
    lines = [
        "## Chosen on validation",
        "",
        f"- run: {chosen['run']}, the lowest validation loss of {len(chosen['runs'])};",
        f"- slip from a probability of {chosen['slip_threshold']} until below "
        f"{chosen['slip_release']}, once it has stayed there for "
        f"{1e3 * chosen['slip_confirm_s']:.0f} ms (event F1 {events['f1']:.3f}, "
        f"{events['false_per_min']:.2f} false alarms a minute, "
        f"{events['unfounded_per_min']:.2f} of them without slip within 83 ms; delay "
        f"{1e3 * events['delay_s']:.0f} ms, {events['events']} events);",
        f"- a single frame slips from a probability of {chosen['slip_frame_threshold']} (F1 "
        f"{events['frame_f1']:.3f});",
        f"- {rotation};",
        f"- outputs left out because they do not beat a guess: {unshipped};",
        "- factors of the predicted scales: "
        + ", ".join(f"{name} {value:.2f}" for name, value in chosen["calibration"].items())
        + ".",
    ]
    for name, run in chosen["runs"].items():
        lines.append(
            f"- {name}: " + ", ".join(f"{k} {v}" for k, v in run.items() if k != "settings")
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
