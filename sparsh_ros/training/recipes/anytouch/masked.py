# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of AnyTouch: masked images, and masked clips with the frame that comes next.

Three quarters of the patches are hidden. A step sees stills or clips, as it comes: of a still, the
hidden patches are predicted; of a clip, those of the three frames that are encoded, and all patches
of the fourth, which is not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.training.loop.recipe import Draw, Losses, Recipe
from sparsh_ros.training.recipes.anytouch.decoder import CLIP_FRAMES, TouchMae
from sparsh_ros.training.recipes.anytouch.views import cut_clips, draw_views, sensor_slots
from sparsh_ros.training.recipes.masks import random_subset

HIDDEN = 0.75
PAPER_WIDTH = 1024
PAPER_RATE, LIGHT_RATE = 2e-4, 1e-3
"""Peak learning rates: of encoders as wide as the paper's, and of narrower ones."""


def image_loss(found: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
    """Mean squared error of the hidden patches of stills.

    Args:
        found, wanted: (B, N, P) patches.
        seen: (B, K) int64 places of the patches that were encoded.
    """
    return _hidden_mean((found.float() - wanted).square().mean(dim=2), seen)


def video_loss(found: Tensor, wanted: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared errors of clips.

    Args:
        found, wanted: (B, N, 4 P) patches, frame by frame, the next one last.
        seen: (B, K) int64 places of the patches that were encoded.

    Returns:
        That of the hidden patches of the encoded frames, and that of all patches of the next one;
        the loss is their sum.
    """
    error = (found.float() - wanted).square().unflatten(2, (CLIP_FRAMES, -1)).mean(dim=3)
    return _hidden_mean(error[..., :-1].mean(dim=2), seen), error[..., -1].mean()


def cut_patches(images: Tensor, patch: int) -> Tensor:
    """(B, T, 3, H, W) -> (B, N, T 3 p p): patches row by row, each frame by frame, and in a frame
    ordered row, column, colour."""
    batch, frames, _, height, width = images.shape
    cut = images.reshape(batch, frames, 3, height // patch, patch, width // patch, patch)
    return cut.permute(0, 3, 5, 1, 4, 6, 2).reshape(batch, -1, frames * 3 * patch * patch)


def draw_masks(rng: np.random.Generator, batch: int, patches: int) -> Tensor:
    """(B, K) int64 places, ascending, of the quarter of the patches that is seen."""
    seen = int((1.0 - HIDDEN) * patches)
    return torch.from_numpy(random_subset(rng, batch, patches, seen)[:, :seen])


def masked_losses(
    model: TouchMae, clips: Tensor, sensor: Tensor, seen: Tensor, video: bool
) -> Losses:
    """The losses of stage 1, "loss" and its parts "hidden" and "next" (0 for stills).

    Args:
        model: Encoder and decoder.
        clips: (B, 4, 3, H, W) in [0, 1], oldest frame first; of stills the newest one counts.
        sensor: (B,) slots of the sensors.
        seen: (B, K) places of the patches that are encoded.
        video: Whether they are clips, or stills.
    """
    pixels = model.normalise(resized(clips, model.config))
    if not video:
        still = pixels[:, -1:]
        found = model.predict(still.expand(-1, CLIP_FRAMES - 1, -1, -1, -1), sensor, seen, False)
        loss = image_loss(found, cut_patches(still, model.config.patch_size), seen)
        return {"loss": loss, "hidden": loss, "next": torch.zeros_like(loss)}
    found = model.predict(pixels[:, :-1], sensor, seen, True)
    wanted = cut_patches(pixels, model.config.patch_size)
    hidden, after = video_loss(found, wanted, seen)
    return {"loss": hidden + after, "hidden": hidden, "next": after}


def resized(images: Tensor, config: AnyTouchConfig) -> Tensor:
    """Images (..., 3, H, W), squashed to the size that the encoder takes."""
    if tuple(images.shape[-2:]) == config.image_size:
        return images
    flat = images.reshape(-1, *images.shape[-3:])
    flat = F.interpolate(flat, config.image_size, mode="bilinear", antialias=True)
    return flat.reshape(*images.shape[:-2], *config.image_size)


class AnyTouchRecipe(Recipe):
    """The settings that both stages share.

    Attributes:
        subtracted: Whether frames come without their background.
    """

    subtracted = False

    varies = True  # stills and clips have heads of their own
    start_rate = 1e-6
    final_rate = 0.0
    warm_up = 0.05  # 1 of 20 epochs
    betas = (0.9, 0.99)
    weight_decay = (0.1, 0.1)

    def __init__(self, config: AnyTouchConfig) -> None:
        super().__init__()
        self.peak_rate = PAPER_RATE if config.embed_dim >= PAPER_WIDTH else LIGHT_RATE


class AnyTouchMasked(AnyTouchRecipe):
    """Stage 1.

    Args:
        model: Encoder and decoder.
    """

    name = "anytouch"

    def __init__(self, model: TouchMae) -> None:
        super().__init__(model.config)
        self.model = model

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """Draw a sensor of each touch, its mask, and whether this step sees clips."""
        return {
            **draw_views(rng, batch, 1, self.subtracted),
            "seen": draw_masks(rng, batch, self.model.config.patches),
            "video": torch.full((batch,), bool(rng.integers(2))),
        }

    def forward(self, clips: dict[str, Tensor], draw: Draw, share: float) -> Losses:
        """Losses of touches; ``clips`` as `AlignedTouches.clips` gives them."""
        seen = cut_clips(clips["frames"], draw)
        slots, video = sensor_slots(draw, 0, share), bool(draw["video"][0])
        return masked_losses(self.model, seen, slots, draw["seen"], video)

    def exported(self) -> TouchMae:
        return self.model


def _hidden_mean(errors: Tensor, seen: Tensor) -> Tensor:
    """Mean of (B, N) errors over the places that are not seen."""
    hidden = torch.ones_like(errors).scatter(1, seen, 0.0)
    return (errors * hidden).sum() / hidden.sum()
