# SPDX-License-Identifier: Apache-2.0
"""Stage 2 of AnyTouch: touch, pictures and words are aligned, and touches matched across sensors.

A step is of one of four sorts, as it comes: alignment or matching, of stills or of clips. Touches
without a picture, or without words, take part in the terms that need none. The towers of vision and
language are ours, small and made here: the published ones begin as CLIP.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.anytouch.tower import VisionTower
from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.models.layers import initialise_by_width, initialise_linear_layers
from sparsh_ros.training.loop.recipe import Draw, Losses
from sparsh_ros.training.recipes.anytouch.decoder import CLIP_FRAMES, TouchMae, start_tower
from sparsh_ros.training.recipes.anytouch.masked import (
    AnyTouchRecipe,
    draw_masks,
    masked_losses,
    resized,
)
from sparsh_ros.training.recipes.anytouch.text import TextModel
from sparsh_ros.training.recipes.anytouch.views import (
    cut_clips,
    draw_views,
    mirror,
    sensor_slots,
)

VISION_WORDS, TOUCH_VISION, TOUCH_WORDS = 0.2, 1.0, 1.0
"""Weights of the terms of alignment, as in the published scripts."""
MATCHING = 0.1
START_TEMPERATURE = 0.07
_MATCHED_SHARE = 0.5  # of a batch: 32 beside 64 that are aligned
_PICTURE_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP
_PICTURE_STD = (0.26862954, 0.26130258, 0.27577711)


def contrast(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Sum of the cross-entropies of each vector with its partner among all, both ways.

    Args:
        first, second: (B, P) of unit length; rows of one number are partners.
        scale: () what cosines are multiplied by.

    Returns:
        (); 0 where there is no pair.
    """
    if not len(first):
        return scale * 0.0
    logits = scale * first @ second.T
    partners = torch.arange(len(first), device=first.device)
    return F.cross_entropy(logits, partners) + F.cross_entropy(logits.T, partners)


def alignment_loss(
    touch: Tensor,
    picture: Tensor,
    words: Tensor,
    has_picture: Tensor,
    has_words: Tensor,
    scale: Tensor,
) -> Tensor:
    """Weighted sum of `contrast` over the pairs of modalities, each over who has both.

    As in the published code, the term of touch and words is not halved, the two others are.

    Args:
        touch, picture, words: (B, P) of unit length.
        has_picture, has_words: (B,) bool.
        scale: () what cosines are multiplied by.
    """
    both = has_picture & has_words
    seen_told = contrast(picture[both], words[both], scale)
    felt_seen = contrast(touch[has_picture], picture[has_picture], scale)
    felt_told = contrast(touch[has_words], words[has_words], scale)
    return 0.5 * VISION_WORDS * seen_told + 0.5 * TOUCH_VISION * felt_seen + TOUCH_WORDS * felt_told


def matching_loss(same: Tensor, different: Tensor) -> Tensor:
    """Binary cross-entropies of logits (B,) for touches that are the same, and that are not."""
    return MATCHING * (
        F.binary_cross_entropy_with_logits(same, torch.ones_like(same))
        + F.binary_cross_entropy_with_logits(different, torch.zeros_like(different))
    )


class AnyTouchAlign(AnyTouchRecipe):
    """Stage 2; parameter names are those of the published checkpoints.

    Args:
        model: Encoder and decoder, trained by stage 1.
    """

    name = "anytouch-align"

    def __init__(self, model: TouchMae) -> None:
        config = model.config
        super().__init__(config)
        width, projection = config.embed_dim, config.projection_dim
        self.touch_mae_model = model
        self.vision_model = VisionTower(_of_pictures(config))
        self.visual_projection = nn.Linear(width, projection, bias=False)
        self.text_model = TextModel(width)
        self.text_projection = nn.Linear(width, projection, bias=False).requires_grad_(False)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(START_TEMPERATURE)))
        self.cross_sensor_head = nn.Linear(projection, 1)
        for module in (self.vision_model, self.visual_projection):
            initialise_by_width(module)
        initialise_linear_layers(self.cross_sensor_head)
        start_tower(self.vision_model, self.vision_model_config)

    def draw(self, rng: np.random.Generator, batch: int) -> Draw:
        """Draw the sort of the step, three sensors of each touch, its mask."""
        return {
            **draw_views(rng, batch, 3, self.subtracted),
            "seen": draw_masks(rng, batch, self.touch_mae_model.config.patches),
            "video": torch.full((batch,), bool(rng.integers(2))),
            "match": torch.full((batch,), bool(rng.integers(2))),
        }

    def forward(self, clips: dict[str, Tensor], draw: Draw, share: float) -> Losses:
        """Losses of touches: "loss" and its parts "aligned", "masked" and "matched", which are 0
        in steps that have none; ``clips`` as `AlignedTouches.clips` gives them."""
        none = torch.zeros((), device=self.logit_scale.device)
        losses = {"aligned": none, "masked": none, "matched": none}
        if draw["match"][0]:
            losses["matched"] = self._match(clips, draw, share)
        else:
            losses["aligned"], losses["masked"] = self._align(clips, draw, share)
        return {"loss": sum(losses.values()), **losses}

    def exported(self) -> TouchMae:
        return self.touch_mae_model

    def embed_words(self, words: Tensor) -> Tensor:
        """(B, W) int64 rows of words -> (B, P) of unit length."""
        return F.normalize(self.text_projection(self.text_model(words)).float(), dim=-1)

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, P) of unit length."""
        images = resized(pictures, self.vision_model_config)
        mean, std = (images.new_tensor(v).view(3, 1, 1) for v in (_PICTURE_MEAN, _PICTURE_STD))
        none = images.new_zeros(len(images), 0, self.vision_model_config.embed_dim)
        hidden = self.vision_model(((images - mean) / std)[:, None], none)[:, 0]
        vectors = self.visual_projection(self.vision_model.post_layernorm(hidden))
        return F.normalize(vectors.float(), dim=-1)

    @property
    def vision_model_config(self) -> AnyTouchConfig:
        """Of the tower of pictures."""
        return _of_pictures(self.touch_mae_model.config)

    def _align(self, clips: dict[str, Tensor], draw: Draw, share: float) -> tuple[Tensor, Tensor]:
        video, slots = bool(draw["video"][0]), sensor_slots(draw, 0, share)
        felt = cut_clips(clips["frames"], draw)
        pictures = mirror(clips["pictures"].permute(0, 3, 1, 2) / 255.0, draw["flip"])
        aligned = alignment_loss(
            self._embed(felt, slots, video),
            self.embed_pictures(pictures),
            self.embed_words(clips["words"]),
            clips["has_picture"],
            clips["has_words"],
            self.logit_scale.exp(),
        )
        masked = masked_losses(self.touch_mae_model, felt, slots, draw["seen"], video)["loss"]
        return aligned, masked

    def _match(self, clips: dict[str, Tensor], draw: Draw, share: float) -> Tensor:
        """The second sensor of each touch matches its first, the third one of another does not."""
        count = max(int(_MATCHED_SHARE * len(clips["frames"])), 1)
        video = bool(draw["video"][0])
        anchor, positive, other = (
            self._embed(
                cut_clips(clips["frames"], draw, place)[:count],
                sensor_slots(draw, place, share)[:count],
                video,
            )
            for place in range(3)
        )
        touches = clips["touch"][:count]
        differs = touches != touches.roll(1)
        same = self._likeness(anchor, positive)
        different = self._likeness(anchor, other.roll(1, dims=0))
        return matching_loss(same, different[differs] if differs.any() else different)

    def _likeness(self, first: Tensor, second: Tensor) -> Tensor:
        """(B,) logits that two touches, (B, P) of unit length, are the same."""
        return self.cross_sensor_head(first * second)[:, 0].float()

    def _embed(self, clips: Tensor, slots: Tensor, video: bool) -> Tensor:
        model = self.touch_mae_model
        images = resized(clips, model.config)
        images = images[:, : CLIP_FRAMES - 1] if video else images[:, -1]
        return F.normalize(model.embed(images, slots).float(), dim=-1)


def _of_pictures(config: AnyTouchConfig) -> AnyTouchConfig:
    """The same tower for single pictures."""
    return AnyTouchConfig(
        config.embed_dim,
        config.depth,
        config.num_heads,
        config.patch_size,
        frames=1,
        image_size=config.image_size,
        mlp_dim=config.mlp_dim,
    )
