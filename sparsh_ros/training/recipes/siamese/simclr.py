# SPDX-License-Identifier: Apache-2.0
"""SimCLR: of all views in a batch, find the other one of the same image (Chen et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import SiameseRecipe, perceptron
from sparsh_ros.training.recipes.views import View

OUTPUTS = 128
TEMPERATURE = 0.1


def nt_xent(first: Tensor, second: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Equation 1: cross-entropy of the cosine similarities to all other 2 B - 1 views, where the
    other view of the same image is right; the mean over the 2 B views of (B, D) each."""
    unit = F.normalize(torch.cat([first, second]).float(), dim=1)
    likeness = unit @ unit.T / temperature
    likeness.fill_diagonal_(float("-inf"))
    batch = len(first)
    other = torch.arange(2 * batch, device=unit.device).roll(batch)
    return F.cross_entropy(likeness, other)


class SimClr(SiameseRecipe):
    """Encoder and a projector with one hidden layer."""

    name = "simclr"

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__(encoder)
        dim = encoder.config.embed_dim
        self.projector = perceptron((dim, dim, OUTPUTS))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        first, second = (self.projector(self.encoder(image)) for image in images)
        return {"loss": nt_xent(first, second)}
