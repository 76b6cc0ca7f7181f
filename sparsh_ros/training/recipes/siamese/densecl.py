# SPDX-License-Identifier: Apache-2.0
"""DenseCL: contrast whole images and single places of their maps (Wang et al., 2021).

As in MoCo (He et al., 2020), the other view's vectors come from a network that follows slowly, and
those of other images from a queue of earlier batches. A place of one view belongs to the place of
the other whose features of the encoder are most alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.base import TargetRecipe, head_units
from sparsh_ros.training.recipes.views import View

PROJECTOR = (2048, 128)  # hidden units, outputs
QUEUE = 16384
TEMPERATURE = 0.2
DENSE_SHARE = 0.5
MOMENTUM = 0.999


def info_nce(
    queries: Tensor, keys: Tensor, queue: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """Equation 1: cross-entropy of finding each key, unit vectors (N, D), among itself and those
    of the queue (K, D)."""
    right = (queries * keys.detach()).sum(dim=1, keepdim=True)
    logits = torch.cat([right, queries @ queue.T], dim=1) / temperature
    return (logits.logsumexp(dim=1) - logits[:, 0]).mean()


def matching_keys(ours: Tensor, theirs: Tensor, keys: Tensor) -> Tensor:
    """Equation 4: for each place of the features ``ours`` (B, P, C), the key (B, P, D) of the place
    of ``theirs`` (B, P, C) with the greatest cosine similarity."""
    likeness = F.normalize(ours, dim=2) @ F.normalize(theirs, dim=2).transpose(1, 2)
    best = likeness.argmax(dim=2)
    return keys.gather(1, best[..., None].expand(-1, -1, keys.shape[2]))


class DenseProjector(nn.Module):
    """Maps (B, C, H, W) to a unit vector of the image (B, D) and unit vectors of its places
    (B, P, D)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.whole = _projector(inputs, hidden, outputs)
        self.places = _projector(inputs, hidden, outputs)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        whole = self.whole(maps.mean(dim=(2, 3)))
        places = self.places(maps.flatten(2).transpose(1, 2))
        return F.normalize(whole.float(), dim=1), F.normalize(places.float(), dim=2)


class DenseCl(TargetRecipe):
    """Encoder and projector, their target, and a queue for each of the two losses."""

    name = "densecl"

    def __init__(self, encoder: ResNet18) -> None:
        hidden, outputs, queue = head_units(encoder, *PROJECTOR, QUEUE)
        super().__init__(encoder, DenseProjector(encoder.config.embed_dim, hidden, outputs))
        if not encoder.config.is_light:
            self.momentum = MOMENTUM
        for name in ("queue", "dense_queue"):
            self.register_buffer(name, F.normalize(torch.randn(queue, outputs), dim=1))

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        ours = self.encoder.maps(images[0])[-1]
        queries, dense_queries = self.projector(ours)
        with torch.no_grad():
            theirs = self.target.maps(images[1])[-1]
            keys, dense_keys = self.target_projector(theirs)
            features = [maps.float().flatten(2).transpose(1, 2) for maps in (ours, theirs)]
            matched = matching_keys(*features, dense_keys)
        whole = info_nce(queries, keys, self.queue)
        dense = info_nce(dense_queries.flatten(0, 1), matched.flatten(0, 1), self.dense_queue)
        if self.training:
            self.queue = _pushed(self.queue, keys)
            self.dense_queue = _pushed(self.dense_queue, dense_keys.mean(dim=1))
        loss = (1.0 - DENSE_SHARE) * whole + DENSE_SHARE * dense
        return {"loss": loss, "whole": whole, "dense": dense}


def _projector(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _pushed(queue: Tensor, new: Tensor) -> Tensor:
    """The queue with new vectors in front, of unit length, and without as many old ones."""
    return torch.cat([F.normalize(new, dim=1), queue])[: len(queue)]
