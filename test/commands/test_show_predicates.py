# SPDX-License-Identifier: Apache-2.0
"""A hand does every task once: each predicate becomes true and false again where it should."""

from __future__ import annotations

from itertools import takewhile

import pytest

from sparsh_ros import cli
from sparsh_ros.commands.show_predicates import Moment, watch
from sparsh_ros.names import DEFAULT_MODEL
from sparsh_ros.simulation.hand.script import TASKS
from sparsh_ros.simulation.hand.simulation import PREDICATES

DELAY_S = 0.35
"""What becomes true has to be said so much later, and no longer said so long after it was."""


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    """What was said and true at each frame of the first round of tasks."""
    hand = watch(DEFAULT_MODEL, "auto", 0)
    return list(takewhile(lambda one: one.time_s <= 18.6, hand))


def near(moments: list[Moment], part: str, name: str, time_s: float) -> set[bool]:
    """Values around a time."""
    return {
        getattr(one, part)[name]
        for one in moments
        if one.said and abs(one.time_s - time_s) <= DELAY_S
    }


def test_the_tasks_come_in_their_order(moments: list[Moment]) -> None:
    assert tuple(dict.fromkeys(one.task for one in moments)) == TASKS


@pytest.mark.parametrize("name", PREDICATES)
def test_it_is_said_when_it_is_true_and_no_longer(name: str, moments: list[Moment]) -> None:
    known = [one for one in moments if one.said]
    said = [one.said[name] for one in known]
    rises = [later and not one for one, later in zip(said, said[1:], strict=False)]
    falls = [one and not later for one, later in zip(said, said[1:], strict=False)]
    assert any(rises) and any(falls[rises.index(True) :])
    right = sum(one.said[name] in near(moments, "truth", name, one.time_s) for one in known)
    kept = sum(one.truth[name] in near(moments, "said", name, one.time_s) for one in known)
    # A smooth face is taken for a rough one now and then.
    least = 0.8 if name == "surface_is_rough" else 0.95
    assert right >= least * len(known) and kept >= least * len(known)


@pytest.mark.parametrize(
    ("name", "task"),
    [("is_inserted", "insert"), ("is_screwed_tight", "screw")],
)
def test_what_one_task_alone_makes_true(name: str, task: str, moments: list[Moment]) -> None:
    assert {one.task for one in moments if one.said.get(name)} == {task}
    assert {one.task for one in moments if one.truth[name]} == {task}
    held = [one for one in moments if one.truth[name]]
    assert sum(one.said[name] for one in held) >= 0.8 * len(held)


def test_the_command_prints_changes_and_a_table(capsys) -> None:
    assert cli.main(["show-predicates", "--seconds", "1.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[2:] == ["grasp", "unknown", "(true:", "nothing)"]
    assert any("is_grasped" in line and " s  grasp" in line for line in lines)
    assert len({line.split(" s  ")[1] for line in lines if " s  " in line}) > 2
    assert lines[-1].split()[0] == "surface_is_rough"
