# SPDX-License-Identifier: Apache-2.0
"""What the doctor found: one line each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
