# SPDX-License-Identifier: Apache-2.0
"""What the recipes read of touches: which sensor, mirrored how, in which colours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sparsh_ros.models.checkpoints.anytouch.config import SENSOR_IDS, UNIVERSAL
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.training.loop.recipe import Draw
from sparsh_ros.training.recipes.siamese.augment import jitter

JITTER = (0.4, 0.4, 0.5, 0.3)  # brightness, contrast, saturation, hue
UNIVERSAL_SHARE = (0.0, 0.75)
"""Share of the samples that get the universal token, at the first step and at the last."""
_SLOTS = tuple(SENSOR_IDS[sensor] for sensor in SENSORS)


def draw_views(
    rng: np.random.Generator, batch: int, sensors: int, subtracted: bool = False
) -> Draw:
    """Draw ``sensors`` different sensors of each touch, and how they are seen.

    Frames without a background keep their brightness: of the grey that stands for it, a change
    would hide the touch.
    """
    drawn = {
        "sensor": rng.random((batch, len(SENSORS))).argsort(axis=1)[:, :sensors],
        "flip": rng.random((batch, 2)) < 0.5,
        "colour": np.float32(rng.uniform(-1.0, 1.0, (batch, sensors, 4)) * np.array(JITTER)),
        "universal": np.float32(rng.random(batch)),
    }
    drawn["colour"][..., 0] *= not subtracted
    return {name: torch.from_numpy(value) for name, value in drawn.items()}


def cut_clips(frames: Tensor, draw: Draw, index: int = 0) -> Tensor:
    """Clips of one of the drawn sensors of each touch.

    Args:
        frames: (B, sensors, T, H, W, 3) uint8, newest frame first.
        draw: Of `draw_views`.
        index: Which of the drawn ones.

    Returns:
        (B, T, 3, H, W) floats in [0, 1], oldest frame first; all frames of a clip are changed
        alike, and all sensors of a touch are mirrored alike.
    """
    rows = torch.arange(len(frames), device=frames.device)
    clips = frames[rows, draw["sensor"][:, index]].flip(1).permute(0, 1, 4, 2, 3) / 255.0
    tall = mirror(clips, draw["flip"]).transpose(1, 2).flatten(2, 3)  # (B, 3, T H, W)
    colours = jitter(tall, draw["colour"][:, index])
    return colours.unflatten(2, (frames.shape[2], -1)).transpose(1, 2)


def mirror(images: Tensor, flip: Tensor) -> Tensor:
    """Images (B, ..., H, W), mirrored along rows and along columns where ``flip`` (B, 2) says."""
    for axis, wanted in zip((-2, -1), flip.unbind(dim=1), strict=True):
        wanted = wanted.view(-1, *[1] * (images.ndim - 1))
        images = torch.where(wanted, images.flip(axis), images)
    return images


def sensor_slots(draw: Draw, index: int, share: float) -> Tensor:
    """(B,) slots of the sensor tokens; the more of the training is done, the more are universal.

    Of one touch, all sensors get the universal token or none does.
    """
    start, end = UNIVERSAL_SHARE
    slots = torch.tensor(_SLOTS, device=draw["sensor"].device)[draw["sensor"][:, index]]
    is_universal = draw["universal"] < start + (end - start) * share
    return torch.where(is_universal, UNIVERSAL, slots)
