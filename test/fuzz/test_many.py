# SPDX-License-Identifier: Apache-2.0
"""Every reader against many damaged inputs: each example of hypothesis stands for fifty."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import strategies as st

from fuzz import camera_targets, config_targets, recording_targets
from fuzz.harness import Budgeted, fuzz
from fuzz.mutate import variants

_EACH = 50

_JPEG = camera_targets.encoded(".jpg")
SEEDS = {
    "recording_targets:definition": recording_targets.definitions(),
    "recording_targets:table": recording_targets.tables(),
    "recording_targets:mcap": recording_targets.bags("mcap"),
    "recording_targets:sqlite": recording_targets.bags("sqlite"),
    "recording_targets:ros1": recording_targets.bags("ros1"),
    "camera_targets:mjpg_frame": [_JPEG],
    "camera_targets:yuyv_frame": [bytes(range(256)) * 600],
    "camera_targets:image_file": [_JPEG, *map(camera_targets.encoded, (".png", ".tiff", ".webp"))],
    **{f"config_targets:{name}": data for name, data in config_targets.seeds().items()},
}
if importlib.util.find_spec("torch"):
    from fuzz import seeds

    SEEDS["targets:dataset_pickle"] = seeds.dataset_pickles()
    SEEDS["targets:torch_file"] = seeds.torch_files()
    SEEDS["targets:safetensors_file"] = seeds.safetensors_files()
if importlib.util.find_spec("rclpy"):
    from fuzz import messages

    SEEDS |= {f"messages:{name}": messages.seeds(name) for name in messages.NAMES}
RUNS = {name: Budgeted(f"fuzz.{name}") for name in SEEDS}


@pytest.mark.parametrize("name", SEEDS)
@fuzz(st.integers(0, 2**32))
def test_many(name: str, seed: int) -> None:
    for data in variants(SEEDS[name], seed, _EACH):
        RUNS[name].check(data)
