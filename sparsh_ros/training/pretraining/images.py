# SPDX-License-Identifier: Apache-2.0
"""Pre-training a ResNet-18 on single images, by SARL or a method to compare with.

<run>/<recipe>/             checkpoint and log of the loop
<run>/encoder.safetensors   the encoder, with torchvision's names
<run>/resnet.json           its architecture
<run>/model.yaml            its description, for `train probe --model`
<run>/<recipe>.json         what the run was
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from sparsh_ros.models.resnet.files import describe_run, save_encoder
from sparsh_ros.models.resnet.network import RESNETS, ResNet18, ResNetConfig
from sparsh_ros.models.zoo import describe_as_yaml
from sparsh_ros.training.loop import processes
from sparsh_ros.training.loop.recipe import Recipe
from sparsh_ros.training.loop.training import LoopSettings
from sparsh_ros.training.pretraining.image_folder import ImageFolder
from sparsh_ros.training.pretraining.pretrain import MODEL_FILE, run_loop
from sparsh_ros.training.recipes.sarl import WEIGHTS, Sarl
from sparsh_ros.training.recipes.siamese.barlow_twins import BarlowTwins
from sparsh_ros.training.recipes.siamese.byol import Byol
from sparsh_ros.training.recipes.siamese.cplearn import CpLearn
from sparsh_ros.training.recipes.siamese.densecl import DenseCl
from sparsh_ros.training.recipes.siamese.minc import Minc
from sparsh_ros.training.recipes.siamese.simclr import SimClr
from sparsh_ros.training.recipes.siamese.simsiam import SimSiam
from sparsh_ros.training.recipes.siamese.swav import SwAv
from sparsh_ros.training.recipes.siamese.vicreg import VicReg
from sparsh_ros.training.steps import write_json
from sparsh_ros.training.vitactip.dataset import TipImages, read_splits

IMAGE_RECIPES: dict[str, type[Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Sarl,
        SimClr,
        Byol,
        SimSiam,
        BarlowTwins,
        VicReg,
        SwAv,
        Minc,
        CpLearn,
        DenseCl,
    )
}
_SPLITS = ("train", "validation")


@dataclass(frozen=True)
class ImagePretraining:
    """What to pre-train, and how.

    Attributes:
        recipe: Name of the method, of `IMAGE_RECIPES`.
        size: Of the encoder, of `RESNETS`.
        data: Folder that `sparsh-ros simulate-vitactip` wrote, or one with image files below
            `train` and `validation`.
        run: Folder of the run.
        loop: Settings of the loop.
        losses: Of SARL, which to add to BYOL's.
        resume: Whether to go on from the last checkpoint.
        minutes: About how long; None where ``loop.steps`` says how many steps.
    """

    recipe: str
    size: str
    data: Path
    run: Path
    loop: LoopSettings
    losses: Collection[str] = tuple(WEIGHTS)
    resume: bool = False
    minutes: float | None = None


def pretrain_images(job: ImagePretraining) -> None:
    """Pre-train an encoder without labels.

    Raises:
        DatasetError: A split is missing or damaged, or both share a fingertip.
        TrainingError: The loss is no number, or the disk is full.
        WeightsError: There is nothing to resume, or another run.
    """
    with processes.joined():
        sources = _open(job)
        torch.manual_seed(job.loop.seed)
        recipe = build_recipe(job.recipe, RESNETS[job.size], job.losses)
        summary = run_loop(job, recipe, sources)
        if processes.rank() == 0:
            save_encoder(recipe.exported(), job.run)
            spec = describe_run(f"{job.recipe}-{job.size}", RESNETS[job.size], Path("."))
            (job.run / MODEL_FILE).write_text(describe_as_yaml(spec))
            about = {"data": _describe(sources), "losses": list(job.losses)}
            write_json(job.run / f"{job.recipe}.json", {**about, **summary})


def build_recipe(name: str, config: ResNetConfig, losses: Collection[str]) -> Recipe:
    """A method with a fresh encoder, whose images lie as convolutions on a CPU like them."""
    encoder = ResNet18(config).to(memory_format=torch.channels_last)
    return Sarl(encoder, losses) if name == Sarl.name else IMAGE_RECIPES[name](encoder)


def _open(job: ImagePretraining) -> dict[str, TipImages | ImageFolder]:
    """Simulated images, or files below folders that are called as the splits."""
    if not any((job.data / split).is_dir() for split in _SPLITS):
        return read_splits(job.data, _SPLITS)
    size = RESNETS[job.size].image_size
    return {split: ImageFolder(job.data / split, size) for split in _SPLITS}


def _describe(sources: dict[str, TipImages | ImageFolder]) -> dict[str, dict]:
    return {split: {"images": len(found), **found.meta} for split, found in sources.items()}
