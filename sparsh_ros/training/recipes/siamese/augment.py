# SPDX-License-Identifier: Apache-2.0
"""Two random views of each image: crop, mirror, colours, blur (Chen et al., "SimCLR", 2020).

All is drawn by the training loop's generator and applied to the whole batch at once. The strengths
are SARL's, for views of 224 pixels; smaller views are blurred less, in proportion.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.training.loop.recipe import Draw
from sparsh_ros.training.recipes.views import View

VIEWS = 2
AREA = (0.2, 1.0)
LOG_RATIO = math.log(4.0 / 3.0)
JITTER = (0.4, 0.4, 0.2, 0.1)  # brightness, contrast, saturation, hue
JITTERED, GREY = 0.8, 0.2
SIGMA_PX, KERNEL_RADIUS_PX, BLURRED_SIZE = (0.1, 2.0), 11, 224
_LUMA = (0.299, 0.587, 0.114)
_TO_YIQ = torch.tensor([_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


def draw_views(rng: np.random.Generator, batch: int) -> Draw:
    """Draw what two views of each image are made by; tensors (B, 2, ...)."""
    shape = batch, VIEWS
    strength = rng.uniform(-1.0, 1.0, (*shape, 4)) * np.array(JITTER)
    strength *= (rng.random(shape) < JITTERED)[..., None]
    drawn = {
        "area": rng.uniform(*AREA, shape),
        "ratio": np.exp(rng.uniform(-LOG_RATIO, LOG_RATIO, shape)),
        "place": rng.random((*shape, 2)),
        "flip": rng.random(shape) < 0.5,
        "colour": strength,
        "grey": rng.random(shape) < GREY,
        "sigma": rng.uniform(*SIGMA_PX, shape),
    }
    return {name: torch.from_numpy(np.float32(value)) for name, value in drawn.items()}


def cut_view(images: Tensor, draw: Draw, index: int, size: int) -> tuple[Tensor, View]:
    """One of the views.

    Args:
        images: (B, 3, H, W) float RGB in [0, 1].
        draw: Of `draw_views`.
        index: Which view, 0 or 1.
        size: Side of the view in pixels.

    Returns:
        (B, 3, size, size) in [0, 1], and the geometry, see `recipes.views`.
    """
    own = {name: value[:, index] for name, value in draw.items()}
    view = _geometry(own, images.shape[-2], images.shape[-1], size)
    cut = jitter(_crop(images, view, size), own["colour"])
    grey = own["grey"][:, None, None, None] > 0.5
    cut = torch.where(grey, _luma(cut).expand_as(cut), cut)
    return _blur(cut, own["sigma"] * (size / BLURRED_SIZE)), view


def _geometry(draw: Draw, height: int, width: int, size: int) -> View:
    """A crop with the drawn area and ratio; where it would leave the image, less of it."""
    area = draw["area"] * (height * width)
    crop_h = (area / draw["ratio"]).sqrt().clamp(max=height)
    crop_w = (area * draw["ratio"]).sqrt().clamp(max=width)
    return {
        "crop_top": draw["place"][:, 0] * (height - crop_h),
        "crop_left": draw["place"][:, 1] * (width - crop_w),
        "crop_h": crop_h,
        "crop_w": crop_w,
        "flip": draw["flip"],
        "view_size": torch.full_like(crop_h, size),
    }


def _crop(images: Tensor, view: View, size: int) -> Tensor:
    """Bilinear samples at the pixel centres of the view."""
    height, width = images.shape[-2:]
    share = (torch.arange(size, dtype=images.dtype, device=images.device) + 0.5) / size
    mirrored = torch.where(view["flip"][:, None] > 0.5, 1.0 - share, share)
    x = (view["crop_left"][:, None] + mirrored * view["crop_w"][:, None]) * (2.0 / width) - 1.0
    y = (view["crop_top"][:, None] + share * view["crop_h"][:, None]) * (2.0 / height) - 1.0
    where = torch.stack(
        [x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=-1
    )
    return F.grid_sample(images, where, "bilinear", "border", align_corners=False)


def jitter(images: Tensor, colour: Tensor) -> Tensor:
    """Change brightness, contrast, saturation, hue, in this order; hue is a rotation in YIQ.

    Args:
        images: (B, 3, H, W) RGB in [0, 1].
        colour: (B, 4) by how much, each: shares, of hue a share of a whole turn.
    """
    brightness, contrast, saturation, hue = (
        value[:, None, None, None] for value in colour.unbind(dim=1)
    )
    images = (images * (1.0 + brightness)).clamp(0.0, 1.0)
    mean = _luma(images).mean(dim=(2, 3), keepdim=True)
    images = (mean + (images - mean) * (1.0 + contrast)).clamp(0.0, 1.0)
    luma = _luma(images)
    images = (luma + (images - luma) * (1.0 + saturation)).clamp(0.0, 1.0)
    return _turn_hue(images, hue.flatten()).clamp(0.0, 1.0)


def _luma(images: Tensor) -> Tensor:
    return sum(share * images[:, i : i + 1] for i, share in enumerate(_LUMA))


def _turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the colours by ``turn`` (B,), in whole turns."""
    to_yiq = _TO_YIQ.to(images)
    angle = 2.0 * math.pi * turn
    rotation = torch.eye(3).to(images).repeat(len(turn), 1, 1)
    rotation[:, 1, 1] = rotation[:, 2, 2] = angle.cos()
    rotation[:, 2, 1] = angle.sin()
    rotation[:, 1, 2] = -angle.sin()
    matrix = to_yiq.inverse() @ rotation @ to_yiq
    return torch.einsum("bij,bjhw->bihw", matrix, images)


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, each image by its own ``sigma`` (B,) in pixels."""
    batch, channels, size, _ = images.shape
    radius = max(round(KERNEL_RADIUS_PX * size / BLURRED_SIZE), 1)
    steps = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = (-0.5 * (steps / sigma[:, None]).square()).softmax(dim=1)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None]  # (B C, 1, K)
    flat = F.pad(images.reshape(1, batch * channels, size, size), (radius,) * 4, mode="reflect")
    flat = F.conv2d(flat, kernel[..., None, :], groups=batch * channels)
    flat = F.conv2d(flat, kernel[..., :, None], groups=batch * channels)
    return flat.reshape(batch, channels, size, size)
