# SPDX-License-Identifier: Apache-2.0
"""The recipes by name, and the encoder that each trains at a size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sparsh_ros.errors import ModelError
from sparsh_ros.models.spec import RESNET, SIZES, STREAM, ModelSpec
from sparsh_ros.training.episodes import RATE_HZ
from sparsh_ros.training.loop.recipe import Recipe
from sparsh_ros.training.recipes.dino import Dino
from sparsh_ros.training.recipes.dinov2 import DinoV2
from sparsh_ros.training.recipes.ijepa import IJepa
from sparsh_ros.training.recipes.mae import MaskedAutoencoder
from sparsh_ros.training.recipes.vjepa import VJepa

RECIPES: dict[str, type[Recipe]] = {
    recipe.name: recipe for recipe in (MaskedAutoencoder, Dino, DinoV2, IJepa, VJepa)
}
LICENCE = "Apache-2.0"
_CLIP_STEPS = (0, 2, 4, 6)
"""How many frames older than the newest each frame of a clip is, at `RATE_HZ`."""
_NANO = {"image_height": 80, "image_width": 60, "patch_size": 10}


def model_spec(name: str, size: str, folder: Path) -> ModelSpec:
    """What a recipe trains: pairs of 320 x 240 frames, or of 80 x 60 where the size is nano; V-JEPA
    clips of four.

    Args:
        name: Of the recipe, or any other name of a model of frame pairs.
        size: Of `spec.SIZES`.
        folder: Where its weights will lie.

    Raises:
        ModelError: The size is unknown.
    """
    sizes = [known for known in SIZES if known != STREAM and not known.startswith(RESNET)]
    if size not in sizes:
        raise ModelError(f"size {size!r}: unknown; choose one of {', '.join(sizes)}")
    spec = ModelSpec(f"{name}-{size}", size, LICENCE, folder, **_NANO if size == "nano" else {})
    if name != VJepa.name:
        return spec
    offsets = tuple(step / RATE_HZ for step in _CLIP_STEPS)
    return replace(spec, frame_offsets_s=offsets, tubelet=2)
