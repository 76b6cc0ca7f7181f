# SPDX-License-Identifier: Apache-2.0
"""How the doctor's findings are shown: by subject, then what to do, then the one next step."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sparsh_ros.doctor.findings import Group, Mark

_STYLES = {Mark.OK: "green", Mark.NOTE: "yellow", Mark.PROBLEM: "bold red"}


def remedies(groups: Sequence[Group], mark: Mark) -> list[str]:
    """What to do about the findings of this mark, each once, first things first."""
    found = (finding for group in groups for finding in group.findings)
    return list(dict.fromkeys(f.remedy for f in found if f.mark is mark and f.remedy))


def show(groups: Sequence[Group], next_step: str, console: Console) -> None:
    """Print the findings and what to do; the last line is the next step."""
    for group in groups:
        console.print(Text(group.title, style="bold"))
        console.print(_lines(group))
        console.print()
    for title, mark in (("To do", Mark.PROBLEM), ("Worth doing", Mark.NOTE)):
        steps = remedies(groups, mark)
        if len(steps) > 1 or (steps and steps[0] != next_step):
            console.print(Text(title, style="bold"))
            console.print(_steps(steps))
            console.print()
    console.print(Text(f"Next step: {next_step}", style="bold"), soft_wrap=True)


def _lines(group: Group) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=len(Mark.PROBLEM.value) + 2, justify="right")
    table.add_column(overflow="fold")
    for finding in group.findings:
        table.add_row(Text(finding.mark.value, style=_STYLES[finding.mark]), Text(finding.text))
    return table


def _steps(steps: Sequence[str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=len(Mark.PROBLEM.value) + 2, justify="right")
    table.add_column(overflow="fold")
    for number, step in enumerate(steps, 1):
        table.add_row(f"{number}.", Text(step))
    return table
