# SPDX-License-Identifier: Apache-2.0
"""Barlow Twins: units agree between views, and differ from each other (Zbontar et al., 2021)."""

from __future__ import annotations

from torch import Tensor

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import (
    SiameseRecipe,
    head_units,
    off_diagonal,
    perceptron,
)
from sparsh_ros.training.recipes.views import View

PROJECTOR = 8192  # units of each of three layers
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


class BarlowTwins(SiameseRecipe):
    """Encoder and a wide projector."""

    name = "barlow-twins"

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__(encoder)
        (units,) = head_units(encoder, PROJECTOR)
        self.projector = perceptron((encoder.config.embed_dim, units, units, units))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        first, second = (self.projector(self.encoder(image)) for image in images)
        return {"loss": barlow_loss(first, second)}
