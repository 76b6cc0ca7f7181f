# SPDX-License-Identifier: Apache-2.0
"""Load decoders: from an official file in one line, or as the heads of a model.

What a decoder is follows from its tensors alone.
"""

from __future__ import annotations

from pathlib import Path

import torch

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.architecture import height_and_width
from sparsh_ros.models.checkpoints.checkpoints import fill
from sparsh_ros.models.checkpoints.head_facts import (
    ForceFieldFacts,
    ProbeFacts,
    find_head,
    read_head_facts,
)
from sparsh_ros.models.checkpoints.tensor_files import TensorFile, open_tensor_file
from sparsh_ros.models.dpt import IMAGE_SIZE, ForceFieldDecoder
from sparsh_ros.models.heads import HEADS, Head
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import HEADS_FILE


def load_head(
    path: str | Path,
    *,
    task: str | None = None,
    attention_heads: int | None = None,
    image_size: int | tuple[int, int] = IMAGE_SIZE,
) -> Head | ForceFieldDecoder:
    """Load a decoder from any file that holds one.

    Its ``task`` is "force", "slip", "pose", "grasp", "textile" (see `sparsh_ros.models.heads`) or
    "forcefield" (see `sparsh_ros.models.dpt`); it returns a dictionary of tensors with the keys
    ``outputs``.

    Args:
        path: `epoch-XXXX.pth` or `last.ckpt` of TacBench's training, or the decoder's tensors
            alone. An encoder beside it is not read.
        task: What the file must be; None takes what it is.
        attention_heads: Attention heads of the pooler, which no tensor tells; None takes 12, as
            the published probes have.
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
    file = open_tensor_file(path)
    names = find_head(file.tensors, str(file.path))
    facts = _facts(file, names, task)
    return fill(outline(facts, attention_heads, height_and_width(image_size)), file, names)


def load_model_head(
    name: str, spec: ModelSpec, path: Path | None = None
) -> Head | ForceFieldDecoder:
    """Load a head for the tokens of a model, in evaluation mode, float32 on the CPU.

    Args:
        name: Its task: "force", "slip", "pose", "grasp", "textile" or "forcefield".
        spec: The model whose tokens the head reads.
        path: File with keys `<head>.<parameter>`; None takes the model's own: its published file,
            else `heads.safetensors` in its folder.

    Raises:
        WeightsError: The file is missing, broken, unsafe, of another architecture, or has no
            such head.
    """
    published = spec.files is not None and path is None
    file = open_tensor_file(
        spec.files.heads[name] if published else path or spec.weights / HEADS_FILE
    )
    names = find_head(file.tensors, str(file.path)) if published else _own_names(file, name)
    facts = _facts(file, names, name)
    if facts.width != spec.width:
        raise WeightsError(
            f"{file.path}: wanted a head for tokens of width {spec.width} of model {spec.name}, "
            f"found {facts.describe()}; it was trained on another encoder"
        )
    return fill(outline(facts, spec.pooler_heads or spec.attention_heads), file, names)


def _own_names(file: TensorFile, name: str) -> dict[str, str]:
    prefix = f"{name}."
    names = {key.removeprefix(prefix): key for key in file.tensors if key.startswith(prefix)}
    if not names:
        found = sorted({key.split(".")[0] for key in file.tensors})
        raise WeightsError(
            f"{file.path}: wanted keys {prefix}*, found those of {', '.join(found)}; "
            f"see `sparsh-ros weights inspect {file.path}`"
        )
    return names


def _facts(
    file: TensorFile, names: dict[str, str], task: str | None
) -> ProbeFacts | ForceFieldFacts:
    shapes = {name: file.tensors[in_file].shape for name, in_file in names.items()}
    facts = read_head_facts(shapes, str(file.path))
    if task not in (None, facts.task):
        raise WeightsError(f"{file.path}: wanted task={task}, found {facts.describe()}")
    return facts


def outline(
    facts: ProbeFacts | ForceFieldFacts,
    attention_heads: int | None = None,
    image_size: tuple[int, int] = IMAGE_SIZE,
) -> Head | ForceFieldDecoder:
    """Build a decoder without values, on the meta device; arguments and errors of `load_head`."""
    with torch.device("meta"):
        if isinstance(facts, ForceFieldFacts):
            return ForceFieldDecoder(
                facts.width, facts.channels, image_size, facts.maps, facts.probe_channels
            )
        sizes = {"mlp_width": facts.mlp_width, "hidden": facts.hidden}
        if facts.task == "pose":
            sizes["fingers"] = facts.fingers
        return HEADS[facts.task](facts.width, facts.attention_heads(attention_heads), **sizes)
