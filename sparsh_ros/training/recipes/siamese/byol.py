# SPDX-License-Identifier: Apache-2.0
"""BYOL: bootstrap your own latent (Grill et al., 2020).

From one view a network predicts what a slowly following copy of itself makes of the other. Only
the online side has a predictor, which keeps both from saying the same about everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import (
    TargetRecipe,
    cosine,
    head_units,
    perceptron,
)
from sparsh_ros.training.recipes.views import View

PROJECTOR = (2048, 256)  # hidden units, outputs
PREDICTOR = 512  # hidden units


def byol_loss(prediction: Tensor, projection: Tensor) -> Tensor:
    """Equation 2: 2 - 2 cos(q, z), the mean over the batch, of (B, D) each."""
    return (2.0 - 2.0 * cosine(prediction, projection.detach())).mean()


class Byol(TargetRecipe):
    """Online encoder, projector and predictor; target encoder and projector."""

    name = "byol"

    def __init__(self, encoder: ResNet18) -> None:
        hidden, outputs, predictor = head_units(encoder, *PROJECTOR, PREDICTOR)
        norm = nn.BatchNorm1d(outputs, affine=False)
        super().__init__(encoder, perceptron((encoder.config.embed_dim, hidden, outputs), norm))
        self.predictor = perceptron((outputs, predictor, outputs))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        online = [self.encoder(image) for image in images]
        with torch.no_grad():
            target = [self.target(image) for image in images]
        return {"loss": self.agreement(online, target)}

    def agreement(self, online: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
        """Both directions, summed, of the vectors (B, D) of both views."""
        predicted = [self.predictor(self.projector(vector)) for vector in online]
        with torch.no_grad():
            wanted = [self.target_projector(vector) for vector in target]
        return byol_loss(predicted[0], wanted[1]) + byol_loss(predicted[1], wanted[0])
