# SPDX-License-Identifier: Apache-2.0
"""VICReg: variance, invariance, covariance (Bardes, Ponce and LeCun, 2022)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import (
    WideRecipe,
    covariance,
    off_diagonal,
)

INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
EPS = 1e-4


def variance_loss(embeddings: Tensor) -> Tensor:
    """Equation 1: by how much the deviation of each unit over the batch (B, D) falls short of 1."""
    return (1.0 - (embeddings.var(dim=0) + EPS).sqrt()).relu().mean()


def covariance_loss(embeddings: Tensor) -> Tensor:
    """Equation 4: squared covariances of different units over the batch (B, D), over D."""
    return off_diagonal(covariance(embeddings)).square().sum() / embeddings.shape[1]


def vicreg_loss(first: Tensor, second: Tensor) -> Losses:
    """Equation 6, of (B, D) each, and its parts; variance and covariance are sums over both views,
    halved, as in the code that came with the paper."""
    first, second = first.float(), second.float()
    invariance = F.mse_loss(first, second)
    variance = 0.5 * (variance_loss(first) + variance_loss(second))
    redundancy = covariance_loss(first) + covariance_loss(second)
    total = INVARIANCE * invariance + VARIANCE * variance + COVARIANCE * redundancy
    return {
        "loss": total,
        "invariance": invariance,
        "variance": variance,
        "covariance": redundancy,
    }


class VicReg(WideRecipe):
    """Its equation on a wide projector."""

    name = "vicreg"

    def losses(self, first: Tensor, second: Tensor) -> Losses:
        return vicreg_loss(first, second)
