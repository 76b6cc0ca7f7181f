# SPDX-License-Identifier: Apache-2.0
"""Preprocessing and networks in one: what an engine runs and what is exported.

All take uint8 RGB images (B, 320, 240, 3): the model's frames, newest first, then the background;
those of AnyTouch the ids of the sensors (B,) int64 after them.
"""

from __future__ import annotations

from torch import Tensor, nn

from sparsh_ros.errors import ModelError
from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH
from sparsh_ros.models.anytouch.encoder import AnyTouch
from sparsh_ros.models.anytouch.graph import AnyTouchGraph
from sparsh_ros.models.dpt import ForceField, ForceFieldDecoder
from sparsh_ros.models.head_choice import READS_IMAGES
from sparsh_ros.models.heads import FieldHead
from sparsh_ros.models.loading.encoders import resized
from sparsh_ros.models.preprocess import Preprocess
from sparsh_ros.models.vit import VisionTransformer


def build_preprocess(encoder: VisionTransformer) -> Preprocess:
    """From canonical images to the input of an encoder."""
    config = encoder.config
    return Preprocess((IMAGE_HEIGHT, IMAGE_WIDTH), config.image_size, config.frames is not None)


class EncoderGraph(nn.Module):
    """Images as of the model, (B, H, W, 3) uint8 RGB each, newest first -> tokens (B, N, D)."""

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.preprocess = build_preprocess(encoder)
        self.encoder = encoder

    def forward(self, *images: Tensor) -> Tensor:
        return self.encoder(self.preprocess(*images))


def encoder_graph(encoder: VisionTransformer | AnyTouch) -> EncoderGraph | AnyTouchGraph:
    """What runs an encoder: images -> tokens (B, N, D)."""
    return (AnyTouchGraph if isinstance(encoder, AnyTouch) else EncoderGraph)(encoder)


class FieldGraph(nn.Module):
    """Images as of the model -> maps of a head for force fields on its tokens.

    It encodes once more what was encoded for the other heads: force fields are made beside them,
    while somebody looks, and for most models in other images.
    """

    def __init__(self, encoder: VisionTransformer, head: FieldHead) -> None:
        super().__init__()
        self.encoder = encoder_graph(encoder)
        self.head = head

    def forward(self, *images: Tensor) -> dict[str, Tensor]:
        return self.head(self.encoder(*images))


class ForceFieldGraph(nn.Module):
    """Images -> {"normal": (B, 1, H, W), "shear": (B, 2, H, W)}.

    The decoder's images may have another size than the model's own; the encoder's tensors are
    shared.

    Raises:
        ModelError: The encoder takes clips, or cannot take images of that size.
    """

    def __init__(self, encoder: VisionTransformer, decoder: ForceFieldDecoder) -> None:
        super().__init__()
        if encoder.config.frames is not None:
            raise ModelError("force field: wanted an encoder of pairs, found one of clips")
        rows, columns = decoder.grid
        patch = encoder.config.patch_size
        twin = resized(encoder, (rows * patch, columns * patch))
        self.preprocess = build_preprocess(twin)
        self.field = ForceField(twin, decoder)
        self.outputs = decoder.outputs

    def forward(self, *images: Tensor) -> dict[str, Tensor]:
        return self.field(self.preprocess(*images))


def head_graph(name: str, head: nn.Module, encoder: VisionTransformer | None) -> nn.Module:
    """What runs a head: the head itself on tokens, or with the encoder where it reads images.

    Args:
        name: Task of the head.
        head: The head.
        encoder: What a head of `READS_IMAGES` reads; no other needs it.

    Raises:
        ModelError: As `ForceFieldGraph`.
    """
    if name not in READS_IMAGES:
        return head
    return (FieldGraph if isinstance(head, FieldHead) else ForceFieldGraph)(encoder, head)
