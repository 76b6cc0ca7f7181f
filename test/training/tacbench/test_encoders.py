# SPDX-License-Identifier: Apache-2.0
"""Encoders of the benchmark from files of every family, and what each makes of a clip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference import anytouch as reference

from sparsh_ros.errors import ModelError, WeightsError
from sparsh_ros.models.anytouch.encoder import AnyTouch2
from sparsh_ros.models.resnet.files import save_encoder
from sparsh_ros.models.resnet.network import ResNet18, ResNetConfig
from sparsh_ros.training.tacbench.encoders import Contender, open_contender, read_tokens, readable
from sparsh_ros.training.tacbench.objectives import GROUPS, build_probe

SMALL = {"width": 64, "depth": 2, "patch": 8, "cells": 3, "projection": 24}


def anytouch(folder: Path, version: int) -> Path:
    weights = reference.draw(reference.encoder_shapes(version, **SMALL))
    state = reference.stage_1(weights) if version == 1 else reference.second(weights)
    torch.save({"model": state}, folder / "checkpoint.pth")
    return folder / "checkpoint.pth"


def sarl(folder: Path) -> Path:
    torch.manual_seed(0)
    save_encoder(ResNet18(ResNetConfig(8, pools_early=False, image_size=32)), folder)
    return folder


MAKE = {
    "anytouch": lambda folder: anytouch(folder, 1),
    "anytouch2": lambda folder: anytouch(folder, 2),
    "sarl": sarl,
}


def clips_for(contender: Contender) -> torch.Tensor:
    spec = contender.spec
    shape = (2, spec.frames, spec.image_height, spec.image_width, 3)
    return torch.randint(40, 200, shape, dtype=torch.uint8)


@pytest.mark.parametrize("family", MAKE)
def test_every_probe_takes_what_it_reads(family: str, tmp_path: Path) -> None:
    contender = open_contender(MAKE[family](tmp_path))
    tokens = read_tokens(readable(contender.network), clips_for(contender))
    assert tokens.shape[2] == contender.spec.embed_dim
    assert contender.frozen and not contender.has_grid
    for task in (*GROUPS[0], "grasp", "textile"):
        outputs = build_probe(task, contender.spec)(tokens)
        assert all(len(values) == 2 and values.isfinite().all() for values in outputs.values())


@pytest.mark.parametrize("family", ["anytouch", "anytouch2"])
def test_anytouch_sees_the_oldest_frame_first(family: str, tmp_path: Path) -> None:
    contender = open_contender(MAKE[family](tmp_path))
    clips, network = clips_for(contender), contender.network
    images = clips.flip(1).permute(0, 1, 4, 2, 3) / 255.0
    # A gel as its background is 127 in a clip, and 130 to AnyTouch 2.
    images = images + 3 / 255 * isinstance(network, AnyTouch2)
    torch.testing.assert_close(read_tokens(network, clips), network(images))


def test_a_resnet_sees_both_frames_at_each_place(tmp_path: Path) -> None:
    contender = open_contender(sarl(tmp_path))
    clips, network = clips_for(contender), contender.network
    newest, older = (network.maps(f.permute(0, 3, 1, 2) / 255.0)[-1] for f in clips.unbind(1))
    tokens = read_tokens(network, clips)
    assert tokens.shape == (2, newest.shape[2] * newest.shape[3], 2 * newest.shape[1])
    torch.testing.assert_close(tokens[:, 1], torch.cat([newest, older], dim=1)[:, :, 0, 1])


def test_what_is_no_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"wanted a checkpoint, or a pre-training run with model"):
        open_contender(tmp_path)
    (tmp_path / "checkpoint.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"checkpoint\.pth"):
        open_contender(tmp_path / "checkpoint.pth")
