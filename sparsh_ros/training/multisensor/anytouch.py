# SPDX-License-Identifier: Apache-2.0
"""Training AnyTouch: stage 1 from scratch, stage 2 from what stage 1 left.

<run>/<recipe>/          checkpoint and log of the loop
<run>/checkpoint.pth     the model, with the names of the published checkpoints, for `load_encoder`
<run>/model.yaml         its description, for `--model`, and which file is the encoder's
<run>/<recipe>.json      what the run was
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.anytouch.encoder import AnyTouch
from sparsh_ros.models.checkpoints.anytouch.config import PATCH_KERNEL, AnyTouchConfig
from sparsh_ros.models.checkpoints.weight_files import CHOICE_FILE, ENCODER
from sparsh_ros.models.loading.encoders import load_encoder
from sparsh_ros.models.spec import SIZES, Architecture, ModelSpec
from sparsh_ros.models.zoo import describe_as_yaml
from sparsh_ros.simulation.multisensor.touches import RATE_HZ
from sparsh_ros.training.loop import processes
from sparsh_ros.training.loop.training import LoopSettings
from sparsh_ros.training.multisensor.dataset import AlignedTouches, open_touches
from sparsh_ros.training.pretraining.models import LICENCE
from sparsh_ros.training.pretraining.pretrain import MODEL_FILE, run_loop
from sparsh_ros.training.recipes.anytouch.align import AnyTouchAlign
from sparsh_ros.training.recipes.anytouch.decoder import HEAD_WIDTH, TouchMae
from sparsh_ros.training.recipes.anytouch.masked import AnyTouchMasked
from sparsh_ros.training.schedule import save_checkpoint
from sparsh_ros.training.steps import write_json

ANYTOUCH_RECIPES = {recipe.name: recipe for recipe in (AnyTouchMasked, AnyTouchAlign)}
CHECKPOINT = "checkpoint.pth"
_VIDEO_KERNEL = "video_patch_embedding.weight"
_SPLITS = ("train", "validation")
_SIZES = {
    "nano": (
        AnyTouchConfig(64, 4, 1, 8, frames=3, image_size=(56, 56), projection_dim=64),
        (64, 2),
    ),
    "large": (AnyTouchConfig(1024, 24, 16, 14, frames=3), (512, 8)),
}
"""Size -> encoder, and width and blocks of the decoder."""


@dataclass(frozen=True)
class AnyTouchTraining:
    """What to train, and how.

    Attributes:
        recipe: Name of the stage, of `ANYTOUCH_RECIPES`.
        data: Folder that `sparsh-ros simulate-multisensor` wrote.
        run: Folder of the run.
        loop: Settings of the loop.
        minutes: About how long; None where ``loop.steps`` says how many steps.
        resume: Whether to go on from the last checkpoint of this run.
        size: Of a fresh encoder, "nano" or "large".
        start: Run or file of stage 1 to go on from; None begins with fresh weights.
        subtract: Whether to take backgrounds away, which AnyTouch 2 does and AnyTouch does not.
    """

    recipe: str
    data: Path
    run: Path
    loop: LoopSettings
    minutes: float | None = None
    resume: bool = False
    size: str = "nano"
    start: Path | None = None
    subtract: bool = False


def train_anytouch(job: AnyTouchTraining) -> None:
    """Train one stage.

    Raises:
        DatasetError: A split is missing or damaged, or both share a sensor.
        TrainingError: The loss is no number, or the disk is full.
        WeightsError: There is nothing to resume, or another run; or nothing to start from.
    """
    touches = open_touches(job.data, _SPLITS, job.subtract)
    torch.manual_seed(job.loop.seed)
    model = build_mae(*_SIZES[job.size]) if job.start is None else load_mae(job.start)
    recipe = ANYTOUCH_RECIPES[job.recipe](model)
    recipe.subtracted = job.subtract
    with processes.joined():
        summary = run_loop(job, recipe, touches)
        if processes.rank() == 0:
            save_model(recipe, job.run / CHECKPOINT)
            if not job.subtract:  # the live graph gives AnyTouch its frames as they are
                _write_description(job, recipe.exported().config)
            about = {"data": _describe(touches), "subtract": job.subtract}
            about |= {"start": str(job.start or "")}
            write_json(job.run / f"{job.recipe}.json", {**about, **summary})


def build_mae(config: AnyTouchConfig, decoder: tuple[int, int]) -> TouchMae:
    """A fresh encoder with a decoder of so many channels and blocks."""
    return TouchMae(config, *decoder)


def save_model(recipe: AnyTouchMasked | AnyTouchAlign, path: Path) -> None:
    """Write the model with the names of the published checkpoints, whole or not at all.

    Raises:
        TrainingError: The disk is full.
    """
    module = recipe.model if isinstance(recipe, AnyTouchMasked) else recipe
    state = {
        name.removesuffix(PATCH_KERNEL) + _VIDEO_KERNEL if name.endswith(PATCH_KERNEL) else name: v
        for name, v in module.state_dict().items()
    }
    save_checkpoint(path, {"model": state})


def load_anytouch(path: Path) -> AnyTouch:
    """Read an encoder of AnyTouch.

    Args:
        path: The file, or the folder of a run.

    Raises:
        WeightsError: It is none, or one of AnyTouch 2.
    """
    file = _file_of(path)
    encoder = load_encoder(file)
    if type(encoder) is not AnyTouch:
        raise WeightsError(
            f"{file}: wanted an encoder of AnyTouch, found {type(encoder).__name__}; "
            "`sparsh-ros train anytouch` makes one"
        )
    return encoder


def load_mae(path: Path) -> TouchMae:
    """Read encoder and decoder of stage 1.

    Args:
        path: The file, or the folder of the run.

    Raises:
        WeightsError: It is none, or has no decoder.
    """
    encoder, path = load_anytouch(path), _file_of(path)
    try:
        state = _read_state(path)
        width, _ = state["decoder_embed.weight"].shape
        depth = len({n.split(".")[1] for n in state if n.startswith("touch_decoder_blocks.")})
        model = TouchMae(encoder.config, width // HEAD_WIDTH * HEAD_WIDTH, depth)
        model.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError, UnpicklingError) as error:
        raise WeightsError(
            f"{path}: wanted the decoder of stage 1 beside the encoder, found none that fits "
            f"({str(error).splitlines()[0]}); give the file of stage 1"
        ) from error
    return model


def _write_description(job: AnyTouchTraining, config: AnyTouchConfig) -> None:
    """For the live graph, where the size has a name."""
    found = Architecture(config.embed_dim, config.depth, config.num_heads)
    for size in [name for name, architecture in SIZES.items() if architecture == found]:
        height, width = config.image_size
        spec = ModelSpec(
            f"{job.recipe}-{size}",
            size,
            LICENCE,
            Path("."),
            family=config.family,
            patch_size=config.patch_size,
            image_height=height,
            image_width=width,
            frame_offsets_s=tuple(step / RATE_HZ for step in range(config.frames)),
        )
        (job.run / MODEL_FILE).write_text(describe_as_yaml(spec))
        (job.run / CHOICE_FILE).write_text(f"{ENCODER}: {CHECKPOINT}\n")


def _file_of(path: Path) -> Path:
    return path / CHECKPOINT if path.is_dir() else path


def _read_state(path: Path) -> dict[str, Tensor]:
    """The tensors under our names; `load_encoder` has read the file before."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    state = saved.get("model", saved)
    kernel = state.get(_VIDEO_KERNEL)
    unused = (_VIDEO_KERNEL, "video_position_embedding.weight")
    kept = {name: value for name, value in state.items() if name not in unused}
    return kept if kernel is None else kept | {PATCH_KERNEL: kernel}


def _describe(touches: dict[str, AlignedTouches]) -> dict[str, dict]:
    return {split: {"touches": len(found), **found.meta} for split, found in touches.items()}
