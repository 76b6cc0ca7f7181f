# SPDX-License-Identifier: Apache-2.0
"""Load decoders: from an official file in one line, or as the heads of a model.

What a decoder is follows from its tensors alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.anytouch.heads import (
    AnyTouchForceHead,
    LinearHead,
    build_anytouch_head,
)
from sparsh_ros.models.checkpoints.anytouch.heads import AnyTouchHeadConfig
from sparsh_ros.models.checkpoints.architecture import height_and_width
from sparsh_ros.models.checkpoints.checkpoint import Checkpoint, open_checkpoint
from sparsh_ros.models.checkpoints.head_config import (
    Config,
    FieldHeadConfig,
    ForceFieldConfig,
    infer_head_config,
)
from sparsh_ros.models.dpt import IMAGE_SIZE, PATCH_SIZE, ForceFieldDecoder
from sparsh_ros.models.heads import HEADS, FieldHead, Head
from sparsh_ros.models.loading.encoders import load_weights
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import HEADS_FILE

Decoder = Head | ForceFieldDecoder | FieldHead | AnyTouchForceHead | LinearHead


def load_head(
    path: str | Path | Checkpoint,
    *,
    task: str | None = None,
    num_heads: int | None = None,
    image_size: int | tuple[int, int] = IMAGE_SIZE,
) -> Decoder:
    """Load a decoder from any file that holds one.

    Its ``task`` is "force", "slip", "pose", "grasp", "textile" (see `sparsh_ros.models.heads`),
    "forcefield" (see `sparsh_ros.models.dpt`), or of AnyTouch "force", "material" and so on (see
    `sparsh_ros.models.anytouch.heads`); it returns a dictionary of tensors with the keys
    ``outputs``.

    Args:
        path: `epoch-XXXX.pth` or `last.ckpt` of TacBench's training, a probe's `.pth` of AnyTouch,
            or the decoder's tensors alone, or an open file. An encoder beside it is not read.
        task: What the file must be; None takes what it is.
        num_heads: Attention heads of the pooler, which no tensor tells; None takes 12, as
            the published probes of Sparsh have, or 16, as that of AnyTouch 2.
        image_size: Height and width in pixels, or the side of a square, of the input of a force
            field's encoder. The other heads take any number of tokens.

    Returns:
        The decoder in evaluation mode, float32, on the CPU.

    Raises:
        WeightsError: The file is missing, broken, unsafe, holds no decoder, lacks tensors or has
            unknown ones, or contradicts an argument.
        ModelError: A force field cannot be read from images of that size.
        MissingDependencyError: The package safetensors is needed and not installed.
    """
    file = open_checkpoint(path)
    config = file.head_config
    _check_task(file, config, task)
    head = build_on_meta(config, num_heads, height_and_width(image_size))
    return load_weights(head, file, file.head_names)


def load_model_heads(
    names: Iterable[str], spec: ModelSpec, path: Path | None = None
) -> dict[str, Decoder]:
    """Load heads for the tokens of a model, in evaluation mode, float32 on the CPU.

    Args:
        names: Their tasks, of `sparsh_ros.names.HEADS`.
        spec: The model whose tokens the heads read.
        path: File with keys `<head>.<parameter>`; None takes the model's own: its published files,
            else `heads.safetensors` in its folder.

    Raises:
        WeightsError: A file is missing, broken, unsafe, of another architecture, or has no such
            head.
    """
    names = tuple(names)
    if spec.files is not None and path is None:
        files = {name: spec.files.heads[name] for name in names}
        return {name: _load(name, spec, file, file.head_names) for name, file in files.items()}
    if not names:
        return {}
    file = open_checkpoint(path or spec.weights / HEADS_FILE)
    return {name: _load(name, spec, file, _own_names(file, name)) for name in names}


def _load(name: str, spec: ModelSpec, file: Checkpoint, keys: Mapping[str, str]) -> Decoder:
    config = infer_head_config(file.shapes(keys), str(file.path))
    _check_task(file, config, name)
    if config.embed_dim != spec.embed_dim:
        raise WeightsError(
            f"{file.path}: wanted a head for tokens of {spec.embed_dim} channels of model "
            f"{spec.name}, found {config.describe()}; it was trained on another encoder"
        )
    own = None if isinstance(config, AnyTouchHeadConfig) else spec.num_heads
    head = build_on_meta(config, spec.pooler_num_heads or own, grid=spec.grid)
    return load_weights(head, file, keys)


def _own_names(file: Checkpoint, name: str) -> dict[str, str]:
    prefix = f"{name}."
    names = {key.removeprefix(prefix): key for key in file.tensors if key.startswith(prefix)}
    if not names:
        found = sorted({key.split(".")[0] for key in file.tensors})
        raise WeightsError(
            f"{file.path}: wanted keys {prefix}*, found those of {', '.join(found)}; "
            f"see `sparsh-ros weights inspect {file.path}`"
        )
    return names


def _check_task(file: Checkpoint, config: Config, task: str | None) -> None:
    if task not in (None, config.task):
        raise WeightsError(f"{file.path}: wanted task={task}, found {config.describe()}")


def build_on_meta(
    config: Config,
    num_heads: int | None = None,
    image_size: tuple[int, int] = IMAGE_SIZE,
    grid: tuple[int, int] | None = None,
) -> Decoder:
    """Build a decoder without values, on the meta device; arguments and errors of `load_head`, and
    the rows and columns of the tokens of a model, if they are not those of that image."""
    with torch.device("meta"):
        if isinstance(config, AnyTouchHeadConfig):
            return build_anytouch_head(config, num_heads)
        if isinstance(config, ForceFieldConfig):
            return ForceFieldDecoder(
                config.embed_dim, config.channels, image_size, config.maps, config.probe_channels
            )
        if isinstance(config, FieldHeadConfig):
            rows, columns = grid or tuple(side // PATCH_SIZE for side in image_size)
            return FieldHead(config.embed_dim, (rows, columns), config.times)
        sizes = {"mlp_dim": config.mlp_dim, "hidden": config.hidden}
        if config.task == "pose":
            sizes["fingers"] = config.fingers
        return HEADS[config.task](config.embed_dim, config.complete_num_heads(num_heads), **sizes)
