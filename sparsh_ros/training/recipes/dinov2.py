# SPDX-License-Identifier: Apache-2.0
"""DINOv2 (Oquab et al., 2024; Higuera et al., 2024): DINO, the same for patches, and spread.

Beside DINO's loss on the class of a view, a second head compares the patch tokens of student and
teacher in the large views (after iBOT, Zhou et al., 2022; the blocks are the only masks), and KoLeo
(Sablayrolles et al., 2019) pushes the classes of a batch apart.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.training.loop.recipe import Draw, Losses, follow
from sparsh_ros.training.recipes import dino
from sparsh_ros.training.recipes.dino import Dino, distillation_loss, moved_centre, ramp, see
from sparsh_ros.training.recipes.parts import ProjectionHead, is_light, read_clips

GLOBAL_AREA, LOCAL_AREA = (0.32, 1.0), (0.1, 0.32)
TEACHER_TEMPERATURE, TEMPERATURE_WARM_UP = (0.04, 0.06), 0.15  # 30 of 200 epochs
MOMENTUM = 0.994
PAIRS = 18  # of student and teacher views, not counting a view with itself
KOLEO_WEIGHT = 0.1
LAYER_SCALE, DROP_PATH = 1e-5, 0.1
LIGHT_LAYER_SCALE = 0.1
EPS = 1e-8


def patch_loss(student: Tensor, teacher: Tensor, centre: Tensor, sharpness: float) -> Tensor:
    """Cross-entropy of each patch with the same patch, the mean over patches and images, summed
    over views: logits (B, V, N, K) each."""
    wanted = ((teacher.detach().float() - centre) / sharpness).softmax(dim=-1)
    found = (student.float() / dino.STUDENT_TEMPERATURE).log_softmax(dim=-1)
    return -(wanted * found).sum(dim=-1).mean(dim=(0, 2)).sum()


def koleo_loss(classes: Tensor) -> Tensor:
    """-log of the distance to the nearest other class, the mean over (B, D) classes of unit length:
    an estimate of their entropy. Of a single class 0."""
    if len(classes) < 2:
        return classes.sum() * 0.0
    unit = F.normalize(classes.float(), dim=-1)
    with torch.no_grad():
        likeness = unit @ unit.T
        nearest = likeness.fill_diagonal_(-2.0).argmax(dim=1)
    distance = F.pairwise_distance(unit, unit[nearest], eps=EPS)
    return -(distance + EPS).log().mean()


class DropPath(nn.Module):
    """In training, leave out a residual branch for a share of the images (Huang et al., 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.share
        return x * kept / (1.0 - self.share)


class DinoV2(Dino):
    """DINO with a head for patches of its own, and with `KOLEO_WEIGHT` times KoLeo."""

    name = "dinov2"
    areas = (GLOBAL_AREA, LOCAL_AREA)
    momentum = MOMENTUM
    peak_rate = 2e-3

    def __init__(self, encoder: VisionTransformer) -> None:
        scale = LIGHT_LAYER_SCALE if is_light(encoder) else LAYER_SCALE
        for block in encoder.blocks:
            nn.init.constant_(block.ls1.gamma, scale)
            nn.init.constant_(block.ls2.gamma, scale)
        super().__init__(encoder)
        sizes = dino.LIGHT_HEAD if is_light(encoder) else dino.HEAD
        self.student_patch_head = ProjectionHead(encoder.config.embed_dim, *sizes)
        self.teacher_patch_head = copy.deepcopy(self.student_patch_head).requires_grad_(False)
        self.register_buffer("patch_centre", torch.zeros(sizes[-1]))
        for block in self.student.blocks:
            block.ls1 = nn.Sequential(block.ls1, DropPath(DROP_PATH))
            block.ls2 = nn.Sequential(block.ls2, DropPath(DROP_PATH))

    def forward(self, clips: Tensor, draw: Draw, share: float) -> Losses:
        patches = read_clips(clips, self.student)
        sharpness = ramp(share, TEACHER_TEMPERATURE, TEMPERATURE_WARM_UP)
        with torch.no_grad():
            classes, tokens = see(self.teacher, patches, draw["globals"])
            wanted, wanted_patches = self.teacher_head(classes), self.teacher_patch_head(tokens)
        large, tokens = see(self.student, patches, draw["globals"])
        small, _ = see(self.student, patches, draw["locals"])
        found = self.student_head(torch.cat([large, small], dim=1))
        parts = {
            "dino": distillation_loss(found, wanted, self.centre, sharpness) / PAIRS,
            "ibot": patch_loss(
                self.student_patch_head(tokens), wanted_patches, self.patch_centre, sharpness
            )
            / dino.GLOBAL_BLOCKS,
            "koleo": sum(koleo_loss(view) for view in large.unbind(dim=1)),
        }
        if self.training:
            self.centre = moved_centre(self.centre, wanted)
            self.patch_centre = moved_centre(self.patch_centre, wanted_patches)
        loss = parts["dino"] + parts["ibot"] + KOLEO_WEIGHT * parts["koleo"]
        return {"loss": loss, **parts}

    def after_step(self, share: float) -> None:
        super().after_step(share)
        follow(self.teacher_patch_head, self.student_patch_head, self.momentum)
