# SPDX-License-Identifier: Apache-2.0
"""What the doctor found, one line each, and how it is shown: by subject, then what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.console import Console
from rich.text import Text


class Mark(Enum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"  # works, or is not needed by everybody
    PROBLEM = "problem"  # keeps something from working


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's answer.

    Attributes:
        mark: how serious it is.
        text: what was found, in words.
        remedy: what to do about it; empty where there is nothing to do.
    """

    mark: Mark
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Findings on one subject."""

    title: str
    findings: tuple[Finding, ...]


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(Mark.OK, text)


def note(text: str, remedy: str = "") -> Finding:
    """Worth knowing."""
    return Finding(Mark.NOTE, text, remedy)


def problem(text: str, remedy: str) -> Finding:
    """Has to be mended."""
    return Finding(Mark.PROBLEM, text, remedy)


_STYLES = {Mark.OK: "green", Mark.NOTE: "yellow", Mark.PROBLEM: "bold red"}
_NARROWEST = 20
_MARK_WIDTH = 2 + max(len(mark.value) for mark in Mark)


def remedies(groups: Sequence[Group], mark: Mark) -> list[str]:
    """What to do about the findings of this mark, each once, first things first."""
    found = (finding for group in groups for finding in group.findings)
    return list(dict.fromkeys(f.remedy for f in found if f.mark is mark and f.remedy))


def show(groups: Sequence[Group], next_step: str, console: Console) -> None:
    """Print the findings and what to do; the last line is the next step."""
    for group in groups:
        marked = [
            (Text(finding.mark.value, style=_STYLES[finding.mark]), finding.text)
            for finding in group.findings
        ]
        _show_section(group.title, marked, console)
    todo, advice = remedies(groups, Mark.PROBLEM), remedies(groups, Mark.NOTE)
    if len(todo) > 1:
        numbered = [(f"{number}.", step) for number, step in enumerate(todo, 1)]
        _show_section("To do, in this order", numbered, console)
    if advice:
        _show_section("Worth doing", [("-", step) for step in advice], console)
    console.print(Text(f"Next step: {next_step}", style="bold"), soft_wrap=True)


def _show_section(title: str, lines: Iterable[tuple[Text | str, str]], console: Console) -> None:
    console.print(Text(title, style="bold"))
    indent = " " * (_MARK_WIDTH + 2)
    for mark, text in lines:
        shown = Text(mark) if isinstance(mark, str) else mark.copy()
        shown.pad_left(_MARK_WIDTH - len(shown))
        # A path or a command that is broken over two lines cannot be copied.
        width = max(console.width - len(indent), _NARROWEST)
        parts = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        shown.append("  " + f"\n{indent}".join(parts), style="default")
        console.print(shown, soft_wrap=True)
    console.print()
