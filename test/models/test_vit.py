# SPDX-License-Identifier: Apache-2.0
"""The encoder's inventory, initialisation and its second entrance for patches."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from sparsh_ros.models.vit import VisionTransformer


def test_base_has_the_published_state_dict() -> None:
    with torch.device("meta"):
        state = VisionTransformer(768, 12, 12, registers=1).state_dict()
    assert len(state) == 174
    assert sum(value.numel() for value in state.values()) == 86_256_000
    assert {name: tuple(value.shape) for name, value in state.items() if "blocks" not in name} == {
        "register_tokens": (1, 1, 768),
        "patch_embed.proj.weight": (768, 6, 16, 16),
        "patch_embed.proj.bias": (768,),
        "pos_embed.frequency_bands": (2, 192),
        "norm.weight": (768,),
        "norm.bias": (768,),
    }
    block = {n.removeprefix("blocks.11."): v.shape for n, v in state.items() if "blocks.11." in n}
    assert {name: tuple(shape) for name, shape in block.items()} == {
        **{f"{norm}.{part}": (768,) for norm in ("norm1", "norm2") for part in ("weight", "bias")},
        **{"attn.qkv.weight": (2304, 768), "attn.qkv.bias": (2304,)},
        **{"attn.proj.weight": (768, 768), "attn.proj.bias": (768,)},
        **{"mlp.fc1.weight": (3072, 768), "mlp.fc1.bias": (3072,)},
        **{"mlp.fc2.weight": (768, 3072), "mlp.fc2.bias": (768,)},
        **{"ls1.gamma": (768,), "ls2.gamma": (768,)},
    }


@pytest.mark.parametrize(
    ("width", "heads", "registers", "count"),
    [(768, 12, 0, 86_254_848), (768, 12, 1, 86_255_616), (384, 6, 1, 21_894_144)],
)
def test_published_parameter_counts(width: int, heads: int, registers: int, count: int) -> None:
    with torch.device("meta"):
        encoder = VisionTransformer(width, 12, heads, registers=registers)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_initialisation_of_residual_branches() -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(192, 6, 3)
    for layer, block in enumerate(encoder.blocks, start=1):
        assert block.attn.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
        wanted = 0.02 / math.sqrt(2 * layer)
        assert block.attn.proj.weight.std().item() == pytest.approx(wanted, rel=0.05)
        assert block.mlp.fc2.weight.std().item() == pytest.approx(wanted, rel=0.05)
        assert not block.attn.qkv.bias.any()
        assert (block.ls1.gamma == 1).all()
    assert 0 < encoder.register_tokens.std() < 1e-5


def test_patches_enter_as_images_do() -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(48, 2, 4, image_size=(64, 48))
    images = torch.rand(2, 6, 64, 48)
    patches = F.unfold(images, 16, stride=16).transpose(1, 2)
    assert torch.allclose(encoder.forward_patches(patches), encoder(images), atol=1e-5)


def test_visible_patches_keep_their_positions_and_see_nothing_else() -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(48, 2, 4, image_size=(64, 48))
    patches = torch.rand(2, 12, 6 * 16 * 16)
    keep = torch.tensor([[7, 2, 11], [0, 5, 6]])
    rows = torch.arange(2)[:, None]
    visible = encoder.forward_patches(patches[rows, keep], keep)
    shuffled = encoder.forward_patches(patches[rows, keep.flip(1)], keep.flip(1))
    assert torch.allclose(visible, shuffled.flip(1), atol=1e-5)
    moved = encoder.forward_patches(patches[rows, keep], (keep + 1) % 12)
    assert not torch.allclose(visible, moved, atol=1e-2)
