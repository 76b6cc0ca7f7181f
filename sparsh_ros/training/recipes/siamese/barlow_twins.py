# SPDX-License-Identifier: Apache-2.0
"""Barlow Twins: units agree between views, and differ from each other (Zbontar et al., 2021)."""

from __future__ import annotations

from torch import Tensor

from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import (
    WideRecipe,
    off_diagonal,
)

REDUNDANCY = 5e-3
EPS = 1e-5


def barlow_loss(first: Tensor, second: Tensor, redundancy: float = REDUNDANCY) -> Tensor:
    """Equation 1: how far the cross-correlation (D, D) of two views, (B, D) each, is from the
    identity; off the diagonal with the weight ``redundancy``."""
    first, second = (_standardised(values.float()) for values in (first, second))
    correlation = first.T @ second / len(first)
    invariance = (correlation.diagonal() - 1.0).square().sum()
    return invariance + redundancy * off_diagonal(correlation).square().sum()


def _standardised(values: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the batch, as batch norm without parameters."""
    centred = values - values.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + EPS).sqrt()


class BarlowTwins(WideRecipe):
    """Its equation on a wide projector."""

    name = "barlow-twins"

    def losses(self, first: Tensor, second: Tensor) -> Losses:
        return {"loss": barlow_loss(first, second)}
