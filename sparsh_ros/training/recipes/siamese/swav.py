# SPDX-License-Identifier: Apache-2.0
"""SwAV: tell from one view to which prototypes the other one is assigned (Caron et al., 2020).

Assignments are spread evenly over the batch by Sinkhorn's algorithm. Two views of full size; the
paper's additional small crops are left out, so that all methods here see the same views.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import SiameseRecipe, head_units, perceptron
from sparsh_ros.training.recipes.views import View

PROJECTOR = (2048, 128)  # hidden units, outputs
PROTOTYPES = 3000
TEMPERATURE = 0.1
SMOOTHNESS, ITERATIONS = 0.05, 3


@torch.no_grad()
def sinkhorn(scores: Tensor, smoothness: float = SMOOTHNESS, steps: int = ITERATIONS) -> Tensor:
    """Equation 3: soft assignments near ``scores`` (B, K), each prototype used as often as any
    other; (B, K) whose rows sum to 1."""
    batch, prototypes = scores.shape
    shares = (scores.float() / smoothness).flatten().softmax(dim=0).reshape(batch, prototypes)
    for _ in range(steps):
        shares = shares / (prototypes * shares.sum(dim=0, keepdim=True))
        shares = shares / (batch * shares.sum(dim=1, keepdim=True))
    return shares * batch


def swapped_prediction(first: Tensor, second: Tensor) -> Tensor:
    """Equation 2: cross-entropy of each view's prediction with the other's assignment, the mean
    over both directions; scores (B, K) each are cosines to the prototypes."""
    directions = [
        -(sinkhorn(wanted) * (found.float() / TEMPERATURE).log_softmax(dim=1)).sum(dim=1).mean()
        for found, wanted in ((first, second), (second, first))
    ]
    return 0.5 * (directions[0] + directions[1])


class SwAv(SiameseRecipe):
    """Encoder, projector, prototypes."""

    name = "swav"

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__(encoder)
        hidden, outputs, prototypes = head_units(encoder, *PROJECTOR, PROTOTYPES)
        self.projector = perceptron((encoder.config.embed_dim, hidden, outputs))
        self.prototypes = nn.Parameter(F.normalize(torch.randn(prototypes, outputs), dim=1))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        prototypes = F.normalize(self.prototypes, dim=1)
        first, second = (
            F.normalize(self.projector(self.encoder(image)).float(), dim=1) @ prototypes.T
            for image in images
        )
        return {"loss": swapped_prediction(first, second)}
