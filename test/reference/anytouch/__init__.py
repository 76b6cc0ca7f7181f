# SPDX-License-Identifier: Apache-2.0
"""AnyTouch and AnyTouch 2: shapes of their official files, and what they compute for one clip."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from reference.heads import pool
from reference.heads import shapes as probe_shapes
from reference.layers import Array, Weights, attend, layer_norm, linear, mlp

Shapes = dict[str, tuple[int, ...]]

STATISTICS = {
    1: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    2: ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
KERNELS = {1: "video_patch_embedding.weight", 2: "touch_model.embeddings.patch_embedding.weight"}


def encoder_shapes(
    version: int,
    width: int,
    depth: int,
    *,
    patch: int = 14,
    cells: int = 16,
    frames: int = 4,
    hidden: int | None = None,
    projection: int = 768,
    slots: int | None = None,
) -> Shapes:
    """Keys and shapes of the encoder, without a prefix; ``frames`` are those of AnyTouch 2."""
    hidden = hidden or 4 * width
    positions = 1 + cells**2 * (1 if version == 1 else frames // 2)
    kernel = (3, 3, patch, patch) if version == 1 else (3, 2, patch, patch)
    found: Shapes = {
        "sensor_token": (slots or (10 if version == 1 else 20), 5, width),
        KERNELS[version]: (width, *kernel),
        "touch_projection.weight": (projection, width),
        "touch_model.embeddings.class_embedding": (width,),
        "touch_model.embeddings.position_embedding.weight": (positions, width),
    }
    sizes = {f"self_attn.{name}_proj": (width, width) for name in "kvq"}
    sizes |= {"self_attn.out_proj": (width, width)}
    sizes |= {"mlp.fc1": (hidden, width), "mlp.fc2": (width, hidden)}
    norms = ["pre_layrnorm", "post_layernorm"]
    for layer in (f"encoder.layers.{index}" for index in range(depth)):
        norms += [f"{layer}.layer_norm1", f"{layer}.layer_norm2"]
        for name, shape in sizes.items():
            key = f"touch_model.{layer}.{name}"
            found |= {f"{key}.weight": shape, f"{key}.bias": shape[:1]}
    for norm in norms:
        found |= {f"touch_model.{norm}.{part}": (width,) for part in ("weight", "bias")}
    return found


def draw(wanted: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Values away from the ones and zeros that hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, shape in wanted.items():
        value = torch.randn(shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            value = 1 + 0.3 * value
        elif len(shape) > 1 and "embedding.weight" not in name.replace("patch_embedding", ""):
            value = value / math.sqrt(math.prod(shape[1:]))
        drawn[name] = 0.3 * value if name.endswith("bias") else value
    return drawn


def decoder(width: int, positions: int) -> dict[str, Tensor]:
    """What stage 1 trains beside the encoder of AnyTouch, each tensor as small as may be."""
    names = ("mask_token", "decoder_pos_embed", "decoder_embed.weight", "decoder_norm.bias")
    names += ("touch_decoder_blocks.0.attention.attention.query.weight", "decoder_pred.weight")
    names += ("decoder_pred_video.bias",)
    state = {name: torch.full((1, 2), 7.0) for name in names}
    state["video_position_embedding.weight"] = torch.randn(positions, width)
    state["touch_model.embeddings.patch_embedding.weight"] = torch.randn(width, 3, 2, 2)
    return state


def towers() -> dict[str, Tensor]:
    """What stage 2 has beside touch."""
    layer = "vision_model.encoder.base_model.model.layers.0.self_attn.q_proj"
    names = (f"{layer}.base_layer.weight", f"{layer}.lora_A.default.weight")
    names += ("vision_model.pre_layrnorm.bias", "text_model.final_layer_norm.weight")
    names += ("text_projection.weight", "visual_projection.weight", "cross_sensor_head.bias")
    return {name: torch.full((1, 2), 5.0) for name in names} | {"logit_scale": torch.tensor(2.6)}


def stage_1(encoder: dict[str, Tensor]) -> dict[str, Tensor]:
    """State of a file of stage 1."""
    positions, width = encoder["touch_model.embeddings.position_embedding.weight"].shape
    return encoder | decoder(width, positions)


def stage_2(encoder: dict[str, Tensor]) -> dict[str, Tensor]:
    """State of a file of stage 2."""
    touch = {f"touch_mae_model.{name}": value for name, value in stage_1(encoder).items()}
    return touch | towers()


def second(encoder: dict[str, Tensor], prefix: str = "touch_mae_model.") -> dict[str, Tensor]:
    """State of a file of AnyTouch 2."""
    count = len(encoder["touch_model.embeddings.position_embedding.weight"])
    ids = {"new_position_ids": torch.arange(count)[None]}
    extras = {"decoder_pred.weight": torch.ones(2), "diff_mask_token": torch.ones(2)}
    return {prefix + name: value for name, value in (encoder | ids | extras).items()}


def encode(
    version: int,
    images: Array,
    weights: Weights,
    heads: int,
    sensor: int,
    background: Array | None = None,
    seen: Array | None = None,
) -> Array:
    """(T, 3, H, W) or (3, H, W) -> last hidden state (1 + 5 + N, D), no norm after it; of the
    patches at ``seen`` alone, where it is given."""
    kernel = weights[KERNELS[version]]
    patch = kernel.shape[-1]
    rows, columns = (side // patch for side in images.shape[-2:])
    positions = weights["touch_model.embeddings.position_embedding.weight"]
    steps = (len(positions) - 1) // (rows * columns)
    frames = 3 if version == 1 else 2 * steps
    clip = np.stack([images] * frames) if images.ndim == 3 else images
    if background is not None:
        clip = np.clip(clip - background[None] + 130 / 255, 0, 1)
    mean, std = (np.array(value)[:, None, None] for value in STATISTICS[version])
    clip = (clip - mean) / std
    patches = []
    for step in range(steps):
        for row in range(rows):
            for column in range(columns):
                window = clip[
                    :, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch
                ]
                if version == 1:
                    patches.append(
                        sum((kernel[:, t] * window[t]).sum((1, 2, 3)) for t in range(frames))
                    )
                else:
                    pair = window[2 * step : 2 * step + 2].swapaxes(0, 1)
                    patches.append((kernel * pair).sum((1, 2, 3, 4)))
    first = weights["touch_model.embeddings.class_embedding"] + positions[0]
    tokens = np.array(patches) + positions[1:]
    tokens = tokens if seen is None else tokens[seen]
    x = np.concatenate([first[None], weights["sensor_token"][sensor], tokens])
    x = layer_norm(x, weights, "touch_model.pre_layrnorm", 1e-5)
    depth = len({name for name in weights if name.endswith("fc1.bias")})
    for layer in (f"touch_model.encoder.layers.{index}" for index in range(depth)):
        normal = layer_norm(x, weights, f"{layer}.layer_norm1", 1e-5)
        own = [linear(normal, weights, f"{layer}.self_attn.{name}_proj") for name in "qkv"]
        x = x + linear(attend(*own, heads), weights, f"{layer}.self_attn.out_proj")
        normal = layer_norm(x, weights, f"{layer}.layer_norm2", 1e-5)
        x = x + mlp(normal, weights, f"{layer}.mlp")
    return x


def embed(version: int, hidden: Array, weights: Weights, pooling: str) -> Array:
    """Last hidden state -> vector (P,), of "global" AnyTouch 2 (D,)."""
    projection = weights["touch_projection.weight"]
    if pooling == "cls":
        return layer_norm(hidden[0], weights, "touch_model.post_layernorm", 1e-5) @ projection.T
    if version == 2:
        return hidden[6:].mean(0)
    return (hidden @ projection.T)[6:].mean(0)


def force_head_shapes(width: int) -> Shapes:
    """Keys and shapes of the force head of AnyTouch 2, without a prefix."""
    return probe_shapes("force", width)


def force(hidden: Array, weights: Weights, heads: int = 16) -> Array:
    """Last hidden state -> share of the largest force of the sensor, x, y, z."""
    pooled = pool(hidden, weights, heads)
    return linear(np.maximum(linear(pooled, weights, "probe.0"), 0), weights, "probe.2")


def doubles(weights: dict[str, Tensor]) -> Weights:
    """Weights as NumPy float64."""
    return {name: value.double().numpy() for name, value in weights.items()}
