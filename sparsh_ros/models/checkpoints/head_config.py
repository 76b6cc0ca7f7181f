# SPDX-License-Identifier: Apache-2.0
"""What a decoder is, told from the names and shapes of its tensors. No torch.

Decoders of TacBench (Higuera et al., 2024, arXiv:2410.24090) lie in `epoch-XXXX.pth` with the keys
`model_task.*`, in files of whole modules with `model_encoder.*` beside them, and in `last.ckpt`.
Those of AnyTouch have keys `head.*`, see `checkpoints.anytouch.heads`; a head for force fields on
tokens, which only we train, has `cells.*`. Attention heads leave no trace in the shapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.anytouch.heads import (
    AnyTouchHeadConfig,
    find_anytouch_head,
    infer_anytouch_head,
    recognise_anytouch_head,
)
from sparsh_ros.models.checkpoints.architecture import Shapes
from sparsh_ros.models.checkpoints.encoder_keys import describe_groups, unwrap

TASK_PREFIX = "model_task."
FORCE_FIELD = "forcefield"
MAPS = {"normal": "probe.dispconv.", "shear": "probe.shear_mlp."}
"""Maps of a force field -> what the names of their own tensors begin with."""
FIELD_MAPS = {"pressure": 1, "stretch": 2}
"""Maps of a force field that was learned from measured ones -> their channels."""
CELLS = 3
"""Cells of such a field under a token, along either side."""
POOLER_NUM_HEADS = 12  # of every official pooler, whatever the embed_dim of its encoder

_TELLING = {
    "reassembles": FORCE_FIELD,
    "fusions": FORCE_FIELD,
    "cells": FORCE_FIELD,
    "probe_tx": "pose",
    "probe_ty": "pose",
    "probe_yaw": "pose",
    "fc_norm": "slip",
    "force_probe": "slip",
}
"""Module that only one task has -> the task."""
_MOST = {
    "embed_dim": 1 << 16,
    "mlp_dim": 1 << 20,
    "hidden": 1 << 20,
    "projection_dim": 1 << 16,
    "fingers": 64,
    "channels": 1 << 14,
    "probe_channels": 1 << 14,
    "times": 64,
}
"""More than any decoder has."""
_TASK_OF_OUTPUTS = {3: "force", 2: "grasp", 20: "textile"}


@dataclass(frozen=True)
class ProbeConfig:
    """What the tensors of an attentive probe tell.

    Attributes:
        source: Where the tensors are from, for messages.
        task: "force", "slip", "pose", "grasp" or "textile".
        embed_dim: Channels D of a token.
        mlp_dim: Hidden units of the pooler's perceptron.
        hidden: Hidden units of the perceptrons that read the pooled vector.
        fingers: Pooled vectors that they read at once.
    """

    source: str
    task: str
    embed_dim: int
    mlp_dim: int
    hidden: int
    fingers: int

    def complete_num_heads(self, given: int | None) -> int:
        """Complete the config: attention heads of the pooler, 12 if none are given.

        Raises:
            WeightsError: They do not divide the embed_dim.
        """
        num_heads = POOLER_NUM_HEADS if given is None else given
        if num_heads < 1 or self.embed_dim % num_heads:
            raise WeightsError(
                f"{self.source}: wanted {num_heads} attention heads in the pooler, found embed_dim "
                f"{self.embed_dim}, no multiple of it; give their number, num_heads=..."
            )
        return num_heads

    def describe(self) -> str:
        """Say in words what the head is."""
        fingers = f", {self.fingers} fingers" if self.fingers > 1 else ""
        return f"a {self.task} head (embed_dim {self.embed_dim}{fingers})"

    def untold(self) -> str:
        """Say what no tensor tells."""
        number = (
            "to be given"
            if self.embed_dim % POOLER_NUM_HEADS
            else f"{POOLER_NUM_HEADS} unless given"
        )
        return f"attention heads of the pooler: {number}"


@dataclass(frozen=True)
class ForceFieldConfig:
    """What the tensors of a force-field decoder tell.

    Attributes:
        task: "forcefield".
        embed_dim: Channels D of a token.
        channels: Channels of the maps on the way to their fusion.
        probe_channels: Channels of the maps after it.
        maps: Of "normal" and "shear", those that it has weights for.
    """

    embed_dim: int
    channels: int
    probe_channels: int
    maps: tuple[str, ...]
    task: str = FORCE_FIELD

    def describe(self) -> str:
        """Say in words what the decoder is."""
        return f"a {self.task} decoder of {' and '.join(self.maps)} (embed_dim {self.embed_dim})"

    def untold(self) -> str:
        """Say what no tensor tells."""
        return "image size of the decoder: 224 x 224 unless given"


@dataclass(frozen=True)
class FieldHeadConfig:
    """What the tensors of a head for force fields on tokens tell.

    Attributes:
        embed_dim: Channels D of a token.
        times: Grids of tokens that it reads at once.
        task: "forcefield".
    """

    embed_dim: int
    times: int
    task: str = FORCE_FIELD

    def describe(self) -> str:
        """Say in words what the head is."""
        return f"a {self.task} head of {' and '.join(FIELD_MAPS)} (embed_dim {self.embed_dim})"

    def untold(self) -> str:
        """Say what no tensor tells."""
        return "rows and columns of the tokens: those of its model"


Config = ProbeConfig | ForceFieldConfig | FieldHeadConfig | AnyTouchHeadConfig


def find_head(names: Iterable[str], source: str) -> dict[str, str]:
    """Find the decoder among the tensors of a file: its own names -> names in the file.

    Without a single `model_task.*`, and without a head of AnyTouch, the whole file is taken for a
    decoder.

    Raises:
        WeightsError: Two tensors have the same name without wrappers.
    """
    plain = unwrap(names, source)
    own = {
        name.removeprefix(TASK_PREFIX): in_file
        for name, in_file in plain.items()
        if name.startswith(TASK_PREFIX)
    }
    return own or find_anytouch_head(plain) or plain


def recognise_head(shapes: Shapes) -> str:
    """Name the task of the decoder that shapes belong to; "" if to none."""
    if task := recognise_anytouch_head(shapes):
        return task
    for name in shapes:
        if task := _TELLING.get(name.split(".")[0]):
            return task
    outputs = shapes.get("probe.2.weight", ())
    return _TASK_OF_OUTPUTS.get(outputs[0], "") if outputs else ""


def infer_head_config(shapes: Shapes, source: str) -> Config:
    """Read the config from the shape of every tensor, names without a prefix.

    Raises:
        WeightsError: The tensors are not those of a decoder.
    """
    task = recognise_head(shapes)
    if not task:
        raise WeightsError(
            f"{source}: wanted a decoder ({TASK_PREFIX}*), found {describe_groups(shapes)}; "
            f"see `sparsh-ros weights inspect {source}`"
        )
    try:
        if recognise_anytouch_head(shapes):
            config = infer_anytouch_head(task, shapes, source)
        elif "cells.0.weight" in shapes:
            config = _field_head(shapes)
        else:
            config = _force_field(shapes) if task == FORCE_FIELD else _probe(task, shapes, source)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise WeightsError(
            f"{source}: wanted the tensors of a {task} head, found one missing or of another "
            f"shape ({error}); see `sparsh-ros weights inspect {source}`"
        ) from error
    _check_sizes(config, source)
    return config


def _check_sizes(config: Config, source: str) -> None:
    """Refuse what no decoder has, before anything is built of it."""
    for name, most in _MOST.items():
        value = getattr(config, name, 1)
        if not 1 <= value <= most:
            raise WeightsError(
                f"{source}: wanted {name} of 1 to {most:,}, found {value:,}; use other weights"
            )


def _probe(task: str, shapes: Shapes, source: str) -> ProbeConfig:
    embed_dim = shapes["pooler.query_tokens"][2]
    hidden, inputs = shapes["probe_tx.0.weight" if task == "pose" else "probe.0.weight"][:2]
    return ProbeConfig(
        source=source,
        task=task,
        embed_dim=embed_dim,
        mlp_dim=shapes["pooler.cross_attention_block.mlp.fc1.weight"][0],
        hidden=hidden,
        fingers=max(1, inputs // embed_dim),
    )


def _force_field(shapes: Shapes) -> ForceFieldConfig:
    maps = [name for name, part in MAPS.items() if any(key.startswith(part) for key in shapes)]
    return ForceFieldConfig(
        embed_dim=shapes["norm.weight"][0],
        channels=shapes["reassembles.0.resample.conv1.weight"][0],
        probe_channels=shapes["probe.upconv_0.conv.conv.weight"][0],
        maps=tuple(maps or MAPS),
    )


def _field_head(shapes: Shapes) -> FieldHeadConfig:
    hidden, inputs = shapes["cells.0.weight"]
    embed_dim, times = hidden // 2, 2 * inputs // hidden
    if (2 * embed_dim, times * embed_dim) != (hidden, inputs):
        raise ValueError(f"cells.0.weight {(hidden, inputs)}")
    return FieldHeadConfig(embed_dim, times)
