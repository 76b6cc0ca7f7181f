# SPDX-License-Identifier: Apache-2.0
"""The live graph with a small AnyTouch and a small AnyTouch 2, from files of their probes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from geometry_msgs.msg import WrenchStamped

from sparsh_ros.models.classes import MATERIALS
from sparsh_ros.msg import Classification

torch = pytest.importorskip(
    "torch", reason="torch writes files in the layout of the published ones"
)

from reference import anytouch as reference  # noqa: E402

SIZE = {"width": 192, "depth": 6, "patch": 16, "cells": 4, "projection": 24}
COMMON = "size: micro\nlicence: MIT\npatch_size: 16\nimage_height: 64\nimage_width: 64\n"
OFFSETS = (0.0, 0.0833, 0.1667, 0.25)


def described(folder: Path, version: int, state: dict) -> Path:
    """A model's description, and its file in a folder beside it."""
    folder.mkdir()
    torch.save({"model": state, "epoch": 0}, folder / "checkpoint-0.pth")
    path = folder / "model.yaml"
    family = "family: anytouch\n" if version == 1 else "family: anytouch2\ntubelet: 2\n"
    offsets = f"frame_offsets_s: {list(OFFSETS[: version + 2])}\n"
    path.write_text(f"name: downloaded\npooler_num_heads: 16\n{family}{offsets}{COMMON}")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("anytouch")
    torch.manual_seed(0)
    first = reference.stage_1(reference.draw(reference.encoder_shapes(1, **SIZE)))
    first |= {"head.weight": torch.randn(20, 24), "head.bias": torch.randn(20)}
    own = reference.draw(reference.encoder_shapes(2, **SIZE))
    second = reference.second(own, "tactile_model.")
    head = reference.draw(reference.force_head_shapes(192), 1)
    head["probe.2.bias"] = torch.tensor([0.0, 0.0, 5.0])
    second |= {f"head.{name}": value for name, value in head.items()}
    paths = {1: described(folder / "1", 1, first), 2: described(folder / "2", 2, second)}
    names = ("post_layernorm.weight", "post_layernorm.bias")
    hardness = {name: first[f"touch_model.{name}"] for name in names}
    hardness["touch_projection.weight"] = first["touch_projection.weight"]
    hardness |= {"hardness.weight": torch.randn(1, 24), "hardness.bias": torch.randn(1)}
    torch.save(hardness, folder / "1" / "hardness.pth")
    return paths


@pytest.mark.parametrize("version", [1, 2])
def test_it_runs(version: int, models: dict[int, Path], outsider, start_graph) -> None:
    space = f"touch_{version}"  # the graph of the version before still runs
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH")  # published files run on torch
        start_graph(
            model=str(models[version]),
            weights_dir=str(models[version].parent),
            fps="12",
            namespace=space,
        )
    if version == 1:
        hard = outsider.listen(Classification, f"/{space}/hardness", 100)
        heard = outsider.listen(Classification, f"/{space}/material", 100)
        outsider.wait_for(lambda: any(message.valid for message in heard), "a material")
        material = next(message for message in heard if message.valid)
        assert tuple(material.class_names) == MATERIALS
        assert material.class_name == MATERIALS[material.class_id]
        assert sum(material.probabilities) == pytest.approx(1.0, abs=1e-5)
        outsider.wait_for(lambda: any(message.valid for message in hard), "a hardness")
        answer = next(message for message in hard if message.valid)
        assert answer.class_names == ["hard", "soft"]
        assert sum(answer.probabilities) == pytest.approx(1.0, abs=1e-5)
    else:
        heard = outsider.listen(WrenchStamped, f"/{space}/force", 100)
        outsider.wait_for(
            lambda: any(math.isfinite(message.wrench.force.z) for message in heard), "a force"
        )
        assert all(message.header.frame_id == "digit_gel_frame" for message in heard)
