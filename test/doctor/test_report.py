# SPDX-License-Identifier: Apache-2.0
"""How findings are printed, and which remedies come of them."""

from __future__ import annotations

import io

from rich.console import Console

from sparsh_ros.doctor.report import Group, Mark, note, ok, problem, remedies, show

GROUPS = [
    Group("First", (ok("fine"), note("odd", "look at it"), problem("worse", "mend it"))),
    Group("Second", (problem("bad", "mend [that]"), problem("also worse", "mend it"))),
]


def printed(groups: list[Group], next_step: str, width: int = 80) -> list[str]:
    output = io.StringIO()
    show(groups, next_step, Console(file=output, width=width))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_steps_are_told_once_and_in_their_order() -> None:
    assert remedies(GROUPS, Mark.PROBLEM) == ["mend it", "mend [that]"]
    assert printed(GROUPS, "mend it") == [
        *("First", "       ok  fine", "     note  odd", "  problem  worse", ""),
        *("Second", "  problem  bad", "  problem  also worse", ""),
        *("To do, in this order", "       1.  mend it", "       2.  mend [that]", ""),
        *("Worth doing", "        -  look at it", ""),
        "Next step: mend it",
    ]


def test_a_single_step_is_told_in_the_last_line_only() -> None:
    lines = printed([Group("First", (problem("bad", "mend it"),))], "mend it")
    assert [line for line in lines if "mend it" in line] == ["Next step: mend it"]


def test_long_lines_stay_in_their_column() -> None:
    lines = printed([Group("First", (ok("word " * 40),))], "none", width=60)
    assert max(map(len, lines)) <= 60
    assert all(line.startswith(" " * 11) for line in lines[2:5])


def test_a_path_is_never_broken() -> None:
    path = "/opt/ros/a-rather-long/path/with-hyphens/that/fits-no/narrow-terminal"
    lines = printed([Group("First", (ok(f"rules for it: {path}"),))], "mend it", width=40)
    assert f"{' ' * 11}{path}" in lines
