# SPDX-License-Identifier: Apache-2.0
"""AnyTouch and AnyTouch 2 from files in the official layout, against NumPy float64."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import anytouch as reference
from torch import Tensor

from sparsh_ros.errors import FrameError, ModelError
from sparsh_ros.models import load_encoder
from sparsh_ros.models.anytouch.encoder import AnyTouch

TOLERANCE = 1e-5  # of the largest value
STATES: dict[str, tuple[int, Callable]] = {
    "stage 1": (1, reference.stage_1),
    "stage 2": (1, reference.stage_2),
    "probe": (1, lambda own: {k.replace(*_AS_PROBE): v for k, v in own.items()} | _HEAD),
    "second": (2, reference.second),
    "second, probe": (2, lambda own: reference.second(own, "tactile_model.") | _HEAD),
}
_AS_PROBE = ("video_patch_embedding.", "touch_model.embeddings.patch_embedding.")
_HEAD = {"head.weight": torch.ones(20, 4), "head.bias": torch.ones(20)}
SMALL = {"width": 64, "depth": 2, "patch": 4, "cells": 3, "projection": 24}
ODD = {"width": 42, "depth": 3, "patch": 5, "cells": 4, "projection": 7, "hidden": 55, "slots": 7}


def save(path: Path, state: dict[str, Tensor], wrap: str = "") -> Path:
    content = {wrap + name: value for name, value in state.items()}
    torch.save({"model": content, "epoch": 3, "args": argparse.Namespace(lr=1e-3)}, path)
    return path


def make(folder: Path, state: str, **sizes: Any) -> tuple[Path, dict[str, Tensor], int]:
    version, layout = STATES[state]
    weights = reference.draw(reference.encoder_shapes(version, **sizes))
    return save(folder / "checkpoint.pth", layout(weights)), weights, version


def error(found: Tensor, wanted: np.ndarray) -> float:
    assert tuple(found.shape) == wanted.shape and found.dtype == torch.float32
    return float(np.abs(found.detach().numpy() - wanted).max() / np.abs(wanted).max())


def clips(encoder: AnyTouch, static: bool, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Images and a background."""
    generator = torch.Generator().manual_seed(1)
    shape = encoder.config.input_shape[static:]
    images = torch.rand(batch, *shape, generator=generator)
    return images, torch.rand(batch, *shape[-3:], generator=generator)


@pytest.mark.parametrize("sensor", [(0, 0), ("digit", 1), (3, 3), (None, -1)])
@pytest.mark.parametrize("static", [True, False], ids=["static", "clip"])
@pytest.mark.parametrize("sizes", [SMALL, ODD], ids=["small", "odd"])
@pytest.mark.parametrize("state", STATES)
@torch.no_grad()
def test_every_layout(tmp_path: Path, state: str, sizes: dict, static: bool, sensor: tuple) -> None:
    path, weights, version = make(tmp_path, state, **sizes)
    heads = 3 if sizes is ODD else None
    encoder = load_encoder(path, num_heads=heads)
    images, background = clips(encoder, static)
    given, slot = sensor
    extra = {} if version == 1 else {"background": background}
    values = reference.doubles(weights)
    backgrounds = [None] * 2 if version == 1 else background.double().numpy()
    wanted = np.stack(
        [
            reference.encode(version, own, values, heads or 1, slot, back)
            for own, back in zip(images.double().numpy(), backgrounds, strict=True)
        ]
    )
    assert error(encoder(images, sensor=given, **extra), wanted) < TOLERANCE
    for pooling in ("cls", "global"):
        vectors = np.stack([reference.embed(version, own, values, pooling) for own in wanted])
        found = encoder.embed(images, sensor=given, pooling=pooling, **extra)
        assert error(found, vectors) < TOLERANCE


@pytest.mark.parametrize(
    ("state", "sizes", "hidden", "vector"),
    [
        ("stage 2", {"width": 1024, "depth": 1}, (1, 262, 1024), (1, 768)),
        ("second", {"width": 768, "depth": 1, "patch": 16, "cells": 14, "projection": 512},
         (1, 398, 768), (1, 512)),
    ],
)  # fmt: skip
@torch.no_grad()
def test_the_published_sizes(
    tmp_path: Path, state: str, sizes: dict, hidden: tuple, vector: tuple
) -> None:
    path, weights, version = make(tmp_path, state, **sizes)
    encoder = load_encoder(path)
    images, background = clips(encoder, static=False, batch=1)
    assert images.shape == (1, 3 if version == 1 else 4, 3, 224, 224)
    extra = {} if version == 1 else {"background": background}
    assert encoder.embed(images, sensor=1, **extra).shape == vector
    found = encoder(images, sensor=1, **extra)
    assert found.shape == hidden
    heads = 16 if version == 1 else 12
    back = None if version == 1 else background[0].double().numpy()
    values = reference.doubles(weights)
    wanted = reference.encode(version, images[0].double().numpy(), values, heads, 1, back)
    assert error(found[0], wanted) < TOLERANCE


@torch.no_grad()
def test_two_frames(tmp_path: Path) -> None:
    path, weights, _ = make(tmp_path, "second", **SMALL, frames=2)
    encoder = load_encoder(path)
    images, background = clips(encoder, static=False)
    assert images.shape == (2, 2, 3, 12, 12)
    wanted = reference.encode(
        2, images[1].double().numpy(), reference.doubles(weights), 1, 3,
        background[1].double().numpy(),
    )  # fmt: skip
    found = encoder(images, sensor="gelsight_mini", background=background)
    assert error(found[1], wanted) < TOLERANCE


@torch.no_grad()
def test_images_that_are_no_square(tmp_path: Path) -> None:
    path, weights, _ = make(tmp_path, "stage 1", **SMALL | {"cells": 4})
    encoder = load_encoder(path, image_size=(8, 32))
    images, _ = clips(encoder, static=True, batch=1)
    wanted = reference.encode(1, images[0].double().numpy(), reference.doubles(weights), 1, 2)
    assert error(encoder(images, sensor=2)[0], wanted) < TOLERANCE


@torch.no_grad()
def test_sensors_of_a_batch(tmp_path: Path) -> None:
    encoder = load_encoder(make(tmp_path, "stage 1", **SMALL)[0])
    images, _ = clips(encoder, static=False)
    both = encoder(images, sensor=torch.tensor([1, 3]))
    assert torch.allclose(both[0], encoder(images, sensor=1)[0], atol=1e-6)
    assert torch.allclose(both[1], encoder(images, sensor=3)[1], atol=1e-6)
    assert not torch.allclose(both[1], encoder(images, sensor=1)[1], atol=1e-2)


def test_what_else_the_file_holds_is_listed(tmp_path: Path) -> None:
    ignored = load_encoder(make(tmp_path, "stage 2", **SMALL)[0]).ignored
    assert {"decoder_pred", "mask_token", "video_position_embedding"} <= set(ignored)
    assert {"text_model", "vision_model", "logit_scale", "cross_sensor_head"} <= set(ignored)
    assert ignored["mask_token"] == ("touch_mae_model.mask_token",)
    count = len(reference.decoder(4, 4)) + len(reference.towers())
    assert sum(map(len, ignored.values())) == count


def test_wrappers_are_taken_off(tmp_path: Path) -> None:
    weights = reference.draw(reference.encoder_shapes(1, **SMALL))
    plain = load_encoder(save(tmp_path / "a.pth", reference.stage_2(weights)))
    wrapped = load_encoder(save(tmp_path / "b.pth", reference.stage_2(weights), "module."))
    torch.save(reference.stage_1(weights), tmp_path / "c.pth")
    for other in (wrapped, load_encoder(tmp_path / "c.pth")):
        assert all(
            torch.equal(value, other.state_dict()[name])
            for name, value in plain.state_dict().items()
        )


@pytest.mark.parametrize("sensor", ["digits", 10, -2, True, 1.0])
def test_sensors_that_are_unknown(tmp_path: Path, sensor: Any) -> None:
    encoder = load_encoder(make(tmp_path, "stage 1", **SMALL)[0])
    with pytest.raises(ModelError, match="sensor.* wanted"):
        encoder(torch.zeros(1, 3, 12, 12), sensor=sensor)


@pytest.mark.parametrize("shape", [(1, 3, 12, 8), (1, 4, 3, 12, 12), (3, 12, 12), (1, 1, 12, 12)])
def test_images_of_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    encoder = load_encoder(make(tmp_path, "stage 1", **SMALL)[0])
    with pytest.raises(FrameError, match=r"wanted \(B, 3, 3, 12, 12\) or \(B, 3, 12, 12\), found"):
        encoder(torch.zeros(shape))


def test_other_arguments_that_are_wrong(tmp_path: Path) -> None:
    path, _, _ = make(tmp_path, "second", **SMALL)
    encoder = load_encoder(path)
    images, background = clips(encoder, static=False)
    with pytest.raises(ModelError, match="pooling: wanted one of cls, global, found 'mean'"):
        encoder.embed(images, pooling="mean")
    with pytest.raises(FrameError, match=r"background: wanted \(2, 3, 12, 12\)"):
        encoder(images, background=background[:1])
    with pytest.raises(FrameError, match="floats in"):
        encoder(images.to(torch.uint8))
    with pytest.raises(ModelError, match="zero_registers"):
        load_encoder(path, zero_registers=1)


def test_gradients_flow_for_fine_tuning(tmp_path: Path) -> None:
    encoder = load_encoder(make(tmp_path, "second", **SMALL)[0])
    images, background = clips(encoder, static=False)
    encoder.embed(images, sensor=1, background=background).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
