# SPDX-License-Identifier: Apache-2.0
"""CPLearn: collapse-proof learning (Sansone, Lebailly and Tuytelaars, 2024, arXiv:2410.04959).

Vectors are assigned to random, fixed codes of +1 and -1, many more than there are units. Both views
should be assigned alike, and all codes should be used equally often.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import SiameseRecipe, head_units
from sparsh_ros.training.recipes.views import View

UNITS, CODES = 256, 8192
INVARIANCE = 0.5
CERTAINTY_EPS = 1e-8
EPS = 1e-12


def cplearn_loss(first: Tensor, second: Tensor, invariance: float = INVARIANCE) -> Tensor:
    """beta CE(p, p') + KL(mean p, uniform), of logits (B, K) of two views."""
    ours = first.float().softmax(dim=1)
    agreement = -(ours * second.float().log_softmax(dim=1)).sum(dim=1).mean()
    used = ours.mean(dim=0)
    prior = (used * (used.clamp(min=EPS).log() + math.log(len(used)))).sum()
    return invariance * agreement + prior


def code_logits(vectors: Tensor, codes: Tensor) -> Tensor:
    """Logits (B, K) of ``vectors`` (B, D) over ``codes`` (D, K).

    The temperature is the paper's, at which a vector that equals a code has all but 1e-8 of the
    probability per other code; its factor sqrt(D / B) stands in the vectors too, and cancels.
    """
    units, count = codes.shape
    sharpness = math.log((1.0 - CERTAINTY_EPS * (count - 1)) / CERTAINTY_EPS)
    return F.normalize(vectors.float(), dim=1) @ codes * (sharpness / math.sqrt(units))


class CpLearn(SiameseRecipe):
    """Encoder, a linear projector with batch norm, fixed codes."""

    name = "cplearn"

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__(encoder)
        units, count = head_units(encoder, UNITS, CODES)
        self.projector = nn.Sequential(
            nn.Linear(encoder.config.embed_dim, units, bias=False), nn.BatchNorm1d(units)
        )
        self.register_buffer("codes", torch.randint(0, 2, (units, count)) * 2.0 - 1.0)

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        first, second = (
            code_logits(self.projector(self.encoder(image)), self.codes) for image in images
        )
        return {"loss": cplearn_loss(first, second)}
