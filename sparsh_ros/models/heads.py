# SPDX-License-Identifier: Apache-2.0
"""Probes: small networks that read one answer each from frozen touch tokens.

An attentive probe pools the encoder's tokens with one learned query (Bardes et al., "V-JEPA", 2024)
and reads the pooled vector with two-layer perceptrons. Parameter names and outputs are those of the
TacBench probes (Higuera et al., 2024, arXiv:2410.24090). `FieldHead` pools nothing: each token
answers for its own place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import ModelError
from sparsh_ros.models.checkpoints.head_config import CELLS, FIELD_MAPS, FORCE_FIELD
from sparsh_ros.models.classes import GRASPS, TEXTILES
from sparsh_ros.models.layers import (
    INIT_STD,
    Mlp,
    initialise_linear_layers,
    shrink_residual_branch,
)
from sparsh_ros.models.spec import POSE_AXES, POSE_BINS, SPARSH

if TYPE_CHECKING:
    from sparsh_ros.models.spec import ModelSpec


FIELD_SHAPE = (20, 15)
"""Rows and columns of the maps of a `FieldHead`."""
FIELD_SCALES = (50.0, 0.3, 0.3)
"""kPa, mm, mm at an output of 1 of its last layer."""


class CrossAttention(nn.Module):
    """One query attends to N normalised tokens: (1, 1, D), (B, N, D) -> (B, 1, D).

    The query is the same for every image, so the key projection folds into it,
    q . (W_k x + b_k) = (W_k^T q) . x + constant, where softmax ignores the constant; and the
    value projection commutes with the weighted mean, sum_n a_n (W_v x_n + b_v) = W_v (sum_n a_n
    x_n) + b_v, because the weights sum to one. The gain and bias of the norm before, x = g z + b,
    fold in the same two ways. N projections of D x 2D become one: the same numbers for a hundredth
    of the work, and nothing to differentiate per token where the encoder is frozen.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dim, embed_dim)
        self.kv = nn.Linear(embed_dim, 2 * embed_dim)  # rows [k | v]
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, query: Tensor, tokens: Tensor, norm: nn.LayerNorm) -> Tensor:
        batch, _, embed_dim = tokens.shape
        tokens = F.layer_norm(tokens, (embed_dim,), eps=norm.eps)
        key_weight, value_weight = self.kv.weight.reshape(2, self.num_heads, -1, embed_dim).unbind(
            0
        )
        value_bias = self.kv.bias[embed_dim:].reshape(self.num_heads, 1, -1)
        q = self.q(query).reshape(self.num_heads, 1, -1) * (embed_dim // self.num_heads) ** -0.5
        folded = (q @ key_weight).reshape(self.num_heads, embed_dim) * norm.weight
        weights = (tokens @ folded.T).transpose(1, 2).softmax(dim=-1)  # (B, num_heads, N)
        mean = (weights @ tokens).transpose(0, 1) * norm.weight + norm.bias  # (num_heads, B, D)
        values = mean @ value_weight.transpose(1, 2) + value_bias  # (num_heads, B, D / num_heads)
        return self.proj(values.transpose(0, 1).reshape(batch, 1, embed_dim))


class CrossAttentionBlock(nn.Module):
    """Pre-norm cross-attention and MLP, each added to the query; the query is not normalised."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_dim: int | None = None) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.xattn = CrossAttention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = Mlp(embed_dim, mlp_dim)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        query = query + self.xattn(query, tokens, self.norm1)
        return query + self.mlp(self.norm2(query))


class AttentivePooler(nn.Module):
    """Summarise tokens (B, N, D) as one vector (B, D) with a learned query."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_dim: int | None = None) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.cross_attention_block = CrossAttentionBlock(embed_dim, num_heads, mlp_dim)
        nn.init.trunc_normal_(self.query_tokens, std=INIT_STD)
        initialise_linear_layers(self)
        block = self.cross_attention_block
        shrink_residual_branch(block.xattn.proj, block.mlp.fc2, layer=1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.cross_attention_block(self.query_tokens, tokens).squeeze(1)


class Head(nn.Module):
    """A pooler, and one perceptron per entry of ``probes``.

    Args:
        embed_dim: Channels D of a token; a multiple of ``num_heads``.
        num_heads: Attention heads of the pooler.
        mlp_dim: Hidden units of the pooler's MLP; None: 4 D.
        hidden: Hidden units of each perceptron; None: a quarter of what it reads.
        fingers: How many pooled vectors, side by side, the perceptrons read.
    """

    task: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]  # keys of what forward returns, in that order
    probes: ClassVar[dict[str, tuple[int, type[nn.Module]]]]  # outputs, activation

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        mlp_dim: int | None = None,
        hidden: int | None = None,
        fingers: int = 1,
    ) -> None:
        super().__init__()
        self.fingers = fingers
        self.pooler = AttentivePooler(embed_dim, num_heads, mlp_dim)
        inputs = fingers * embed_dim
        hidden = hidden or inputs // 4
        for name, (outputs, activation) in self.probes.items():
            layers = nn.Linear(inputs, hidden), activation(), nn.Linear(hidden, outputs)
            self.add_module(name, nn.Sequential(*layers))


class ForceHead(Head):
    """Tokens (B, N, D) -> {"force": (B, 3)}: x and y in [-1, 1], z in [0, 1].

    Times the sensor's force scale this is the force of the world on the gel in newtons, in the
    gel frame; z is the compression.
    """

    task = "force"
    outputs = ("force",)
    probes: ClassVar = {"probe": (3, nn.ReLU)}

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        raw = self.probe(self.pooler(tokens))
        return {"force": torch.cat([raw[:, :2].tanh(), raw[:, 2:].sigmoid()], dim=1)}


class SlipHead(Head):
    """Tokens (B, N, D) -> {"slip": (B, 2) logits [stick, slip], "force": (B, 3) in [-1, 1]}.

    "force" is the change of force over the model's interval; times the sensor's delta-force scale
    it is in newtons, in the gel frame.
    """

    task = "slip"
    outputs = ("slip", "force")
    probes: ClassVar = {"force_probe": (3, nn.ReLU), "probe": (2, nn.Sigmoid)}

    def __init__(
        self, embed_dim: int, num_heads: int, mlp_dim: int | None = None, hidden: int | None = None
    ) -> None:
        super().__init__(embed_dim, num_heads, mlp_dim, hidden)
        self.fc_norm = nn.LayerNorm(embed_dim)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        pooled = self.fc_norm(self.pooler(tokens))
        return {"slip": self.probe(pooled), "force": F.hardtanh(self.force_probe(pooled))}


class PoseHead(Head):
    """Tokens (B, N, D) -> {"tx", "ty", "yaw": (B, 11) logits}: the object's motion in bins.

    Bin 0 lies below the lowest edge, bin k in [edge_(k-1), edge_k), bin 10 at or above the
    highest; the edges (mm, degrees, gel frame) come with the weights. A head of several fingers
    takes a list of their tokens, in the order it was trained with.
    """

    task = "pose"
    outputs = POSE_AXES
    probes: ClassVar = {f"probe_{axis}": (POSE_BINS, nn.ReLU) for axis in POSE_AXES}

    def forward(self, tokens: Tensor | Sequence[Tensor]) -> dict[str, Tensor]:
        tokens = [tokens] if isinstance(tokens, Tensor) else tokens
        if len(tokens) != self.fingers:
            raise ModelError(
                f"pose head: wanted a list with the tokens of {self.fingers} fingers, "
                f"found {len(tokens)}"
            )
        pooled = torch.cat([self.pooler(finger) for finger in tokens], dim=1)
        return {axis: self.get_submodule(f"probe_{axis}")(pooled) for axis in POSE_AXES}


class ClassHead(Head):
    """Tokens (B, N, D) -> {task: (B, classes) logits}."""

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {self.task: self.probe(self.pooler(tokens))}


class GraspHead(ClassHead):
    """Whether the grasp will hold, in the order of `GRASPS`."""

    task, outputs = "grasp", ("grasp",)
    probes: ClassVar = {"probe": (len(GRASPS), nn.ReLU)}


class TextileHead(ClassHead):
    """Which textile it is, in the order of `TEXTILES`."""

    task, outputs = "textile", ("textile",)
    probes: ClassVar = {"probe": (len(TEXTILES), nn.ReLU)}


HEADS: dict[str, type[Head]] = {
    head.task: head for head in (ForceHead, SlipHead, PoseHead, GraspHead, TextileHead)
}


class FieldHead(nn.Module):
    """Tokens (B, N, D) -> {"pressure": (B, 1, 20, 15) kPa, "stretch": (B, 2, 20, 15) mm}.

    "stretch" is how far the skin is dragged from its place on the untouched gel, (right, up). Both
    are as learned from a simulated gel, which knows them. Rows run from the top of the image.

    Args:
        embed_dim: Channels D of a token.
        grid: Rows and columns of the tokens of a frame.
        times: How many such grids there are, the newest first; tubelets of a clip.
    """

    task: ClassVar[str] = FORCE_FIELD
    outputs: ClassVar[tuple[str, ...]] = tuple(FIELD_MAPS)

    def __init__(self, embed_dim: int, grid: tuple[int, int], times: int = 1) -> None:
        super().__init__()
        self.grid, self.times = grid, times
        self.cells = nn.Sequential(
            nn.Linear(times * embed_dim, 2 * embed_dim),
            nn.GELU(),
            nn.Linear(2 * embed_dim, len(FIELD_SCALES) * CELLS**2),
        )

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        rows, columns = self.grid
        joined = tokens.unflatten(1, (self.times, rows * columns)).transpose(1, 2).flatten(2)
        cells = self.cells(joined).transpose(1, 2).unflatten(2, self.grid)
        field = F.interpolate(F.pixel_shuffle(cells, CELLS), FIELD_SHAPE, mode="bilinear")
        field = field * field.new_tensor(FIELD_SCALES)[:, None, None]
        return dict(zip(FIELD_MAPS, field.split(list(FIELD_MAPS.values()), dim=1), strict=True))


def build_field_head(spec: ModelSpec) -> FieldHead:
    """Build a head for force fields on the tokens of ``spec``'s encoder, with fresh weights.

    Raises:
        ModelError: Its tokens do not lie on a grid of patches.
    """
    if spec.family != SPARSH or spec.streams:
        raise ModelError(
            f"force field: wanted an encoder of Sparsh, whose tokens lie on a grid of patches, "
            f"found {spec.name} of {'streams' if spec.streams else spec.family}"
        )
    times = spec.frames // spec.tubelet if spec.tubelet else 1
    return FieldHead(spec.embed_dim, spec.grid, times)


def build_head(name: str, spec: ModelSpec) -> Head:
    """Build a head for the tokens of ``spec``'s encoder, with fresh weights.

    Raises:
        ModelError: There is no head of that name.
    """
    if name not in HEADS:
        raise ModelError(f"head {name!r}: unknown; choose one of {', '.join(HEADS)}")
    return HEADS[name](spec.embed_dim, spec.num_heads)
