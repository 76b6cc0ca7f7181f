# SPDX-License-Identifier: Apache-2.0
"""Pickles of data sets: damaged, torn and hostile ones are refused in a sentence."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hypothesis import strategies as st

from fuzz.harness import Budgeted, fuzz
from fuzz.inputs import seeds
from fuzz.inputs.mutate import mutated, truncated
from fuzz.inputs.programs import programs

run = Budgeted("fuzz.target.checkpoints:dataset_pickle")


def test_the_seeds_are_read() -> None:
    for data in seeds.dataset_pickles():
        assert run.check(data).kind == "ok"


@fuzz(st.one_of(mutated(seeds.dataset_pickles()), truncated(seeds.dataset_pickles())))
def test_pickles(data: bytes) -> None:
    run.check(data)


@fuzz(programs())
def test_programs(data: bytes) -> None:
    run.check(data)
