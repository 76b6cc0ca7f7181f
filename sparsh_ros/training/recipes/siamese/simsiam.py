# SPDX-License-Identifier: Apache-2.0
"""SimSiam: predict one view from the other, with no gradient on one side (Chen and He, 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import (
    SiameseRecipe,
    cosine,
    head_units,
    perceptron,
)
from sparsh_ros.training.recipes.views import View

PROJECTOR = 2048  # units of each of three layers
PREDICTOR = 512  # hidden units


def negative_cosine(prediction: Tensor, projection: Tensor) -> Tensor:
    """Equation 1 with stop-gradient: -cos(p, z), the mean over the batch, of (B, D) each."""
    return -cosine(prediction, projection.detach()).mean()


class SimSiam(SiameseRecipe):
    """Encoder, projector and predictor."""

    name = "simsiam"

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__(encoder)
        units, hidden = head_units(encoder, PROJECTOR, PREDICTOR)
        norm = nn.BatchNorm1d(units, affine=False)
        self.projector = perceptron((encoder.config.embed_dim, units, units, units), norm)
        self.predictor = perceptron((units, hidden, units))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        first, second = (self.projector(self.encoder(image)) for image in images)
        ahead = negative_cosine(self.predictor(first), second)
        back = negative_cosine(self.predictor(second), first)
        return {"loss": 0.5 * (ahead + back)}
