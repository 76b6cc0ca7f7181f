# SPDX-License-Identifier: Apache-2.0
"""Pre-training as a step on a run folder: data, recipe, loop, and the encoder that is kept.

<run>/<recipe>/             checkpoint, log and picture of the loop
<run>/encoder.safetensors   the encoder, which takes plain pixels
<run>/model.yaml            its description, for `--model`
<run>/<recipe>.json         what the run was
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.vit import VisionTransformer
from sparsh_ros.models.zoo import describe_as_yaml
from sparsh_ros.names import ENCODER_FILE
from sparsh_ros.training.clips.mixed import MixedClips
from sparsh_ros.training.clips.store import ClipStore, open_clips
from sparsh_ros.training.loop import processes
from sparsh_ros.training.loop.recipe import Recipe
from sparsh_ros.training.loop.training import LoopSettings, Source, Training, kept_steps
from sparsh_ros.training.patches import fold_scaling
from sparsh_ros.training.pretraining.models import RECIPES
from sparsh_ros.training.splits import check_splits
from sparsh_ros.training.steps import describe_run, write_json

MODEL_FILE = "model.yaml"
_PRETRAINED = ("train", "validation")


@dataclass(frozen=True)
class Pretraining:
    """What to pre-train, and how.

    Attributes:
        recipe: Name of the method, of `RECIPES`.
        spec: The model whose encoder it trains.
        data: Folders with simulated episodes or bags; several count alike, see `MixedClips`.
        run: Folder of the run.
        chains: Of each five frames, how many are the newest of a clip.
        minutes: About how long; None where ``loop.steps`` says how many steps.
        loop: Settings of the loop.
        resume: Whether to go on from the last checkpoint.
    """

    recipe: str
    spec: ModelSpec
    data: Sequence[Path]
    run: Path
    loop: LoopSettings
    chains: int = 5
    minutes: float | None = None
    resume: bool = False


def pretrain(job: Pretraining) -> None:
    """Pre-train an encoder without labels.

    Raises:
        DatasetError: A split is missing or damaged, or both share a sensor instance.
        TrainingError: The loss is no number, or the disk is full.
        WeightsError: There is nothing to resume, or another run.
    """
    with processes.joined():
        cache = job.run / "cache"
        if processes.rank() == 0:  # builds the files that all map
            _open(job, cache)
        processes.wait()
        stores = _open(job, cache)
        torch.manual_seed(job.loop.seed)
        recipe = RECIPES[job.recipe](VisionTransformer.from_spec(job.spec))
        summary = run_loop(job, recipe, stores)
        if processes.rank() == 0:
            _keep(job, recipe)
            write_json(job.run / f"{job.recipe}.json", {**describe_run(stores), **summary})


def _open(job: Pretraining, cache: Path) -> dict[str, ClipStore | MixedClips]:
    folders = {data: cache / str(n) if n else cache for n, data in enumerate(job.data)}
    parts = {
        split: [open_clips(data, split, own, job.spec, job.chains) for data, own in folders.items()]
        for split in _PRETRAINED
    }
    check_splits({split: [m for s in stores for m in s.metas] for split, stores in parts.items()})
    return {split: MixedClips(s) if len(s) > 1 else s[0] for split, s in parts.items()}


class Job(Protocol):
    """What a run of the loop has to know; attributes as of `Pretraining`."""

    recipe: str
    run: Path
    loop: LoopSettings
    minutes: float | None
    resume: bool


def run_loop(job: Job, recipe: Recipe, sources: Mapping[str, Source]) -> dict[str, Any]:
    """Train in the folder of the recipe until all steps are done; as `Training.run`.

    Args:
        job: How to train.
        recipe: What learns.
        sources: "train", and "validation", on which it is checked.

    Raises:
        TrainingError: The loss is no number, or the disk is full.
        WeightsError: There is nothing to resume, or another run.
    """
    folder, loop, train = job.run / job.recipe, job.loop, sources["train"]
    if job.minutes is not None:
        if job.resume:
            loop = replace(loop, steps=kept_steps(folder / f"{recipe.name}.pt"))
        else:
            trial = Training(recipe, loop, folder)
            loop = replace(loop, steps=trial.steps_in(job.minutes, train))
            trial.close()
    return Training(recipe, loop, folder, job.resume).run(train, sources["validation"])


def _keep(job: Pretraining, recipe: Recipe) -> None:
    encoder = recipe.exported().cpu()
    fold_scaling(encoder)
    save_file(encoder.state_dict(), job.run / ENCODER_FILE)
    here = replace(job.spec, weights=Path("."), files=None)
    (job.run / MODEL_FILE).write_text(describe_as_yaml(here))
