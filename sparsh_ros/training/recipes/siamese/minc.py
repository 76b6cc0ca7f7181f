# SPDX-License-Identifier: Apache-2.0
"""MINC: mutual information without pairs (Guo et al., 2025, arXiv:2504.16667).

The spectral contrastive loss rewards a large product of two views of an image and punishes products
of different images. Here the punishment is a quadratic form in the second moment of the target's
features, which is kept as a running mean, so that no pairs are needed. Of the moment only the lower
triangle acts, after the generalised Hebbian rule; in a loss, that is half the form and half its
diagonal.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop import processes
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import TargetRecipe, head_units, perceptron
from sparsh_ros.training.recipes.views import View

PROJECTOR = 2048  # units of each of three layers
MOMENT_MOMENTUM = 0.8
SCALE = 10.0


def minc_loss(online: Tensor, target: Tensor, moment: Tensor, scale: float = SCALE) -> Tensor:
    """The loss at alpha = 2: -(s z'.z - s^2/2 z' tril(M) z'), the mean over the batch.

    Args:
        online: (B, D) unit vectors z' of one view.
        target: (B, D) unit vectors z of the other; no gradient.
        moment: (D, D) running mean of z z^T, the M.
        scale: Of the vectors' product, the s.
    """
    agreement = (online * target.detach()).sum(dim=1)
    penalty = ((online @ moment.tril()) * online).sum(dim=1)
    return (0.5 * scale**2 * penalty - scale * agreement).mean()


class Minc(TargetRecipe):
    """Encoder and projector, their target, and the second moment of the target's vectors."""

    name = "minc"

    def __init__(self, encoder: ResNet18) -> None:
        (units,) = head_units(encoder, PROJECTOR)
        super().__init__(encoder, perceptron((encoder.config.embed_dim, units, units, units)))
        self.register_buffer("moment", torch.zeros(units, units))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        online = [F.normalize(self.projector(self.encoder(i)).float(), dim=1) for i in images]
        with torch.no_grad():
            target = [F.normalize(self.target_projector(self.target(i)), dim=1) for i in images]
        ahead = minc_loss(online[0], target[1], self.moment)
        back = minc_loss(online[1], target[0], self.moment)
        if self.training:
            self._follow_moment(torch.cat(target).float())
        return {"loss": 0.5 * (ahead + back)}

    def _follow_moment(self, target: Tensor) -> None:
        own = processes.mean(target.T @ target / len(target))
        self.moment = MOMENT_MOMENTUM * self.moment + (1.0 - MOMENT_MOMENTUM) * own
