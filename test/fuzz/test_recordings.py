# SPDX-License-Identifier: Apache-2.0
"""Bags, message definitions and tables of labels: read, or refused in a sentence."""

from __future__ import annotations

import pytest

from fuzz import recording_targets as seeds
from fuzz.harness import Budgeted, check_seeds, fuzz
from fuzz.mutate import damaged

TARGETS = {
    "mcap": seeds.bags("mcap"),
    "sqlite": seeds.bags("sqlite"),
    "ros1": seeds.bags("ros1"),
    "metadata": [b"rosbag2_bagfile_information:\n  relative_file_paths: [input.mcap]\n"],
    "definition": seeds.definitions(),
    "table": seeds.tables(),
}
RUNS = {name: Budgeted(f"fuzz.recording_targets:{name}") for name in TARGETS}


def test_the_seeds_are_read() -> None:
    check_seeds(RUNS, TARGETS)


@fuzz(damaged(TARGETS))
def test_damaged(case: tuple[str, bytes]) -> None:
    RUNS[case[0]].check(case[1])


@pytest.mark.parametrize(
    "text",
    [
        "module a { module msg { const long X = 1 << 99999999999; struct Gauge { long x; };};};",
        "module lab_msgs {" + " " * 40_000 + "! module msg {",
        "float64[99999999999] x\n",
        "string[] x\n" * 100_000,
        "module a {" * 5_000,
        "((" * 20_000,
        "int32 x\nint32 x\n",
        "int32 x\nint8 x=1\n",
    ],
)
def test_hostile_definitions(text: str) -> None:
    RUNS["definition"].check(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "rosbag2_bagfile_information:\n  relative_file_paths: [../../../etc/passwd]\n",
        "rosbag2_bagfile_information: [" * 3000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"b{i}: &b{i} [{','.join([f'*b{i - 1}' if i else '*a'] * 9)}]\n" for i in range(9)
        ),
    ],
)
def test_hostile_metadata(text: str) -> None:
    assert RUNS["metadata"].check(text.encode()).kind == "ok"
