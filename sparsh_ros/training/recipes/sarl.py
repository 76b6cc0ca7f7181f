# SPDX-License-Identifier: Apache-2.0
"""SARL: self-supervised touch that keeps its geometry (Khurana et al., 2025, arXiv:2512.01908).

BYOL (Grill et al., 2020) aligns two views of an image as a whole. Three light losses on the maps of
intermediate layers add where things are: saliency alignment (SAL), patch-prototype distribution
alignment (PPDA) and region affinity matching (RAM). Each function here is one direction, from the
online network's view to the target network's; the target takes no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.training.recipes.views import View, correspond

EPS = 1e-8


def byol_loss(prediction: Tensor, projection: Tensor) -> Tensor:
    """Equation 2: 2 - 2 cos(q, z), the mean over the batch, of (B, D) each."""
    return (2.0 - 2.0 * F.cosine_similarity(prediction, projection.detach(), dim=1)).mean()


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
