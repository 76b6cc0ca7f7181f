# SPDX-License-Identifier: Apache-2.0
"""Attentive probes: small networks that read force, slip and motion from frozen touch tokens.

Each head pools the encoder's tokens with one learned query (Bardes et al., "V-JEPA", 2024) and
reads the pooled vector with a two-layer perceptron. Parameter names are those of the TacBench
probes (Higuera et al., 2024, arXiv:2410.24090).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.errors import ModelError
from sparsh_ros.models.vit import (
    INIT_STD,
    Mlp,
    initialise_linear_layers,
    shrink_residual_branch,
)
from sparsh_ros.models.zoo import POSE_BINS

if TYPE_CHECKING:
    from sparsh_ros.models.zoo import ModelSpec


class CrossAttention(nn.Module):
    """One query attends to N normalised tokens: (1, 1, D), (B, N, D) -> (B, 1, D).

    The query is the same for every image, so the key projection folds into it,
    q . (W_k x + b_k) = (W_k^T q) . x + constant, where softmax ignores the constant; and the
    value projection commutes with the weighted mean, sum_n a_n (W_v x_n + b_v) = W_v (sum_n a_n
    x_n) + b_v, because the weights sum to one. The gain and bias of the norm before, x = g z + b,
    fold in the same two ways. N projections of D x 2D become one: the same numbers for a hundredth
    of the work, and nothing to differentiate per token where the encoder is frozen.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)  # rows [k | v]
        self.proj = nn.Linear(width, width)

    def forward(self, query: Tensor, tokens: Tensor, norm: nn.LayerNorm) -> Tensor:
        batch, _, width = tokens.shape
        tokens = F.layer_norm(tokens, (width,), eps=norm.eps)
        key_weight, value_weight = self.kv.weight.reshape(2, self.heads, -1, width).unbind(0)
        value_bias = self.kv.bias[width:].reshape(self.heads, 1, -1)
        q = self.q(query).reshape(self.heads, 1, -1) * (width // self.heads) ** -0.5
        folded = (q @ key_weight).reshape(self.heads, width) * norm.weight
        weights = (tokens @ folded.T).transpose(1, 2).softmax(dim=-1)  # (B, heads, N)
        mean = (weights @ tokens).transpose(0, 1) * norm.weight + norm.bias  # (heads, B, D)
        values = mean @ value_weight.transpose(1, 2) + value_bias  # (heads, B, D / heads)
        return self.proj(values.transpose(0, 1).reshape(batch, 1, width))


class CrossAttentionBlock(nn.Module):
    """Pre-norm cross-attention and MLP, each added to the query; the query is not normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.xattn = CrossAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        query = query + self.xattn(query, tokens, self.norm1)
        return query + self.mlp(self.norm2(query))


class AttentivePooler(nn.Module):
    """Summarise tokens (B, N, D) as one vector (B, D) with a learned query."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.empty(1, 1, width))
        self.cross_attention_block = CrossAttentionBlock(width, heads)
        nn.init.trunc_normal_(self.query_tokens, std=INIT_STD)
        initialise_linear_layers(self)
        block = self.cross_attention_block
        shrink_residual_branch(block.xattn.proj, block.mlp.fc2, layer=1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.cross_attention_block(self.query_tokens, tokens).squeeze(1)


def _perceptron(width: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width // 4), activation, nn.Linear(width // 4, outputs))


class ForceHead(nn.Module):
    """Tokens (B, N, D) -> {"force": (B, 3)}: x and y in [-1, 1], z in [0, 1].

    Times the sensor's force scale this is the force of the world on the gel in newtons, in the
    gel frame; z is the compression.
    """

    outputs = ("force",)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.pooler = AttentivePooler(width, heads)
        self.probe = _perceptron(width, 3, nn.ReLU())

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        raw = self.probe(self.pooler(tokens))
        return {"force": torch.cat([raw[:, :2].tanh(), raw[:, 2:].sigmoid()], dim=1)}


class SlipHead(nn.Module):
    """Tokens (B, N, D) -> {"slip": (B, 2) logits [stick, slip], "force": (B, 3) in [-1, 1]}.

    "force" is the change of force over the model's interval; times the sensor's delta-force scale
    it is in newtons, in the gel frame.
    """

    outputs = ("slip", "force")

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.pooler = AttentivePooler(width, heads)
        self.force_probe = _perceptron(width, 3, nn.ReLU())
        self.fc_norm = nn.LayerNorm(width)
        self.probe = _perceptron(width, 2, nn.Sigmoid())

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        pooled = self.fc_norm(self.pooler(tokens))
        return {"slip": self.probe(pooled), "force": F.hardtanh(self.force_probe(pooled))}


class PoseHead(nn.Module):
    """Tokens (B, N, D) -> {"tx", "ty", "yaw": (B, 11) logits}: the object's motion in bins.

    Bin 0 lies below the lowest edge, bin k in [edge_(k-1), edge_k), bin 10 at or above the
    highest; the edges (mm, degrees, gel frame) come with the weights.
    """

    outputs = ("tx", "ty", "yaw")

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.pooler = AttentivePooler(width, heads)
        self.probe_tx = _perceptron(width, POSE_BINS, nn.ReLU())
        self.probe_ty = _perceptron(width, POSE_BINS, nn.ReLU())
        self.probe_yaw = _perceptron(width, POSE_BINS, nn.ReLU())

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        pooled = self.pooler(tokens)
        return {
            "tx": self.probe_tx(pooled),
            "ty": self.probe_ty(pooled),
            "yaw": self.probe_yaw(pooled),
        }


HEADS: dict[str, type[nn.Module]] = {"force": ForceHead, "slip": SlipHead, "pose": PoseHead}


def build_head(name: str, spec: ModelSpec) -> nn.Module:
    """Build a head for the tokens of ``spec``'s encoder, with fresh weights.

    Raises:
        ModelError: There is no head of that name.
    """
    if name not in HEADS:
        raise ModelError(f"head {name!r}: unknown; choose one of {', '.join(HEADS)}")
    return HEADS[name](spec.width, spec.attention_heads)
