# SPDX-License-Identifier: Apache-2.0
"""SARL: self-supervised touch that keeps its geometry (Khurana et al., 2025, arXiv:2512.01908).

BYOL (Grill et al., 2020) aligns two views of an image as a whole. Three light losses on the maps of
intermediate layers add where things are: saliency alignment (SAL), patch-prototype distribution
alignment (PPDA) and region affinity matching (RAM). Each function here is one direction, from the
online network's view to the target network's; the target takes no gradient. `Sarl` takes the mean
of both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.resnet.network import ResNet18
from sparsh_ros.training.loop.recipe import Losses
from sparsh_ros.training.recipes.siamese.byol import Byol, byol_loss
from sparsh_ros.training.recipes.views import View, correspond

__all__ = ["Sarl", "byol_loss", "prototype_alignment", "region_affinity", "saliency_alignment"]

WEIGHTS = {"sal": 0.1, "ppda": 0.05, "ram": 0.02}
PROTOTYPES = 32
EPS = 1e-8
_Maps = Sequence[Sequence[Tensor]]
"""View -> stages 2, 3, 4 -> (B, C, H, W)."""


def saliency_alignment(online: Tensor, target: Tensor, view1: View, view2: View) -> Tensor:
    """Equation 3: both networks should be active at the same places.

    Saliency is the sum of |activation| over channels, scaled to unit norm over the map. The
    target's is looked up, bilinearly, where the online map's cells lie in its view.

    Args:
        online: (B, C, H, W) map of view 1.
        target: (B, C', H', W') map of view 2; resized to H x W if it differs.
        view1, view2: Geometry of the views, see `views`.

    Returns:
        Mean squared difference over all cells of the batch that lie in both views; 0 if none does.
    """
    rows, columns = online.shape[-2:]
    ours, theirs = _saliency(online), _saliency(target.detach())
    if theirs.shape != ours.shape:
        theirs = F.interpolate(theirs, (rows, columns), mode="bilinear", align_corners=False)
    x, y, valid = correspond(view1, view2, rows, columns, online)
    where = 2.0 * torch.stack([x, y], dim=-1) - 1.0
    theirs = F.grid_sample(theirs, where, "bilinear", "zeros", align_corners=False)
    error = (ours - theirs).square()[:, 0] * valid
    return error.sum() / valid.sum().clamp(min=1)


def prototype_alignment(
    online: Tensor, target: Tensor, prototypes: Tensor, grid: int = 7, temperature: float = 0.1
) -> Tensor:
    """Equation 4: both maps should consist of the same prototypes in the same shares, wherever.

    Args:
        online: (B, C, H, W) map of view 1.
        target: (B, C, H', W') map of view 2.
        prototypes: (K, C); they learn from both maps.
        grid: Patches along each side.
        temperature: Of the soft assignment of a patch to the prototypes.

    Returns:
        KL(online, target) + KL(target, online) of the shares, the mean over the batch.
    """
    ours = _shares(online, prototypes, grid, temperature)
    theirs = _shares(target.detach(), prototypes, grid, temperature)
    return ((ours - theirs) * (ours.log() - theirs.log())).sum(dim=1).mean()


def region_affinity(
    online: Tensor, target: Tensor, view1: View, view2: View, grid: int = 6
) -> Tensor:
    """Equation 5: two regions should be as alike in one view as the same two in the other.

    Args:
        online: (B, C, H, W) map of view 1.
        target: (B, C, H', W') map of view 2.
        view1, view2: Geometry of the views, see `views`.
        grid: Regions along each side.

    Returns:
        Mean squared difference of 1 - cos over the pairs of regions that lie in both views, then
        the mean over the images with two such regions or more; 0 if there is none.
    """
    x, y, valid = (place.flatten(1) for place in correspond(view1, view2, grid, grid, online))
    row, column = ((place * grid).long().clamp(0, grid - 1) for place in (y, x))
    region = row * grid + column
    ours = _affinity(online, grid)
    theirs = _affinity(target.detach(), grid)
    images = torch.arange(len(region), device=region.device)[:, None, None]
    theirs = theirs[images, region[:, :, None], region[:, None, :]]
    both = valid[:, :, None] & valid[:, None, :]
    count = valid.sum(dim=1)
    error = ((ours - theirs).square() * both).sum(dim=(1, 2)) / count.clamp(min=1).square()
    enough = count >= 2
    return (error * enough).sum() / enough.sum().clamp(min=1)


class Sarl(Byol):
    """BYOL with the three losses on maps: SAL on stages 2 to 4, PPDA and RAM on stage 3.

    Args:
        encoder: What is trained.
        losses: Which of `WEIGHTS` to add; none is BYOL.
    """

    name = "sarl"

    def __init__(self, encoder: ResNet18, losses: Collection[str] = tuple(WEIGHTS)) -> None:
        super().__init__(encoder)
        self.weights = {name: WEIGHTS[name] for name in losses}
        if "ppda" in self.weights:
            channels = encoder.config.embed_dim // 2
            self.prototypes = nn.Parameter(F.normalize(torch.randn(PROTOTYPES, channels), dim=1))

    @property
    def options(self) -> dict[str, object]:
        return {"losses": sorted(self.weights)}

    def compare(self, images: tuple[Tensor, Tensor], views: tuple[View, View]) -> Losses:
        online = [_maps(self.encoder, image) for image in images]
        with torch.no_grad():
            target = [_maps(self.target, image) for image in images]
        vectors = ([maps[-1].mean(dim=(2, 3)) for maps in side] for side in (online, target))
        whole = self.agreement(*vectors)
        parts = {name: self._part(name)(online, target, views) for name in self.weights}
        total = whole + sum(self.weights[name] * part for name, part in parts.items())
        return {"loss": total, "byol": whole, **parts}

    def _part(self, name: str) -> Callable[..., Tensor]:
        return {"sal": self._sal, "ppda": self._ppda, "ram": self._ram}[name]

    def _sal(self, online: _Maps, target: _Maps, views: tuple[View, View]) -> Tensor:
        first, second = views
        layers = [
            saliency_alignment(online[0][layer], target[1][layer], first, second)
            + saliency_alignment(online[1][layer], target[0][layer], second, first)
            for layer in range(len(online[0]))
        ]
        return 0.5 * sum(layers) / len(layers)

    def _ppda(self, online: _Maps, target: _Maps, views: tuple[View, View]) -> Tensor:
        grid = online[0][1].shape[-1] // 2  # 7 of 14, as published
        return 0.5 * sum(
            prototype_alignment(ours[1], theirs[1], self.prototypes, grid)
            for ours, theirs in zip(online, reversed(target), strict=True)
        )

    def _ram(self, online: _Maps, target: _Maps, views: tuple[View, View]) -> Tensor:
        first, second = views
        ahead = region_affinity(online[0][1], target[1][1], first, second)
        back = region_affinity(online[1][1], target[0][1], second, first)
        return 0.5 * (ahead + back)


def _maps(encoder: ResNet18, images: Tensor) -> list[Tensor]:
    return [maps.float() for maps in encoder.maps(images)]


def _saliency(maps: Tensor) -> Tensor:
    """(B, 1, H, W) of unit norm per image."""
    saliency = maps.abs().sum(dim=1, keepdim=True)
    norm = saliency.flatten(1).norm(dim=1).clamp(min=EPS)
    return saliency / norm[:, None, None, None]


def _regions(maps: Tensor, grid: int) -> Tensor:
    """(B, grid * grid, C) unit vectors: means over the regions of a map, row-major."""
    pooled = F.adaptive_avg_pool2d(maps, grid).flatten(2).transpose(1, 2)
    return F.normalize(pooled, dim=-1)


def _shares(maps: Tensor, prototypes: Tensor, grid: int, temperature: float) -> Tensor:
    """(B, K): how much of a map each prototype takes."""
    likeness = _regions(maps, grid) @ F.normalize(prototypes, dim=1).T
    shares = (likeness / temperature).softmax(dim=-1).mean(dim=1)
    return (shares / shares.sum(dim=1, keepdim=True)).clamp(min=EPS)


def _affinity(maps: Tensor, grid: int) -> Tensor:
    """(B, R, R) cosine distance between all regions."""
    regions = _regions(maps, grid)
    return 1.0 - regions @ regions.transpose(1, 2)
