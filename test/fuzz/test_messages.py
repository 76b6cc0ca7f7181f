# SPDX-License-Identifier: Apache-2.0
"""Messages of DDS: damaged, torn and hostile ones are refused in a sentence."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from hypothesis import strategies as st

from fuzz import messages
from fuzz.harness import Budgeted, fuzz
from fuzz.mutate import mutated, truncated

RUNS = {name: Budgeted(f"fuzz.messages:{name}") for name in messages.NAMES}
SEEDS = {name: messages.seeds(name) for name in messages.NAMES}


@pytest.mark.parametrize("name", messages.NAMES)
def test_the_seeds_are_read(name: str) -> None:
    for data in SEEDS[name]:
        assert RUNS[name].check(data).kind == "ok"


@fuzz(st.one_of(mutated(SEEDS["image"]), truncated(SEEDS["image"])))
def test_images(data: bytes) -> None:
    RUNS["image"].check(data)


@fuzz(st.one_of(mutated(SEEDS["features"]), truncated(SEEDS["features"])))
def test_features(data: bytes) -> None:
    RUNS["features"].check(data)


@fuzz(st.one_of(mutated(SEEDS["diagnostics"]), truncated(SEEDS["diagnostics"])))
def test_diagnostics(data: bytes) -> None:
    RUNS["diagnostics"].check(data)
