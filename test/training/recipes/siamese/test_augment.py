# SPDX-License-Identifier: Apache-2.0
"""Views are cut where they say, and their colours are changed as drawn."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from sparsh_ros.training.recipes.siamese import augment
from sparsh_ros.training.recipes.views import correspond

PLAIN = {
    "colour": torch.zeros(8, 2, 4),
    "grey": torch.zeros(8, 2),
    "sigma": torch.full((8, 2), 1e-3),
}


def _draw(seed=0):
    return augment.draw_views(np.random.default_rng(seed), 8)


def _ramps(height=60, width=80):
    """Images whose red says x and whose green says y, as shares."""
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    return torch.stack([x, y, torch.full_like(x, 0.5)]).repeat(8, 1, 1, 1)


def test_pixels_lie_where_the_geometry_says():
    images, draw = _ramps(), _draw() | PLAIN
    (first, view1), (second, view2) = (augment.cut_view(images, draw, i, 32) for i in (0, 1))
    x, y, valid = correspond(view1, view2, 32, 32, first)
    assert valid.float().mean() > 0.2
    where = 2.0 * torch.stack([x, y], dim=-1) - 1.0
    looked_up = torch.nn.functional.grid_sample(second, where, align_corners=False)
    inside = (valid & (x > 0.05) & (y > 0.05))[:, None].expand_as(first)
    torch.testing.assert_close(looked_up[inside], first[inside], rtol=0.0, atol=0.02)


def test_crops_have_the_drawn_area_within_the_image():
    _, view = augment.cut_view(_ramps(), _draw(1), 0, 32)
    area = view["crop_h"] * view["crop_w"] / (60 * 80)
    assert (area <= _draw(1)["area"][:, 0] + 1e-5).all() and area.max() > 0.3
    assert (view["crop_top"] >= 0).all() and (view["crop_left"] >= 0).all()
    assert (view["crop_top"] + view["crop_h"] <= 60.001).all()
    assert (view["crop_left"] + view["crop_w"] <= 80.001).all()


def test_colours_change_as_drawn():
    grey = torch.full((1, 3, 8, 8), 0.4)
    brighter = augment.jitter(grey, torch.tensor([[0.25, 0.3, 0.0, 0.0]]))
    torch.testing.assert_close(brighter, torch.full_like(grey, 0.5))
    red = torch.tensor([0.6, 0.3, 0.3])[None, :, None, None].expand(1, 3, 8, 8)
    pale = augment.jitter(red, torch.tensor([[0.0, 0.0, -1.0, 0.0]]))
    torch.testing.assert_close(pale, augment._luma(red).expand_as(red))
    turned = augment.jitter(red, torch.tensor([[0.0, 0.0, 0.0, 0.1]]))
    hue = colorsys.rgb_to_hsv(*turned[0, :, 0, 0].tolist())[0]
    assert hue == pytest.approx(0.1, abs=0.06) or hue == pytest.approx(0.9, abs=0.06)
    assert augment._luma(turned).mean() == pytest.approx(0.3897, abs=1e-3)


def test_blur_spreads_by_its_sigma():
    spot = torch.zeros(2, 3, 41, 41)
    spot[:, :, 20, 20] = 1.0
    blurred = augment._blur(spot, torch.tensor([0.05, 0.9]))
    torch.testing.assert_close(blurred[0], spot[0])
    variance = (blurred[1, 0].sum(dim=0) * (torch.arange(41) - 20.0).square()).sum()
    assert variance.sqrt() == pytest.approx(0.9, rel=0.1)
