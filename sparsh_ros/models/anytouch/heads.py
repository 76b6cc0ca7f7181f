# SPDX-License-Identifier: Apache-2.0
"""Heads on the tokens of AnyTouch: the force head of AnyTouch 2, and linear probes.

Parameter names are those of the published probes.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import ModelError
from sparsh_ros.models.anytouch.tower import NORM_EPS
from sparsh_ros.models.checkpoints.anytouch.config import (
    FORCE_LIMITS_N,
    SENSOR_IDS,
    AnyTouchConfig,
)
from sparsh_ros.models.checkpoints.anytouch.heads import (
    LINEAR,
    POOLED,
    AnyTouchHeadConfig,
    linear_layer,
)
from sparsh_ros.models.heads import Head

_BEFORE_PATCHES = 1 + AnyTouchConfig.sensor_tokens


class _ForceProbe(Head):
    task, outputs = "force", ("force",)
    probes: ClassVar = {"probe": (3, nn.ReLU)}

    def forward(self, tokens: Tensor) -> Tensor:
        return self.probe(self.pooler(tokens))


class AnyTouchForceHead(nn.Module):
    """Force head of AnyTouch 2 (Feng et al., 2026, arXiv:2602.09617)."""

    task: ClassVar[str] = "force"
    outputs: ClassVar[tuple[str, ...]] = ("force",)

    def __init__(self, embed_dim: int, num_heads: int, mlp_dim: int, hidden: int) -> None:
        """Build a head with fresh weights; sizes as `AnyTouchHeadConfig` has them."""
        super().__init__()
        self.head = _ForceProbe(embed_dim, num_heads, mlp_dim, hidden)

    def forward(self, tokens: Tensor, sensor: int | str | None = None) -> dict[str, Tensor]:
        """Estimate the force.

        Args:
            tokens: (B, N, D), all that the encoder gives.
            sensor: Id or name of the sensor that all of them are of; None leaves the outputs as
                the network gives them, shares of the largest force of a sensor.

        Returns:
            {"force": (B, 3)}: x, y, and z, the compression; in newtons if a sensor is given.

        Raises:
            ModelError: The sensor has no scale of forces.
        """
        shares = self.head(tokens)
        if sensor is None:
            return {"force": shares}
        return {"force": shares * shares.new_tensor(force_limits_n(sensor))}


class LinearHead(nn.Module):
    """Linear probe of AnyTouch: tokens (B, N, D) -> {task: (B, classes) logits}.

    It reads the class token after the encoder's last norm and projection, which it brings along; a
    probe of `POOLED` the mean of the patches, projected.
    """

    def __init__(self, task: str, embed_dim: int, projection_dim: int) -> None:
        """Build a head with fresh weights; a task of `LINEAR`, sizes of `AnyTouchHeadConfig`."""
        super().__init__()
        self.task, self.outputs = task, (task,)
        self.post_layernorm = nn.LayerNorm(embed_dim, eps=NORM_EPS)
        self.touch_projection = nn.Linear(embed_dim, projection_dim, bias=False)
        layer = nn.Linear(projection_dim, LINEAR[task])
        nn.init.trunc_normal_(layer.weight, std=0.01)
        self.add_module(linear_layer(task), layer)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        if self.task in POOLED:
            vector = tokens[:, _BEFORE_PATCHES:].mean(dim=1)
        else:
            vector = self.post_layernorm(tokens[:, 0])
        logits = self.get_submodule(linear_layer(self.task))(self.touch_projection(vector))
        # One number tells two classes: the second against the first.
        return {self.task: F.pad(logits, (1, 0)) if LINEAR[self.task] == 1 else logits}


def force_limits_n(sensor: int | str) -> tuple[float, float, float]:
    """Newtons (x, y, z) at an output of 1, for a sensor by id or name.

    Raises:
        ModelError: The sensor has no scale of forces.
    """
    names = [name for name in FORCE_LIMITS_N if sensor in (name, SENSOR_IDS[name])]
    if not names or isinstance(sensor, bool):
        known = ", ".join(f"{name} ({SENSOR_IDS[name]})" for name in FORCE_LIMITS_N)
        raise ModelError(f"force head: wanted sensor {known}, found {sensor!r}")
    return FORCE_LIMITS_N[names[0]]


def build_anytouch_head(
    config: AnyTouchHeadConfig, num_heads: int | None = None
) -> AnyTouchForceHead | LinearHead:
    """Build a head with fresh weights.

    Raises:
        WeightsError: The attention heads do not divide the embed_dim.
    """
    if config.task == "force":
        heads = config.complete_num_heads(num_heads)
        return AnyTouchForceHead(config.embed_dim, heads, config.mlp_dim, config.hidden)
    return LinearHead(config.task, config.embed_dim, config.projection_dim)
