# SPDX-License-Identifier: Apache-2.0
"""Descriptions of sensors and models, calibrations, results: read, or refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from test_files import LAUGHS

from fuzz.config_targets import seeds
from fuzz.harness import Budgeted, check_seeds, fuzz
from fuzz.mutate import damaged

SEEDS = seeds()
RUNS = {name: Budgeted(f"fuzz.config_targets:{name}") for name in SEEDS}
_VALUES = st.sampled_from(
    [
        *("null", "[]", "{}", "x", "-1", "0", "1e400", ".nan", "9" * 90, "[1, [2]]", "{a: {b: c}}"),
        *("true", "2001-02-03", "2001-99-99", "!!binary aGk=", "/dev/zero", "'\\u202e\\x1b[2J'"),
    ]
)


def test_the_seeds_are_read() -> None:
    check_seeds(RUNS, SEEDS)


@fuzz(damaged(SEEDS))
def test_damaged(case: tuple[str, bytes]) -> None:
    RUNS[case[0]].check(case[1])


@fuzz(st.sampled_from(["sensors", "profile", "model"]), st.integers(0, 200), _VALUES)
def test_other_values(name: str, place: int, value: str) -> None:
    """What stands behind one of the colons is something else."""
    pieces = SEEDS[name][place % len(SEEDS[name])].decode().split(": ")
    at = 1 + place % (len(pieces) - 1)
    end = min((i for i, c in enumerate(pieces[at]) if c in ",}\n"), default=len(pieces[at]))
    pieces[at] = value + pieces[at][end:]
    RUNS[name].check(": ".join(pieces).encode())


@pytest.mark.parametrize("name", ["sensors", "profile", "model"])
@pytest.mark.parametrize("text", [LAUGHS + "sensors: *b8\n", "[" * 50_000, "- " * 5_000 + "x"])
def test_hostile(name: str, text: str) -> None:
    assert RUNS[name].check(text.encode()).kind == "refused"
