# SPDX-License-Identifier: Apache-2.0
"""Scores of the streaming model on simulated sequences, beside those of trivial answers.

Everything is scored over the frames in contact, motion over those held since the partner frame.
The perfect speedometer knows the true speed of the contact's centre and nothing else.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.evaluation.metrics import average_precision
from sparsh_ros.training.stream.batches import Batch
from sparsh_ros.training.stream.every_frame import FrameBatch
from sparsh_ros.training.stream.network import Outputs

MOVING_MM_S = 1.0
"""A contact whose centre moves faster than this counts as moving."""
FORCE_RANGE_N = 5.0
"""Fz is also scored over loads up to this, as the official data has them."""


def best_f1(score: NDArray, truth: NDArray) -> tuple[float, float]:
    """Highest F1 of any threshold on scores (n,) of truth (n,) bool, and that threshold; 0 and
    infinity without positives."""
    if not truth.any():
        return 0.0, float("inf")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # equal scores go together
    top = ends[np.argmax(f1[ends])]
    return float(f1[top]), float(score[order][top])


def ranked_precision(score: NDArray, truth: NDArray) -> float:
    """Average precision of scores (n,) of truth (n,) bool; NaN over no samples."""
    return average_precision(score, truth) if len(score) else float("nan")


def stream_scores(outputs: Outputs, batch: Batch) -> dict[str, float]:
    """Score one batch of whole sequences; NaN where there is nothing to score."""
    found = head_scores(outputs.heads, batch)
    for axis, name in enumerate(("x_mm", "y_mm")):
        motion = outputs.motion[..., axis].detach().numpy()
        truth = batch.motion[..., axis].numpy()
        _pair(found, f"centre_{name}", motion, truth, batch.held.numpy(), False)
    return found | _moving_scores(outputs.heads["slip"].detach().numpy(), batch)


def head_scores(heads: dict[str, Tensor], batch: Batch | FrameBatch) -> dict[str, float]:
    """Scores of the heads' outputs (B, T, ...)."""
    heads = {name: value.detach().numpy() for name, value in heads.items()}
    truth = {name: value.numpy() for name, value in vars(batch).items()}
    touch, held, turns = truth["contact"], truth["held"], truth["turns"]
    later = held.copy()
    later[:, 0] = False
    light = touch & (truth["force"][..., 2] <= FORCE_RANGE_N)
    found: dict[str, float] = {}
    for axis, name in enumerate("xyz"):
        _pair(
            found, f"force_{name}_mn", heads["force"][..., axis], truth["force"][..., axis], touch
        )
        delta = truth["delta_force"][..., axis]
        _pair(found, f"delta_{name}_mn", heads["delta_force"][..., axis], delta, later, False)
    _pair(found, "force_z_light_mn", heads["force"][..., 2], truth["force"][..., 2], light)
    for axis, name in enumerate(("x_mm", "y_mm")):
        _pair(found, name, heads["pose"][..., axis], truth["pose"][..., axis], held, False)
    turn = np.rad2deg(truth["pose"][..., 2])
    _pair(found, "turn_deg", np.rad2deg(heads["pose"][..., 2]), turn, turns, False)
    for name in ("share", "margin"):
        _pair(found, name, heads[name], truth[name], touch)
    speed = np.expm1(heads["slide"])
    _pair(found, "slide_mm_s", speed, truth["slide"], touch)
    found["slide_log_correlation"] = _correlation(
        heads["slide"][touch], np.log1p(truth["slide"][touch])
    )
    return found | _ranking("slipping", heads["slip"][touch], truth["slipping"][touch])


def _moving_scores(logits: NDArray, batch: Batch) -> dict[str, float]:
    """Of both labels, the perfect speedometer's, and those of frames that move."""
    touch = batch.contact.numpy()
    speed = np.linalg.norm(batch.motion[..., :2].numpy(), axis=2)
    speed /= batch.interval_s.numpy()[:, None]
    moving = touch & (speed > MOVING_MM_S)
    found = _ranking("gross_slip", logits[touch], batch.gross_slip.numpy()[touch])
    for label in ("slipping", "gross_slip"):
        wanted = getattr(batch, label).numpy()
        found |= _ranking(f"{label}_speedometer", speed[touch], wanted[touch])
        found[f"{label}_moving_ap"] = ranked_precision(logits[moving], wanted[moving])
        found[f"{label}_base"] = float(wanted[touch].mean()) if touch.any() else float("nan")
    return found


def _ranking(name: str, score: NDArray, wanted: NDArray) -> dict[str, float]:
    return {
        f"{name}_ap": ranked_precision(score, wanted),
        f"{name}_f1": best_f1(score, wanted)[0],
    }


def _pair(
    found: dict[str, float],
    name: str,
    value: NDArray,
    truth: NDArray,
    mask: NDArray,
    centred: bool = True,
) -> None:
    """Mean absolute error, and that of the median (or of 0)."""
    value, truth = value[mask].astype(np.float64), truth[mask].astype(np.float64)
    if not len(truth):
        found[name] = found[f"{name}_trivial"] = float("nan")
        return
    guess = np.median(truth) if centred else 0.0
    factor = 1e3 if name.endswith("_mn") else 1.0
    found[name] = factor * float(np.abs(value - truth).mean())
    found[f"{name}_trivial"] = factor * float(np.abs(guess - truth).mean())


def _correlation(first: NDArray, second: NDArray) -> float:
    if len(first) < 2 or not first.std() or not second.std():
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def join_outputs(parts: list[Outputs]) -> Outputs:
    """Outputs of several batches of equal length as one."""
    heads = {name: torch.cat([part.heads[name] for part in parts]) for name in parts[0].heads}
    others = zip(*(part[:-1] for part in parts), strict=True)
    return Outputs(*(torch.cat(values) for values in others), heads)
