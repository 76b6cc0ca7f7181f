# SPDX-License-Identifier: Apache-2.0
"""Architectures told from tensors, and conflicts with what is given beside them."""

from __future__ import annotations

from typing import Any

import pytest
from reference.encoder import shapes

from sparsh_ros.errors import WeightsError
from sparsh_ros.models.checkpoints.architecture import EncoderConfig, InferredConfig

VIDEO = {"channels": 3, "kernel": (2, 16, 16)}


def config(width: int = 128, depth: int = 3, **kind: Any) -> EncoderConfig:
    return InferredConfig.from_shapes(shapes(width, depth, **kind), "f.ckpt").complete()


def test_an_image_encoder() -> None:
    found = config(768, 12)
    assert found == EncoderConfig(768, 12, num_heads=12, mlp_dim=3072)
    assert found.input_shape == (6, 320, 240)
    assert found.grid == (20, 15)


def test_a_video_encoder() -> None:
    found = config(registers=0, **VIDEO)
    assert (found.frames, found.tubelet, found.registers) == (4, 2, 0)
    assert found.input_shape == (3, 4, 320, 240)
    assert found.grid == (2, 20, 15)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ({"registers": 5}, "registers", 5),
        ({"layer_scale": False}, "layer_scale", False),
        ({"learned": 300}, "learned_positions", True),
        ({"kernel": (8, 8)}, "patch_size", 8),
        ({"channels": 3}, "in_channels", 3),
        ({"mlp_dim": 100}, "mlp_dim", 100),
        ({"channels": 3, "kernel": (4, 16, 16)}, "tubelet", 4),
        ({**VIDEO, "learned": 1200}, "frames", 8),
    ],
)
def test_one_fact_at_a_time(kind: dict[str, Any], name: str, value: object) -> None:
    assert getattr(config(**kind), name) == value


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ({}, {"image_size": (320, 250)}, r"\(320, 250\), found patches of 16 x 16 pixels"),
        ({}, {"image_size": (0, 240)}, r"\(0, 240\), found patches of 16 x 16 pixels"),
        ({}, {"frames": 4}, "wanted frames=4, found an image encoder of 6 channels"),
        ({}, {"num_heads": 3}, "wanted num_heads=3, found embed_dim 128, no multiple"),
        ({}, {"num_heads": 0}, "wanted num_heads=0"),
        (VIDEO, {"frames": 5}, "wanted frames=5, found tubelets of 2 frames"),
        (
            {"learned": 196},
            {},
            r"wanted 300 tokens \(image_size=\(320, 240\), patches of 16 pixels\), found learned "
            r"positions \(pos_embed\) of 196",
        ),
        (
            {**VIDEO, "learned": 600},
            {"frames": 8},
            r"wanted 1200 tokens \(image_size=\(320, 240\), frames=8.*found .* of 600",
        ),
        ({**VIDEO, "learned": 392}, {}, "wanted 300 tokens .*found .* of 392"),
    ],
)
def test_conflicts_name_both(kind: dict[str, Any], given: dict[str, Any], message: str) -> None:
    config = InferredConfig.from_shapes(shapes(128, 3, **kind), "f.ckpt")
    with pytest.raises(WeightsError, match=message) as caught:
        config.complete(**given)
    assert str(caught.value).startswith("f.ckpt: ")


def test_heads_must_be_given_where_embed_dim_does_not_tell() -> None:
    config = InferredConfig.from_shapes(shapes(100, 3), "f.ckpt")
    with pytest.raises(WeightsError, match="found embed_dim 100; give their number, num_heads="):
        config.complete()
    assert config.complete(num_heads=5).num_heads == 5


def test_frames_of_an_image_encoder_may_be_confirmed() -> None:
    assert InferredConfig.from_shapes(shapes(128, 3), "f.ckpt").complete(frames=2).frames is None


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("patch_embed.proj.weight", (128, 6, 16, 14), "wanted square patches, found .*16, 14"),
        ("patch_embed.proj.weight", (128, 6), "one missing or of another shape"),
        ("patch_embed.proj.weight", (128, 6, 2, 2, 16, 16), "wanted square patches"),
        ("register_tokens", (128,), "one missing or of another shape"),
    ],
)
def test_tensors_of_something_else(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        InferredConfig.from_shapes(shapes(128, 3) | {name: shape}, "f.ckpt")
    with pytest.raises(WeightsError, match="one missing"):
        InferredConfig.from_shapes({"fc.weight": (3, 3)}, "f.ckpt")


@pytest.mark.parametrize("kind", [{"learned": 196}, {**VIDEO, "learned": 392}, VIDEO])
def test_any_config_has_the_same_tensors(kind: dict[str, Any]) -> None:
    config = InferredConfig.from_shapes(shapes(100, 3, **kind), "f.ckpt")
    found = config.any_config()
    assert found.tokens == (config.learned_tokens or 1)


PATCHES = "patch_embed.proj.weight"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({PATCHES: (128, 6, 0, 0)}, "patch_size of 1 to 1,024, found 0"),
        ({PATCHES: (0, 6, 16, 16)}, "embed_dim of 1 to 65,536, found 0"),
        ({PATCHES: (2**40, 6, 16, 16)}, "embed_dim"),
        ({PATCHES: (2**70, 6, 16, 16)}, "embed_dim"),
        ({PATCHES: (128, 0, 16, 16)}, "in_channels"),
        ({PATCHES: (128, 3, 0, 16, 16)}, "tubelet of 1 to 1,024, found 0"),
        ({"blocks.0.mlp.fc1.weight": (2**63, 128)}, "mlp_dim"),
        ({"blocks.0.mlp.fc1.weight": (0, 128)}, "mlp_dim of 1 to 1,048,576, found 0"),
        ({"pos_embed": (1, 2**31, 128)}, "learned_tokens"),
        ({"pos_embed": (1, 0, 128)}, "learned_tokens"),
        ({"register_tokens": (1, 2**20, 128)}, "registers"),
        ({f"blocks.{n}.ls1.gamma": (128,) for n in range(300)}, "depth of 1 to 256, found 300"),
    ],
)
def test_sizes_that_no_encoder_has(changed: dict, message: str) -> None:
    with pytest.raises(WeightsError, match=f"f.ckpt: wanted {message}"):
        InferredConfig.from_shapes(shapes(128, 3) | changed, "f.ckpt")


def test_an_image_of_too_many_tokens() -> None:
    config = InferredConfig.from_shapes(shapes(128, 3), "f.ckpt")
    with pytest.raises(WeightsError, match=r"at most 65,536 tokens, found 1,000,000"):
        config.complete((16_000, 16_000))
