# SPDX-License-Identifier: Apache-2.0
"""Every reader against many damaged inputs: in `make fuzz` each example of hypothesis
stands for fifty of them."""

from __future__ import annotations

import importlib.util
import os

import pytest
from hypothesis import strategies as st

from fuzz.harness import Budgeted, fuzz
from fuzz.inputs.mutate import variants
from fuzz.target import cameras, configs, recordings

# Minutes of work: `make fuzz` asks for it, the suite does not.
_EACH = 50 if "FUZZ_EXAMPLES" in os.environ else 1

_JPEG = cameras.encoded(".jpg")
SEEDS = {
    "recordings:definition": recordings.definitions(),
    "recordings:table": recordings.tables(),
    "recordings:mcap": recordings.bags("mcap"),
    "recordings:sqlite": recordings.bags("sqlite"),
    "recordings:ros1": recordings.bags("ros1"),
    "cameras:mjpg_frame": [_JPEG],
    "cameras:yuyv_frame": [bytes(range(256)) * 600],
    "cameras:image_file": [_JPEG, *map(cameras.encoded, (".png", ".tiff", ".webp"))],
    **{f"configs:{name}": data for name, data in configs.seeds().items()},
}
if importlib.util.find_spec("torch"):
    from fuzz.inputs import seeds

    SEEDS["checkpoints:dataset_pickle"] = seeds.dataset_pickles()
    SEEDS["checkpoints:torch_file"] = seeds.torch_files()
    SEEDS["checkpoints:safetensors_file"] = seeds.safetensors_files()
if importlib.util.find_spec("rclpy"):
    from fuzz.target import messages

    SEEDS |= {f"messages:{name}": messages.seeds(name) for name in messages.NAMES}
RUNS = {name: Budgeted(f"fuzz.target.{name}") for name in SEEDS}


@pytest.mark.parametrize("name", SEEDS)
@fuzz(st.integers(0, 2**32))
def test_many(name: str, seed: int) -> None:
    for data in variants(SEEDS[name], seed, _EACH):
        RUNS[name].check(data)
