# SPDX-License-Identifier: Apache-2.0
"""What the streaming model is trained towards: every label that the simulator gives.

Errors of quantities count as the negative log likelihood of a Laplace distribution whose scale the
network gives too (Kendall and Gal, 2017): its mode is the median, which has the least absolute
error, and its variance is 2 b^2. A plain absolute error beside it keeps hard cases in play.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.models.streaming.network import PRESSURE, STRETCH, TURN_MM
from sparsh_ros.perception.streaming.friction_observer import LIMITS_MM3_PER_N
from sparsh_ros.training.stream.batches import Batch
from sparsh_ros.training.stream.every_frame import FrameBatch
from sparsh_ros.training.stream.network import Outputs

WEIGHTS = {
    "pressure": 2.0,
    "cover": 1.0,
    "seen": 2.0,
    "stretch": 2.0,
    "friction": 0.05,
    "motion": 0.5,
    "force": 1.0,
    "delta_force": 0.4,
    "pose": 0.4,
    "slide": 0.5,
    "share": 0.2,
    "margin": 0.4,
    "slip": 2.0,
    "contact": 1.0,
}
HEAD_WEIGHTS = WEIGHTS | {"slip": 6.0}
"""Of the second stage: when slip begins is what stepping from frame to frame is for."""
_PLAIN = 0.5


def losses(outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
    """Each loss of a batch, unweighted."""
    contact, held = batch.contact.float(), batch.held.float()
    pressure, cover = batch.maps[:, :, 0], batch.maps[:, :, 1]
    stretch = batch.maps[:, :, 2:]
    touching = cover.sum((2, 3)).clamp(min=1.0)
    over = contact / touching
    found = {
        "pressure": _pressure(outputs.pressure, pressure, touching),
        "cover": F.binary_cross_entropy(outputs.cover.clamp(1e-5, 1 - 1e-5), cover.clamp(0, 1)),
        "seen": _map_error(outputs.seen, stretch, over),
        "stretch": _map_error(outputs.stretch, stretch, over),
        "friction": _friction(outputs.log_weight, batch, contact),
        "motion": _motion(outputs.motion, outputs.motion_scale, batch.motion, batch, held),
    }
    return found | head_losses(outputs.heads, batch)


def head_losses(heads: dict[str, Tensor], batch: Batch | FrameBatch) -> dict[str, Tensor]:
    """Those of the heads' outputs (B, T, ...)."""
    contact, held = batch.contact.float(), batch.held.float()
    lasting = torch.cat([held[:, :1] * 0, held[:, 1:]], 1)  # the first step has no history
    pose_scale = heads["pose_scale"].log()
    found = {
        "pose": _motion(heads["pose"], pose_scale, batch.pose, batch, held),
        "force": _laplace(heads["force"], heads["force_scale"], batch.force, None),
        "delta_force": _laplace(
            heads["delta_force"], heads["delta_force_scale"], batch.delta_force, lasting[..., None]
        ),
    }
    slide = torch.log1p(batch.slide)
    for name, wanted in (("slide", slide), ("share", batch.share), ("margin", batch.margin)):
        found[name] = _laplace(heads[name], heads[f"{name}_scale"], wanted, contact)
    slipping = F.binary_cross_entropy_with_logits(
        heads["slip"], batch.slipping.float(), reduction="none"
    )
    found["slip"] = _mean(slipping, contact)
    found["contact"] = F.binary_cross_entropy_with_logits(heads["contact"], contact)
    return found


def total_loss(parts: dict[str, Tensor], weights: Mapping[str, float] = WEIGHTS) -> Tensor:
    """Weighted sum."""
    return sum(weights[name] * value for name, value in parts.items())


def _pressure(found: Tensor, wanted: Tensor, touching: Tensor) -> Tensor:
    """Error in the terms of the map, and of its sum: the load."""
    error = _smooth((found - wanted) / PRESSURE).sum((2, 3))
    load = ((found - wanted).sum((2, 3))).abs() / PRESSURE
    return ((error + load) / (touching + 3.0)).mean()


def _map_error(found: Tensor, wanted: Tensor, over: Tensor) -> Tensor:
    """Error of a map of stretch, and of its sum: the shear."""
    error = _smooth((found - wanted) / STRETCH).sum((2, 3, 4))
    shear = ((found - wanted) / STRETCH).sum((3, 4)).abs().sum(2)
    return ((error + 0.5 * shear) * over).mean()


def _smooth(error: Tensor) -> Tensor:
    """Quadratic below 0.3: a plain absolute error would learn the median, which is 0 nearly
    everywhere."""
    return F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.3)


def _friction(log_weight: Tensor, batch: Batch, contact: Tensor) -> Tensor:
    """How unlikely the true friction is, where the hypotheses are two tenths wide."""
    centres = torch.log(torch.tensor(LIMITS_MM3_PER_N, device=log_weight.device))
    off = (torch.log(batch.limit)[:, None] - centres) / 0.3
    likely = torch.logsumexp(log_weight - 0.5 * off[:, None] ** 2, 2)
    return _mean(-likely, contact)


def _motion(
    found: Tensor, log_scale: Tensor, wanted: Tensor, batch: Batch | FrameBatch, held: Tensor
) -> Tensor:
    unit = torch.tensor([1.0, 1.0, TURN_MM], device=found.device)
    mask = torch.stack([held, held, batch.turns.float()], 2)
    return _laplace(found * unit, torch.exp(log_scale), wanted * unit, mask, 3.0)


def _laplace(
    found: Tensor, scale: Tensor, wanted: Tensor, mask: Tensor | None, plain: float = _PLAIN
) -> Tensor:
    error = (found - wanted).abs()
    loss = error / scale + torch.log(scale) + plain * error
    return loss.mean() if mask is None else _mean(loss, mask)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    mask = mask.expand_as(values)
    return (values * mask).sum() / mask.sum().clamp(min=1.0)
