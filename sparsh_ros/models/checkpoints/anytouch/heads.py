# SPDX-License-Identifier: Apache-2.0
"""Heads of AnyTouch in its own files, below `head.`, told from names and shapes. No torch.

The force head of AnyTouch 2 pools all tokens by attention. A linear probe reads the class token,
normalised and projected by tensors of the encoder, which lie in the same file. The published files
name every layer of a linear probe alike, so that one of 20 outputs is taken for that of materials;
in files of our own the others have the names of their tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.anytouch.config import Shapes
from sparsh_ros.models.checkpoints.anytouch.keys import anytouch_prefix

POOLER_NUM_HEADS = 16  # of the published pooler
MATERIAL = "material"

LINEAR = {MATERIAL: 20, "roughness": 1, "hardness": 1, "objectfolder1": 7, "objectfolder2": 7}
"""Linear probes of one image -> numbers that they give; two classes are told by one."""
POOLED = frozenset({"objectfolder1"})
"""Those that read the mean of the patches instead of the class token."""
UNIVERSAL_HEADS = frozenset({"objectfolder1", "objectfolder2"})
"""Those that were trained on tokens that might be of any sensor."""

_FORCE_OUT, _LINEAR = "head.probe.2.weight", "head.weight"
_PROJECTION = "touch_projection.weight"
_OF_ENCODER = {
    "post_layernorm.weight": "touch_model.post_layernorm.weight",
    "post_layernorm.bias": "touch_model.post_layernorm.bias",
    _PROJECTION: _PROJECTION,
}
"""What a linear probe takes of the encoder: its own name -> the encoder's."""


@dataclass(frozen=True)
class AnyTouchHeadConfig:
    """What the tensors of a head of AnyTouch tell.

    Attributes:
        source: Where the tensors are from, for messages.
        task: "force", or a key of `LINEAR`.
        embed_dim: Channels D of a token.
        mlp_dim: Of the force head, hidden units of the pooler's perceptron.
        hidden: Of the force head, hidden units of the perceptron that reads the pooled vector.
        projection_dim: Of a linear probe, channels of the vector that it reads.
    """

    source: str
    task: str
    embed_dim: int
    mlp_dim: int = 1
    hidden: int = 1
    projection_dim: int = 1

    def complete_num_heads(self, given: int | None) -> int:
        """Complete the config: attention heads of the pooler, 16 if none are given.

        Raises:
            WeightsError: They do not divide the embed_dim.
        """
        num_heads = POOLER_NUM_HEADS if given is None else given
        if self.task == "force" and (num_heads < 1 or self.embed_dim % num_heads):
            raise WeightsError(
                f"{self.source}: wanted {num_heads} attention heads in the pooler, found embed_dim "
                f"{self.embed_dim}, no multiple of it; give their number, num_heads=..."
            )
        return num_heads

    def describe(self) -> str:
        """Say in words what the head is."""
        return f"a {self.task} head of AnyTouch (embed_dim {self.embed_dim})"

    def untold(self) -> str:
        """Say what no tensor tells."""
        if self.task in LINEAR:
            what = "the mean of the patches" if self.task in POOLED else "the class token's"
            return f"which vector it reads: {what}"
        return f"attention heads of the pooler: {POOLER_NUM_HEADS} unless given"


def linear_layer(task: str) -> str:
    """Name of the layer of a linear probe."""
    return "head" if task == MATERIAL else task


def linear_weight(task: str) -> str:
    """Name of its matrix."""
    return f"{linear_layer(task)}.weight"


def find_anytouch_head(plain: Mapping[str, str]) -> dict[str, str]:
    """The tensors of a head of AnyTouch, own name -> name in the file; none if there is none.

    Args:
        plain: Name without wrappers -> name in the file.
    """
    parts = {"head", *(task for task in LINEAR if linear_weight(task) in plain)}
    own = {name: in_file for name, in_file in plain.items() if name.split(".")[0] in parts}
    if not any(linear_weight(task) in own for task in LINEAR):
        return own if "head.pooler.query_tokens" in own else {}
    prefix = anytouch_prefix(plain)
    # In a file of our own there is no encoder, and the head has them under its own names.
    own_names = {name: name for name in _OF_ENCODER}
    of_encoder = own_names if prefix is None else {k: prefix + v for k, v in _OF_ENCODER.items()}
    return own | {name: plain[key] for name, key in of_encoder.items() if key in plain}


def recognise_anytouch_head(shapes: Shapes) -> str:
    """Name the task of the head that shapes belong to; "" if to none of AnyTouch."""
    if shapes.get(_FORCE_OUT, ())[:1] == (3,):
        return "force"
    if _PROJECTION not in shapes:
        return ""
    own = (task for task in LINEAR if task != MATERIAL and linear_weight(task) in shapes)
    is_material = shapes.get(_LINEAR, ())[:1] == (LINEAR[MATERIAL],)
    return next(own, MATERIAL if is_material else "")


def infer_anytouch_head(task: str, shapes: Shapes, source: str) -> AnyTouchHeadConfig:
    """Read the config from the shape of every tensor; KeyError or IndexError if one lacks."""
    if task in LINEAR:
        projection_dim, embed_dim = shapes[_PROJECTION]
        return AnyTouchHeadConfig(source, task, embed_dim, projection_dim=projection_dim)
    hidden, embed_dim = shapes["head.probe.0.weight"]
    mlp_dim = shapes["head.pooler.cross_attention_block.mlp.fc1.weight"][0]
    return AnyTouchHeadConfig(source, task, embed_dim, mlp_dim, hidden)
