# SPDX-License-Identifier: Apache-2.0
"""What the methods share: two views, the encoder, projectors, a target that follows.

All of them train as SARL does (AdamW at a constant 1e-3, weight decay 1e-4, the same views), where
their papers have optimisers and views of their own: what differs between them here is the loss.
An encoder narrower than published is made for a CPU and some hundred steps: its heads have a
quarter of the published units, and its target follows faster.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Draw, Losses, Recipe, follow
from sparsh_ros.training.recipes.siamese.augment import cut_view, draw_views
from sparsh_ros.training.recipes.views import View

RATE = 1e-3
LIGHT_SHARE = 4  # of a head's published units, one in so many
LIGHT_MOMENTUM = 0.98


class SiameseRecipe(Recipe):
    """Two random views of an image, and a loss between what the networks make of them.

    Attributes:
        encoder: What is trained and kept.
    """

    peak_rate = start_rate = final_rate = RATE
    warm_up = 0.0
    weight_decay = (1e-4, 1e-4)

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__()
        self.encoder = encoder

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        return draw_views(rng, batch)

    def forward(self, clips: Tensor, draw: Draw, share: float) -> Losses:
        images = clips[:, 0].permute(0, 3, 1, 2).float() / 255.0
        size = self.encoder.config.image_size
        (first, view1), (second, view2) = (cut_view(images, draw, i, size) for i in (0, 1))
        return self.compare((first, second), (view1, view2))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        """Losses of two views: images (B, 3, S, S) in [0, 1], and where each was cut."""
        raise NotImplementedError

    def exported(self) -> ResNet18:
        return self.encoder


class WideRecipe(SiameseRecipe):
    """Encoder and a wide projector, and a loss of what both views become: no target, no queue."""

    units = 8192  # of each of the projector's three layers

    def __init__(self, encoder: ResNet18) -> None:
        super().__init__(encoder)
        (units,) = head_units(encoder, self.units)
        self.projector = perceptron((encoder.config.embed_dim, units, units, units))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        return self.losses(*(self.projector(self.encoder(image)) for image in images))

    def losses(self, first: Tensor, second: Tensor) -> Losses:
        """Losses of the projections (B, D) of both views."""
        raise NotImplementedError


class TargetRecipe(SiameseRecipe):
    """With a second network that takes no gradient and follows the first.

    Attributes:
        target, target_projector: Encoder and projector, as they were a while ago.
        momentum: Of the target's parameters; its running statistics are its own.
    """

    momentum = 0.996

    def __init__(self, encoder: ResNet18, projector: nn.Module) -> None:
        super().__init__(encoder)
        if encoder.config.is_light:
            self.momentum = LIGHT_MOMENTUM
        self.projector = projector
        self.target = copy.deepcopy(encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(projector).requires_grad_(False)

    def after_step(self, share: float) -> None:
        follow(self.target, self.encoder, self.momentum)
        follow(self.target_projector, self.projector, self.momentum)


def head_units(encoder: ResNet18, *published: int) -> tuple[int, ...]:
    """Units of the layers of a head for ``encoder``, given those that were published."""
    share = LIGHT_SHARE if encoder.config.is_light else 1
    return tuple(count // share for count in published)


def perceptron(units: Sequence[int], last_norm: nn.Module | None = None) -> nn.Sequential:
    """Linear layers through ``units``, batch norm and ReLU between them; `last_norm` at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(units[:-2], units[1:-1], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    layers.append(nn.Linear(units[-2], units[-1]))
    return nn.Sequential(*layers, *([last_norm] if last_norm else []))


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarity of the rows of (B, D) each: (B,) float32."""
    return F.cosine_similarity(first.float(), second.float(), dim=1)


def off_diagonal(square: Tensor) -> Tensor:
    """The (D, D) matrix with zeros on its diagonal."""
    return square - square.diag().diag()


def covariance(embeddings: Tensor) -> Tensor:
    """Unbiased (D, D) covariance over a batch (B, D)."""
    centred = embeddings - embeddings.mean(dim=0)
    return centred.T @ centred / (len(embeddings) - 1)
