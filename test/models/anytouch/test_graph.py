# SPDX-License-Identifier: Apache-2.0
"""AnyTouch from the camera's bytes: both engines against NumPy float64, and the pipeline."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import anytouch as reference
from safetensors.torch import save_file

from sparsh_ros.engines import create_engine
from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.export.convert import convert
from sparsh_ros.frames import Frame
from sparsh_ros.models.anytouch.heads import force_limits_n
from sparsh_ros.models.head_choice import choose_heads
from sparsh_ros.models.spec import SIZES, Architecture, ModelSpec
from sparsh_ros.models.zoo import describe_model, load_model_spec
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.sensors.profiles import load_profile

TOLERANCE, WITH_HALVES = 1e-5, 1e-3
"""Of the largest value; the second where AnyTouch rounds halves of grey levels, to either side: if
all of them fell to the other, tokens of noise would differ by 9e-4."""
SIDE, PATCH = 32, 16
COMMON = (
    f"size: toy\nlicence: MIT\npatch_size: {PATCH}\nimage_height: {SIDE}\nimage_width: {SIDE}\n"
)
YAML = {
    1: "name: touch-toy\nfamily: anytouch\nframe_offsets_s: [0, 0.03, 0.06]\n" + COMMON,
    2: "name: touch-toy\nfamily: anytouch2\nframe_offsets_s: [0, 0.03, 0.06, 0.1]\n"
    "tubelet: 2\npooler_num_heads: 16\n" + COMMON,
}
SIZE = {"width": 64, "depth": 2, "patch": PATCH, "cells": SIDE // PATCH, "projection": 24}


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "toy", Architecture(64, 2, 1))


def published(folder: Path, version: int) -> tuple[Path, dict, dict]:
    """A description and, beside it, a probe's file; the weights of encoder and head."""
    weights = reference.draw(reference.encoder_shapes(version, **SIZE))
    if version == 1:
        state = reference.stage_1(weights)
        head = {"weight": torch.randn(20, 24), "bias": torch.randn(20)}
    else:
        state = reference.second(weights, "tactile_model.")
        head = reference.draw(reference.force_head_shapes(64), 1)
    (folder / "weights").mkdir()
    state |= {f"head.{name}": value for name, value in head.items()}
    torch.save({"model": state}, folder / "weights" / "checkpoint.pth")
    path = folder / "touch-toy.yaml"
    path.write_text(YAML[version])
    return path, weights, head


def shrink(image: np.ndarray, axis: int) -> np.ndarray:
    """To SIDE along one axis, by a triangle as wide as the reduction."""
    count = image.shape[axis]
    scale = count / SIDE
    places = np.arange(count) + 0.5
    rows = []
    for index in range(SIDE):
        weight = np.maximum(0, 1 - np.abs(places - (index + 0.5) * scale) / scale)
        rows.append(np.tensordot(image, weight / weight.sum(), (axis, 0)))
    return np.stack(rows, axis=axis)


def squash(image: np.ndarray, rounded: bool) -> np.ndarray:
    """(3, H, W) of 0 to 255 to SIDE x SIDE."""
    for axis in (2, 1):
        image = shrink(image, axis)
        image = np.floor(image + 0.5) if rounded else image
    return image


def noise(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Images (..., 320, 240, 3)."""
    return rng.integers(0, 256, (*shape, 320, 240, 3), dtype=np.uint8)


def tartan(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Images (..., 320, 240, 3) that are never shrunk to halves of grey levels: each the sum of a
    line of rows and a line of columns, so that each line can be seen to by itself."""
    rows, columns = (
        np.stack([_line(rng, count) for _ in range(math.prod(shape))]).reshape(*shape, count, 3)
        for count in (320, 240)
    )
    return rows[..., :, None, :] + columns[..., None, :, :]


def _line(rng: np.random.Generator, count: int) -> np.ndarray:
    while True:
        line = rng.integers(0, 128, (count, 3), dtype=np.uint8)
        if np.abs(shrink(line, 0) % 1 - 0.5).min() > 1e-3:
            return line


PICTURES = {1: [(noise, WITH_HALVES), (tartan, TOLERANCE)], 2: [(noise, TOLERANCE)]}
"""What each version is shown, and how near its tokens have to be."""


def expected(version: int, images: np.ndarray, weights: dict, sensor: int) -> np.ndarray:
    """Frames, newest first, and their background (320, 240, 3) uint8 -> tokens."""
    *frames, background = images.astype(float).transpose(0, 3, 1, 2)
    if version == 2:
        frames = [np.clip(frame - background + 130, 0, 255) for frame in frames]
    clip = np.stack([squash(frame, rounded=version == 1) / 255 for frame in reversed(frames)])
    return reference.encode(version, clip, reference.doubles(weights), 1, sensor)


@pytest.mark.parametrize("version", [1, 2])
def test_bytes_to_tokens_on_both_engines(tmp_path: Path, version: int) -> None:
    path, weights, head = published(tmp_path, version)
    spec = load_model_spec(path, tmp_path / "weights")
    task = "material" if version == 1 else "force"
    assert spec.heads == (task,) and spec.frames == version + 2
    rng = np.random.default_rng(0)
    pictures = [(draw(rng, spec.frames + 1, 2), near) for draw, near in PICTURES[version]]
    wanted = [_expected_of_each_sensor(version, images, weights) for images, _ in pictures]
    written, _ = convert([str(tmp_path / "weights/checkpoint.pth")], tmp_path / "out", str(path))
    again = load_model_spec(tmp_path / "out" / "touch-toy.yaml")
    assert (again.family, again.heads, again.tokens) == (spec.family, (task,), wanted[0].shape[2])
    engines = [create_engine(one, "cpu") for one in (spec, written, again)]
    assert [engine.description.split()[0] for engine in engines] == ["torch", "ONNX", "ONNX"]
    for engine in engines:
        engine.warm_up()
        for (images, near), (own, universal) in zip(pictures, wanted, strict=True):
            tokens = engine.encode(*images, sensors=np.array([1, 3]))
            assert _apart(np.asarray(tokens), own) < near
            assert _apart(np.asarray(engine.encode(*images)), universal) < near
            if version == 2:
                found = engine.run_head("force", tokens)["force"]
                values = reference.doubles(head)
                shares = np.stack([reference.force(row, values) for row in own])
                assert _apart(found, shares) < near


def _expected_of_each_sensor(version: int, images: np.ndarray, weights: dict) -> np.ndarray:
    """Tokens (2, 2, N, C) of both images: told the sensors 1 and 3, and told none."""
    return np.stack(
        [
            [expected(version, images[:, i], weights, sensor) for i, sensor in enumerate(sensors)]
            for sensors in ((1, 3), (-1, -1))
        ]
    )


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, of the largest value."""
    return np.abs(found - wanted).max() / np.abs(wanted).max()


def test_heads_of_the_universal_sensor_have_a_folder_of_their_own(tmp_path: Path) -> None:
    path, weights, _ = published(tmp_path, 1)
    for task, outputs in (("hardness", 1), ("objectfolder2", 7)):
        state = {f"{task}.weight": torch.randn(outputs, 24), f"{task}.bias": torch.randn(outputs)}
        state["touch_projection.weight"] = weights["touch_projection.weight"]
        for name in ("post_layernorm.weight", "post_layernorm.bias"):
            state[name] = weights[f"touch_model.{name}"]
        save_file(state, tmp_path / f"weights/{task}.safetensors")
    spec = load_model_spec(path, tmp_path / "weights")
    choice = choose_heads(spec)
    assert choice.usable == ("material", "hardness") and spec.sensor_id("digit") == 1
    assert "hardness, material those of the sensor at hand" in choice.missing["objectfolder2"]
    files = [str(tmp_path / f"weights/{n}") for n in ("checkpoint.pth", "hardness.safetensors")]
    written, _ = convert(files, tmp_path / "out", str(path))
    tokens = np.random.default_rng(0).normal(size=(1, spec.tokens, 64)).astype(np.float32)
    found = [create_engine(s, "cpu").run_head("hardness", tokens) for s in (spec, written)]
    assert found[0]["hardness"].shape == (1, 2) and found[0]["hardness"][0, 1] != 0.0
    np.testing.assert_allclose(found[0]["hardness"], found[1]["hardness"], atol=1e-3)
    alone = replace(spec, heads=("objectfolder2",))
    assert choose_heads(alone, ["objectfolder2"]).usable and alone.sensor_id("digit") == -1


@pytest.mark.parametrize(("version", "needed"), [(1, 3), (2, 4)])
def test_the_pipeline_waits_for_as_many_frames_and_for_a_background(
    tmp_path: Path, version: int, needed: int
) -> None:
    path, weights, head = published(tmp_path, version)
    clock = iter(np.arange(0, 10, 0.001))
    perception = Perception(path, weights_dir=tmp_path / "weights", monotonic=lambda: next(clock))
    for name in ("digit", "gelsight_2017"):
        perception.add_sensor(name, load_profile(name))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (needed + 1, 320, 240, 3), dtype=np.uint8)
    reasons = []
    if version == 2:
        perception.push("digit", Frame(10**9, images[0]))
        reasons = [perception.infer()[0].reason]
        assert reasons == ["no background: capture one while nothing touches the gel"]
        for name in ("digit", "gelsight_2017"):
            perception.set_background(name, images[-1])
    for index, image in enumerate(images[:-1]):
        for name in ("digit", "gelsight_2017"):
            perception.push(name, Frame(2 * 10**9 + index * 33_333_333, image))
        estimates = {estimate.sensor: estimate for estimate in perception.infer()}
        reasons.append(estimates["digit"].reason)
    assert reasons[-needed].startswith("no partner frame")
    assert reasons[-1] == ""
    assert estimates["digit"].valid
    background = images[-1]
    clip = np.stack([*images[:-1][::-1], background])
    if version == 1:
        tokens = expected(1, clip, weights, 1)
        vector = reference.embed(1, tokens, reference.doubles(weights), "cls")
        logits = vector @ head["weight"].double().numpy().T + head["bias"].double().numpy()
        share = np.exp(logits - logits.max())
        assert estimates["digit"].material == pytest.approx(share / share.sum(), abs=1e-2)
        other = estimates["gelsight_2017"].material  # of another sensor, so others tokens
        assert np.abs(other - estimates["digit"].material).max() > 1e-3
    else:
        wanted = reference.force(expected(2, clip, weights, 1), reference.doubles(head))
        wanted = wanted * force_limits_n("digit")
        assert estimates["digit"].force_n == pytest.approx(wanted, rel=1e-3, abs=1e-3)
        assert np.isnan(estimates["gelsight_2017"].force_n).all()
        assert estimates["gelsight_2017"].in_contact is None


def test_the_models_are_described() -> None:
    first, second = describe_model("anytouch"), describe_model("anytouch2")
    assert (first.tokens, first.embed_dim, first.depth, first.frames) == (262, 1024, 24, 3)
    assert (second.tokens, second.embed_dim, second.depth, second.frames) == (398, 768, 12, 4)
    assert first.sensor_id("gelsight_mini") == 3 and second.sensor_id("something") == -1
    assert second.sees_background and not first.sees_background


def test_another_family_than_described(tmp_path: Path) -> None:
    published(tmp_path, 1)
    other = tmp_path / "touch-toy.yaml"
    other.write_text(YAML[2])
    spec = load_model_spec(other, tmp_path / "weights")
    with pytest.raises(WeightsError, match=r"wants an encoder of AnyTouch 2 .*, found"):
        create_engine(spec, "cpu")
    with pytest.raises(ModelError, match="family wants one of sparsh, resnet18, any"):
        ModelSpec("m", "micro", "MIT", tmp_path, family="other")
